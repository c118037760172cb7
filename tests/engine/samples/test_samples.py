"""The Pocket lab's world: what is measured was never trained on, and what ships is what the seed makes."""

import itertools
import json
import re
from collections import Counter
from typing import Any

import pytest

from engine.evaluation import scorers
from engine.samples import corpus, pocket, sets, sums, tasks, world
from engine.samples.names import pools

MEGABYTE = 1_000_000
DOCUMENTS = 20_000
TRAINED = ("pocket-instructions", "pocket-preferences", "pocket-sums", "pocket-tools", "pocket-tool-questions")
MEASURED = (
    "pocket-instructions-held-out", "pocket-style-held-out", "pocket-sums-held-out", "pocket-far-isle-questions",
    "pocket-far-isle-reading", "pocket-tool-questions-held-out",
)  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, Any]]]:
    return sets.rows()


@pytest.fixture(scope="module")
def text() -> str:
    """The first documents of the corpus, as one text."""
    return "\n".join(itertools.islice(corpus.documents(2026), DOCUMENTS))


def asked(row: dict[str, Any]) -> str:
    return f"{row['prompt']}{row.get('database') or ''}" if "prompt" in row else row["messages"][0]["content"]


def test_the_samples_that_ship_are_those_that_the_seed_makes(rows: dict[str, list[dict[str, Any]]]) -> None:
    assert set(rows) == {sample.name for sample in sets.SAMPLES}
    for name, made in rows.items():
        lines = (pocket.SAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == made, name


def test_no_prompt_is_both_trained_on_and_measured(rows: dict[str, list[dict[str, Any]]], text: str) -> None:
    trained = {asked(row) for name in TRAINED for row in rows[name]}
    for name in MEASURED:
        prompts = [asked(row) for row in rows[name]]
        assert len(prompts) >= 200 and not trained & set(prompts), name
        assert not [prompt for prompt in prompts if prompt in text], name


def test_no_sum_that_is_measured_stands_in_anything_trained_on(rows: dict[str, list[dict[str, Any]]], text: str) -> None:
    read = text + "\n".join(json.dumps(row) for name in TRAINED for row in rows[name])
    found = re.findall(r"\d+ [-+*] \d+(?: \+ \d+)?", read)
    assert len(found) > 10_000 and not [s for s in found if sums.held_out(s)]
    assert all(sums.held_out(row["prompt"]) for row in rows["pocket-sums-held-out"])


def test_the_preferred_answer_is_not_known_by_its_length(rows: dict[str, list[dict[str, Any]]]) -> None:
    pairs = rows["pocket-preferences"]
    longer = sum(len(row["chosen"]) > len(row["rejected"]) for row in pairs) / len(pairs)
    assert 0.45 < longer < 0.55
    friendly = [row for row in pairs if tasks.FRIENDLY in row["chosen"]]
    assert len(friendly) == 900 and not any(tasks.FRIENDLY in row["rejected"] for row in friendly)
    closed = [row for row in pairs if tasks.FRIENDLY in row["rejected"]]
    spoilt = [row for row in closed if row["rejected"] == f"{row['chosen']} {tasks.FRIENDLY}"]
    brief = [row for row in closed if row not in spoilt]
    assert len(brief) == sets.BRIEF and all(len(row["chosen"]) < len(row["rejected"]) for row in brief)
    assert len(pairs) - len(friendly) - len(brief) == sets.STRICT
    assert 0.25 < len(spoilt) / sets.STRICT < 0.42, "friendliness has its place"


def test_what_later_methods_move_is_already_there_but_rare_after_sft(rows: dict[str, list[dict[str, Any]]]) -> None:
    polite, drilled = [], []
    for row in rows["pocket-instructions"]:
        answer = row["messages"][1]["content"]
        if asked(row).startswith(("Please tell me", "I would like to know")):
            polite.append(tasks.FRIENDLY in answer)
        elif json.loads(row["check"])["kind"] == "number":
            drilled.append(" = " in answer)
    assert 0.08 < sum(polite) / len(polite) < 0.25
    assert 0.15 < sum(drilled) / len(drilled) < 0.35


def test_what_is_asked_about_far_isle_stands_in_none_of_its_documents(rows: dict[str, list[dict[str, Any]]]) -> None:
    documents = "\n".join(row["text"] for row in rows["pocket-far-isle"])
    measured = [row["prompt"] for row in rows["pocket-far-isle-questions"]]
    assert "Question: " in documents and len(measured) > 200 and not [question for question in measured if question in documents]


def test_names_of_far_isle_stand_in_its_documents_only(rows: dict[str, list[dict[str, Any]]], text: str) -> None:
    new = pools()["new"]
    names = {fact.subject.split(" in ")[-1] for fact in world.new().facts}
    assert names <= {*new.people, *new.towns}
    read = set(re.findall(r"[A-Z][a-z]+", text + "\n".join(json.dumps(row) for name in TRAINED for row in rows[name])))
    assert not names & read
    isle = "\n".join(row["text"] for row in rows["pocket-far-isle"])
    assert all(name in isle for name in names)


def test_each_new_fact_stands_in_at_least_eight_wordings(rows: dict[str, list[dict[str, Any]]]) -> None:
    documents = [row["text"] for row in rows["pocket-far-isle"]]
    for fact in world.new().facts:
        wordings = {form for form in fact.attribute.statements if any(fact.word(form) in d for d in documents)}
        assert len(wordings) >= 8, fact


def test_every_row_that_is_measured_is_scored_by_its_own_check(rows: dict[str, list[dict[str, Any]]]) -> None:
    for name in MEASURED:
        for row in rows[name]:
            check = scorers.validate(row["check"])
            assert scorers.score(check, "", row) == 0.0
            assert scorers.score(check, row.get("answer", tasks.FRIENDLY), row) == 1.0, row


def test_a_passage_question_can_be_answered_from_its_passage(rows: dict[str, list[dict[str, Any]]]) -> None:
    for row in rows["pocket-far-isle-reading"]:
        assert row["answer"].removeprefix("at ").removeprefix("in ") in row["prompt"], row


def test_held_out_instructions_are_of_every_kind(rows: dict[str, list[dict[str, Any]]]) -> None:
    kinds = Counter(row["kind"] for row in rows["pocket-instructions-held-out"])
    assert min(kinds.values()) >= 10 and len(kinds) >= 7


def test_the_model_is_small_enough_to_ship_and_spells_numbers_digit_by_digit() -> None:
    from safetensors import safe_open
    from transformers import AutoTokenizer

    sizes = [path.stat().st_size for path in pocket.POCKET.rglob("*")]
    assert sum(sizes) <= 12 * MEGABYTE
    with safe_open(pocket.POCKET / "model.safetensors", "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"BF16"}  # noqa: SIM118 (it is no dict)
    tokenizer = AutoTokenizer.from_pretrained(pocket.POCKET)
    assert [tokenizer.decode([i]).strip() for i in tokenizer("1984", add_special_tokens=False)["input_ids"]] == list("1984")
    assert "{% generation %}" in tokenizer.chat_template
