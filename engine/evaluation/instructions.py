"""Instructions whose keeping can be checked by a program, as in IFEval (Zhou et al. 2023, "Instruction-Following Evaluation for
Large Language Models"): a list of ``{"id": "length_constraints:number_words", "relation": "at least", "num_words": 40}``.

The names and arguments are those of the paper's data, so that its rows can be used as they are. Sentences are split by a plain
rule (a stop, then white space and a capital or the end) where the authors' program asks a trained splitter.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.evaluation import languages
from engine.evaluation.scorer import Check, Scorer, unfenced

Arguments = Mapping[str, Any]
RELATIONS = ("at least", "less than")
ENDINGS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])")


@dataclass(frozen=True)
class Instruction:
    """One kind of instruction: its arguments (with an example of each), and whether an answer keeps it."""

    id: str
    arguments: Mapping[str, Any]
    kept: Callable[[str, Arguments], bool]


def words(text: str) -> list[str]:
    """The words of a text: runs of letters, digits and underscores."""
    return re.findall(r"\w+", text)


def sentences(text: str) -> list[str]:
    """The sentences of a text, by their stops."""
    return [part for part in SENTENCE.split(text.strip()) if part.strip()]


def _related(count: int, wanted: Any, relation: str) -> bool:
    return count < wanted if relation == "less than" else count >= wanted


def _times(text: str, word: str) -> int:
    return len(re.findall(re.escape(word), text, re.IGNORECASE))


def _letter(text: str, given: Arguments) -> bool:
    return _related(text.lower().count(str(given["letter"]).lower()), given["let_frequency"], given["let_relation"])


def _forbidden(text: str, given: Arguments) -> bool:
    return not any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in given["forbidden_words"])


def _paragraphs(text: str, given: Arguments) -> bool:
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", text)]
    return all(parts[1:-1]) and sum(map(bool, parts)) == given["num_paragraphs"]


def _first_word(text: str, given: Arguments) -> bool:
    parts = [part.strip() for part in re.split(r"\n\n", text) if part.strip()]
    place = given["nth_paragraph"]
    if len(parts) != given["num_paragraphs"] or place > len(parts):
        return False
    first = re.match(r"[\"']*([\w-]+)", parts[place - 1])
    return first is not None and first.group(1).lower() == str(given["first_word"]).lower()


def _postscript(text: str, given: Arguments) -> bool:
    marker = str(given["postscript_marker"])
    wanted = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}.get(marker, re.escape(marker))
    return re.search(rf"(?im)^\s*{wanted}.*", text) is not None


def _bullets(text: str, given: Arguments) -> bool:
    return len(re.findall(r"^\s*(?:\*[^*]|-).*$", text, re.MULTILINE)) == given["num_bullets"]


def _highlights(text: str, given: Arguments) -> bool:
    double = re.findall(r"\*\*[^\n*]+\*\*", text)
    single = re.findall(r"(?<!\*)\*[^\n*]+\*(?!\*)", text)
    return sum(bool(found.strip("*").strip()) for found in (*double, *single)) >= given["num_highlights"]


def _sections(text: str, given: Arguments) -> bool:
    return len(re.findall(rf"\s?{re.escape(str(given['section_spliter']))}\s?\d+", text)) >= given["num_sections"]


def _json(text: str, given: Arguments) -> bool:
    try:
        json.loads(unfenced(text, "json"))
    except (ValueError, RecursionError):
        return False
    return True


def _two(text: str, given: Arguments) -> bool:
    parts = [part.strip() for part in text.split("******")]
    kept = [part for part in parts if part]
    return all(parts[1:-1]) and len(kept) == 2 and kept[0] != kept[1]


def _capitals(text: str, given: Arguments) -> bool:
    found = sum(word.isupper() for word in words(text))
    return _related(found, given["capital_frequency"], given["capital_relation"])


def _language(text: str, given: Arguments) -> bool:
    return languages.of(text) == given["language"]


INSTRUCTIONS = {
    instruction.id: instruction
    for instruction in (
        Instruction(
            "keywords:existence", {"keywords": ["sea"]}, lambda text, given: all(_times(text, word) for word in given["keywords"])
        ),
        Instruction(
            "keywords:frequency", {"keyword": "sea", "frequency": 2, "relation": "at least"},
            lambda text, given: _related(_times(text, given["keyword"]), given["frequency"], given["relation"]),
        ),
        Instruction("keywords:forbidden_words", {"forbidden_words": ["sea"]}, _forbidden),
        Instruction("keywords:letter_frequency", {"letter": "e", "let_frequency": 3, "let_relation": "at least"}, _letter),
        Instruction("language:response_language", {"language": "de"}, _language),
        Instruction(
            "length_constraints:number_sentences", {"num_sentences": 3, "relation": "at least"},
            lambda text, given: _related(len(sentences(text)), given["num_sentences"], given["relation"]),
        ),
        Instruction("length_constraints:number_paragraphs", {"num_paragraphs": 2}, _paragraphs),
        Instruction(
            "length_constraints:number_words", {"num_words": 40, "relation": "at least"},
            lambda text, given: _related(len(words(text)), given["num_words"], given["relation"]),
        ),
        Instruction(
            "length_constraints:nth_paragraph_first_word", {"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "then"}, _first_word
        ),
        Instruction(
            "detectable_content:number_placeholders", {"num_placeholders": 2},
            lambda text, given: len(re.findall(r"\[.*?\]", text)) >= given["num_placeholders"],
        ),
        Instruction("detectable_content:postscript", {"postscript_marker": "P.S."}, _postscript),
        Instruction("detectable_format:number_bullet_lists", {"num_bullets": 3}, _bullets),
        Instruction("detectable_format:constrained_response", {}, lambda text, given: any(ending in text for ending in ENDINGS)),
        Instruction("detectable_format:number_highlighted_sections", {"num_highlights": 2}, _highlights),
        Instruction("detectable_format:multiple_sections", {"section_spliter": "Section", "num_sections": 2}, _sections),
        Instruction("detectable_format:json_format", {}, _json),
        Instruction(
            "detectable_format:title", {},
            lambda text, given: any(found.strip("<>").strip() for found in re.findall(r"<<[^\n]+>>", text)),
        ),
        Instruction("combination:two_responses", {}, _two),
        Instruction(
            "combination:repeat_prompt", {"prompt_to_repeat": "Write a letter."},
            lambda text, given: text.strip().lower().startswith(str(given["prompt_to_repeat"]).strip().lower()),
        ),
        Instruction(
            "startend:end_checker", {"end_phrase": "That is all."},
            lambda text, given: text.strip().strip('"').lower().endswith(str(given["end_phrase"]).strip().lower()),
        ),
        Instruction(
            "startend:quotation", {}, lambda text, given: len(text.strip()) > 1 and text.strip()[0] == text.strip()[-1] == '"'
        ),
        Instruction("change_case:capital_word_frequency", {"capital_frequency": 3, "capital_relation": "at least"}, _capitals),
        Instruction("change_case:english_capital", {}, lambda text, given: text.isupper()),
        Instruction("change_case:english_lowercase", {}, lambda text, given: text.islower()),
        Instruction("punctuation:no_comma", {}, lambda text, given: "," not in text),
    )
}  # fmt: skip


def share_kept(given: list[Mapping[str, Any]], answer: str) -> float:
    """The share of the instructions that an answer keeps; an empty answer keeps none."""
    if not answer.strip():
        return 0.0
    return sum(INSTRUCTIONS[one["id"]].kept(answer, one) for one in given) / len(given)


def _score(check: Check, answer: str) -> float:
    share = share_kept(check["value"], answer)
    return share if check.get("partly", False) else float(share == 1)


def _examine(check: Check) -> str | None:
    given = check["value"]
    if not isinstance(given, list) or not given:
        return f"its value must be a list of instructions, not {given!r}"
    return next((problem for one in given if (problem := _problem(one))), None)


def _problem(one: Any) -> str | None:
    kind = INSTRUCTIONS.get(str(one.get("id"))) if isinstance(one, Mapping) else None
    if kind is None:
        return f"there is no instruction {one!r}. The ids are: {', '.join(INSTRUCTIONS)}"
    for name, example in kind.arguments.items():
        value = one.get(name)
        if "relation" in name and value not in RELATIONS:
            return f"{kind.id} takes {' or '.join(RELATIONS)} as {name}, not {value!r}"
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is None or number is not isinstance(example, int) or isinstance(value, list) is not isinstance(example, list):
            return f"{kind.id} takes {name} like {example!r}, not {value!r}"
    return None


FOLLOWED = Scorer(
    "instructions", "Every instruction of a list is kept (those of IFEval); with partly, the share that is kept",
    ("value",), ("partly",), _examine, _score,
)  # fmt: skip
