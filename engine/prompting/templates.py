"""How a question is put to a model: a system text, a template with passages and variables, and examples as earlier turns.

Pure and light. A template holds plain names in braces and nothing is evaluated; what is filled in is never read as a template again.
Passages come from documents that nobody here wrote: before they are shown, all that could pass for a turn of the conversation is
drawn so that it cannot.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from string import Formatter
from typing import Any

from engine.errors import BadInput
from storage.records import Passage

QUESTION, PASSAGES = "question", "passages"
BY = ("fixed", "nearest")
MOST_EXAMPLES = 32
NONE_FOUND = "(no passage was found)"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# the beginnings of <|im_start|>, <s>, </s>, <start_of_turn>, <<SYS>>, also with the wide signs that some tokenizers make narrow
ANGLE = re.compile(r"[<\uff1c\ufe64](?=[A-Za-z/!|_<\uff5c\uff1c\ufe64\u2581])")
SQUARE = re.compile(r"\[(?=/?[A-Za-z_]{2,}\s*\])")  # [INST], [/INST], [SYSTEM_PROMPT], [gMASK]
BARS = re.compile(r"\|(?=\|)")  # |||...|||
CITED = re.compile(r"\[(\s*\d+\s*)\]")
JOINERS = re.compile(r"(?<=[^\x00-\x7f])[\u200c\u200d](?=[^\x00-\x7f])")  # letters of several scripts need them
JOINED = {"\u200c": "\ue000", "\u200d": "\ue001"}  # kept apart while other signs without a shape are taken out


@dataclass(frozen=True)
class Examples:
    """Rows of a data set that are shown as earlier turns: the same ones always, or those nearest to the question."""

    dataset: str  # name@version
    count: int = 4
    by: str = "fixed"
    seed: int = 0  # of the choice of fixed ones


@dataclass(frozen=True)
class Body:
    """What stands around a question. ``absent`` is what to say when the passages do not hold the answer."""

    system: str = ""
    template: str = "{question}"
    examples: Examples | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    absent: str = ""

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> "Body":
        """The body in ``given``, what is missing as its default. BadInput names what is wrong."""
        known = ("system", "template", "examples", "variables", "absent")
        if not isinstance(given, Mapping):
            raise BadInput(f"A prompt is an object with {', '.join(known)}, not {given!r}.")
        if wrong := [name for name in given if name not in known]:
            raise BadInput(f"A prompt has no {wrong[0]!r}. It takes: {', '.join(known)}.")
        texts = {name: given[name] for name in ("system", "template", "absent") if given.get(name) is not None}
        for name, value in texts.items():
            if not isinstance(value, str):
                raise BadInput(f"{name} of a prompt is a text, not {value!r}.")
        body = cls(**texts, examples=_examples(given.get("examples")), variables=_variables(given.get("variables") or {}))
        named = fields(body.template)
        if QUESTION not in named:
            raise BadInput(f"The template {body.template!r} does not ask the question. Put {{question}} where it belongs.")
        known_names = (QUESTION, PASSAGES, *body.variables)
        if unknown := next((name for name in named if name not in known_names), None):
            raise BadInput(
                f"The template names {{{unknown}}}, and there is no such variable. There are: {', '.join(known_names)}. "
                "Braces that are meant as such are doubled: {{ and }}."
            )
        return body

    def plain(self) -> dict[str, Any]:
        """The body as JSON can hold it, which ``checked`` takes."""
        return {**asdict(replace(self, variables={})), "variables": dict(self.variables)}


def _examples(given: Any) -> Examples | None:
    if given is None or isinstance(given, Examples):
        return given
    if not isinstance(given, Mapping) or not isinstance(given.get("dataset"), str) or not given["dataset"]:
        raise BadInput(f"examples takes an object with dataset (name@version), count and by, not {given!r}.")
    if wrong := [name for name in given if name not in ("dataset", "count", "by", "seed")]:
        raise BadInput(f"examples has no {wrong[0]!r}. It takes: dataset, count, by, seed.")
    made = Examples(**given)
    if isinstance(made.count, bool) or not isinstance(made.count, int) or not 1 <= made.count <= MOST_EXAMPLES:
        raise BadInput(f"count of examples takes a whole number from 1 to {MOST_EXAMPLES}, not {made.count!r}.")
    if made.by not in BY:
        raise BadInput(f"by of examples takes {' or '.join(BY)}, not {made.by!r}.")
    if isinstance(made.seed, bool) or not isinstance(made.seed, int):
        raise BadInput(f"seed of examples takes a whole number, not {made.seed!r}.")
    return made


def _variables(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise BadInput(f"variables takes an object of names and texts, not {given!r}.")
    for name, value in given.items():
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in (QUESTION, PASSAGES):
            raise BadInput(f"{name!r} cannot name a variable. Use letters, digits and _, and neither question nor passages.")
        if not isinstance(value, str):
            raise BadInput(f"The variable {name} holds a text, not {value!r}.")
    return dict(given)


def fields(template: str) -> list[str]:
    """The names that a template has in braces, in order. BadInput where something else than a plain name stands there."""
    return [name for _, name in _parts(template) if name is not None]


def _parts(template: str) -> list[tuple[str, str | None]]:
    """A template as pieces of text, each with the name that follows it."""
    parts: list[tuple[str, str | None]] = []
    try:
        read = list(Formatter().parse(template))
    except ValueError as problem:
        raise BadInput(
            f"The template {template!r} cannot be read: {problem}. Braces that are meant as such are doubled: {{{{ and }}}}."
        ) from None
    for text, name, spec, conversion in read:
        if name is not None and (not NAME.fullmatch(name) or spec or conversion):
            told = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            raise BadInput(
                f"The template holds {{{told}}}. Only plain names stand in braces, as in {{question}}: no parts of things, numbers, "
                "conversions or formats. Braces that are meant as such are doubled: {{ and }}."
            )
        parts.append((text, name))
    return parts


def render(
    body: Body,
    messages: Sequence[Mapping[str, Any]],
    passages: Sequence[Passage] = (),
    examples: Sequence[tuple[str, str]] = (),
) -> list[dict[str, Any]]:
    """The turns that the chat template gets: system text, examples as earlier turns, then ``messages``, the last user turn of which
    is wrapped. BadInput where there is no user turn."""
    turns = [dict(turn) for turn in messages]
    last = max((i for i, turn in enumerate(turns) if turn.get("role") == "user"), default=None)
    if last is None:
        raise BadInput("There is no question to put into the prompt: a conversation needs a turn of the user.")
    turns[last]["content"] = _wrapped(body, str(turns[last]["content"]), passages)
    own = turns.pop(0)["content"] if turns[0].get("role") in ("system", "developer") else ""
    system = "\n\n".join(text for text in (body.system, own) if text)
    # an example stands without passages, and one that says so would teach to find nothing
    bare = replace(body, template="{question}") if PASSAGES in fields(body.template) else body
    shown = [
        turn
        for question, answer in examples
        for turn in (
            {"role": "user", "content": _wrapped(bare, question, ())},
            {"role": "assistant", "content": answer},
        )
    ]
    return [*([{"role": "system", "content": system}] if system else []), *shown, *turns]


def _wrapped(body: Body, question: str, passages: Sequence[Passage]) -> str:
    parts = _parts(body.template)
    asks_for = any(name == PASSAGES for _, name in parts)
    shown = quoted(passages) or NONE_FOUND
    if body.absent:
        shown += f"\n\nIf the passages do not hold the answer, say: {body.absent}"
    values = {**body.variables, QUESTION: question, PASSAGES: shown}
    filled = "".join(text + (values[name] if name is not None else "") for text, name in parts)
    return f"{shown}\n\n{filled}" if passages and not asks_for else filled


def quoted(passages: Sequence[Passage]) -> str:
    """Passages as they are shown to a model, numbered [1], [2] and so on, so that none of them can speak as user or system."""
    return "\n\n".join(_quoted(number, passage) for number, passage in enumerate(passages, 1))


def _quoted(number: int, passage: Passage) -> str:
    source = " / ".join(" ".join(inert(part).split()) for part in (passage.document, passage.heading) if part.strip())
    # no line of a document stands at the margin, where templates without special tokens have "User:"
    lines = [line.rstrip() for line in inert(passage.text).strip().splitlines()]
    return "\n".join([f"[{number}] ({source})" if source else f"[{number}]", *(f"  {line}" if line else "" for line in lines)])


def inert(text: str) -> str:
    """A text without control signs, in which nothing is spelled like the markers of a chat template or the number of a passage."""
    text = re.sub(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]", "\n", text)
    text = JOINERS.sub(lambda found: JOINED[found.group()], "".join(sign for sign in text if sign not in JOINED.values()))
    text = "".join(sign for sign in text if sign in ("\n", "\t", *JOINED.values()) or unicodedata.category(sign)[0] != "C")
    for kept, joined in JOINED.items():
        text = text.replace(joined, kept)
    text = BARS.sub("| ", ANGLE.sub("< ", text))
    return CITED.sub(r"(\1)", SQUARE.sub("[ ", text))
