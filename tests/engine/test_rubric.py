"""The rubric: at most twelve questions on any way, advice that exists on every one of them, and what has to come before what."""

import dataclasses
import itertools
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import gallery, rubric
from engine.errors import BadInput
from engine.methods import METHODS
from engine.rubric import destinations, questions, rules, sources
from engine.rubric.facts import Facts
from engine.rubric.options import OPTIONS, ROADS, road
from engine.rubric.questions import FIELDS, MOST, Question
from engine.rubric.ranking import FIRST, NEVER, NEXT, VERDICTS, Advised, restored
from engine.rubric.rules import RULES, TRAININGS
from storage.records import Interval

ROOT = Path(__file__).parents[2]
CORNERS = {
    "needed": (50, 99), "reached": (20, 96), "document_tokens": (500, 200_000, 50_000_000), "demonstration_rows": (20, 300, 5_000),
    "pair_rows": (50, 600, 5_000), "mark_rows": (50, 5_000), "prompt_rows": (50, 700, 5_000), "seconds": (0.5, 30), "hours": (0, 0.5, 48),
}  # fmt: skip
AIMS = ("rules", "knowledge", "language", "strict", "skill", "taste")
LATE = ("privacy", "hardware", "regressions")  # questions on which no other one depends


def subsets(question: Question) -> list[Any]:
    """Every answer to a question with choices."""
    ids = [choice.id for choice in question.choices]
    if not question.several:
        return ids
    some = [id for id in ids if id != questions.NOTHING]
    every = [list(chosen) for size in range(1, len(some) + 1) for chosen in itertools.combinations(some, size)]
    return [[questions.NOTHING], *every]


def walks(answers: dict[str, Any], chance: random.Random, but: Sequence[str] = LATE) -> Iterator[dict[str, Any]]:
    """Every walk through the choices; numbers at one of their corners, and questions of ``but`` at one of their choices, by chance."""
    question = rubric.asked(answers)
    if question is None:
        yield answers
    elif question.numbers:
        corners = {number.id: chance.choice(CORNERS[number.id]) for number in question.fields(answers)}
        yield from walks({**answers, **corners}, chance, but)
    else:
        every = subsets(question)
        for chosen in [chance.choice(every)] if question.id in but else every:
            yield from walks({**answers, question.id: chosen}, chance, but)


def base(**answers: Any) -> dict[str, Any]:
    """A complete case, with these answers instead of the usual ones."""
    usual = {
        "goal": "knowledge", "prompting": "untried", "needed": 90, "changes": "never", "citations": "no", "data": ["none"],
        "seconds": 10, "hours": 8, "privacy": "open", "hardware": "medium", "regressions": "some",
    }  # fmt: skip
    return usual | answers


def ranks(advised: Advised) -> dict[str, int]:
    return {way.id: way.rank for way in advised.ways}


def verdict(advised: Advised, id: str) -> str:
    return next(way.verdict for way in advised.ways if way.id == id)


def sound(answers: dict[str, Any], told: Advised) -> None:
    """What has to be so for any answers."""
    assert [way.rank for way in told.ways] == list(range(1, len(OPTIONS) + 1)) and {way.id for way in told.ways} == set(OPTIONS)
    assert told.headline and told.sentence and told.first.verdict == FIRST
    assert sum(way.verdict == FIRST for way in told.ways) == 1
    assert [VERDICTS.index(way.verdict) for way in told.ways] == sorted(VERDICTS.index(way.verdict) for way in told.ways)
    assert told.first.pros or told.first.cons
    assert not told.first.missing and told.train == (told.first.id in TRAININGS)
    for way in told.ways:
        assert way.pros or way.cons, (answers, way.id)
        assert set(way.methods) <= set(METHODS) and (not way.road or way.road in gallery.GALLERY)
        assert way.place.query.get("method", "sft") in METHODS and way.place.query.get("road", "r1") in gallery.GALLERY
        assert way.verdict != NEXT or not way.missing
    if set(answers["data"]) == {"none"}:
        assert not told.train
        assert all(way.verdict not in (FIRST, NEXT) for way in told.ways if way.id in TRAININGS)
    if answers["prompting"] == "enough" or answers.get("reached", -1) >= answers["needed"] or answers["hours"] == 0:
        assert not told.train
        assert all(way.verdict not in (FIRST, NEXT) for way in told.ways if way.id in TRAININGS)
    order = ranks(told)
    if answers.get("changes") == "daily":
        assert order["retrieval"] < order["pretrain"]


def test_any_walk_through_the_questions_is_short_and_ends_in_advice_that_exists() -> None:
    chance, seen, longest = random.Random(0), 0, 0
    for answers in walks({}, chance):
        seen += 1
        longest = max(longest, len(rubric.path(answers)))
        assert questions.kept(answers) == questions.complete(answers) == answers
        if seen % 4 == 0:  # every walk is walked, the advice is looked at for a quarter of them
            sound(answers, rubric.advise(answers))
    assert seen > 9_000
    assert longest == MOST


def test_every_combination_of_the_late_questions_and_every_corner_gives_advice_that_exists() -> None:
    chance = random.Random(1)
    for goal, data in itertools.product(
        ("rules", "knowledge", "skill", "taste", "strict", "language"),
        (["none"], ["documents"], ["pairs"], ["prompts", "demonstrations"]),
    ):
        fixed = {"goal": goal, "data": data}
        for answers in walks(fixed, chance, but=("citations",)):
            if chance.random() < 0.25:
                sound(answers, rubric.advise(answers))


def test_the_way_on_is_never_longer_than_is_told() -> None:
    chance = random.Random(2)
    for _ in range(300):
        answers: dict[str, Any] = {}
        told = [questions.longest(answers)]
        while (question := rubric.asked(answers)) is not None:
            chosen = {n.id: chance.choice(CORNERS[n.id]) for n in question.fields(answers)} or {
                question.id: chance.choice(subsets(question))
            }
            answers |= chosen
            told.append(questions.longest(answers))
        assert told == sorted(told, reverse=True) and told[0] == MOST
        assert told[-1] == len(rubric.path(answers))


OFTEN = {
    "privacy": ("open", "inside", "rights"),
    "hardware": ("cpu", "small", "medium", "large"),
    "regressions": ("none", "some", "any"),
}


def around(**answers: Any) -> Iterator[Advised]:
    """The advice with these answers, whatever was answered to the late questions."""
    for late in itertools.product(*OFTEN.values()):
        yield rubric.advise(base(**{**dict(zip(OFTEN, late, strict=True)), **answers}))


@pytest.mark.parametrize("prompting", ["untried", "short"])
@pytest.mark.parametrize("hours", [0.5, 8])
def test_pairs_and_taste_lead_to_preferences_first(prompting: str, hours: float) -> None:
    for told in around(goal="taste", data=["pairs"], pair_rows=5_000, prompting=prompting, hours=hours):
        assert (told.first.id, told.first.methods, told.train) == ("preference", ("dpo",), True)
        assert told.first.place.query == {"method": "dpo"}


def test_marks_without_pairs_lead_to_kto() -> None:
    for told in around(goal="taste", data=["marks"], mark_rows=5_000):
        assert (told.first.id, told.first.methods) == ("preference", ("kto",))


@pytest.mark.parametrize("data", [["prompts"], ["prompts", "pairs"], ["prompts", "demonstrations"]])
def test_questions_that_can_be_checked_put_rewards_above_preferences(data: list[str]) -> None:
    for told in around(goal="skill", data=data, prompt_rows=2_000, pair_rows=5_000, demonstration_rows=2_000, prompting="short"):
        assert ranks(told)["reinforcement"] < ranks(told)["preference"]
        assert told.first.id == "reinforcement" and told.first.methods == ("grpo",)


@pytest.mark.parametrize("data", [["none"], ["demonstrations"], ["pairs", "demonstrations"]])
@pytest.mark.parametrize("prompting", ["untried", "short"])
def test_a_few_rules_are_for_a_prompt(data: list[str], prompting: str) -> None:
    for told in around(goal="rules", prompting=prompting, data=data, demonstration_rows=2_000, pair_rows=5_000):
        assert told.first.id == "prompting" and not told.train


@pytest.mark.parametrize("changes", ["never", "yearly", "monthly", "daily"])
def test_facts_are_looked_up_before_they_are_trained(changes: str) -> None:
    for told in around(
        goal="knowledge",
        changes=changes,
        data=["documents", "demonstrations"],
        document_tokens=2_000_000,
        demonstration_rows=2_000,
    ):
        assert told.first.id == "retrieval"
        assert verdict(told, "preference") == verdict(told, "reinforcement") == NEVER


def test_a_fields_language_that_stays_is_read_once_prompting_fell_short() -> None:
    told = rubric.advise(
        base(
            goal="language",
            prompting="short",
            data=["documents", "demonstrations"],
            document_tokens=50_000_000,
            demonstration_rows=2_000,
        )
    )
    assert told.first.id == "pretrain" and told.first.methods == ("pretrain", "sft")
    changed = rubric.advise(
        {**base(goal="language", prompting="short", data=["documents"], document_tokens=50_000_000), "changes": "daily"}
    )
    assert ranks(changed)["retrieval"] < ranks(changed)["pretrain"] and not changed.train


@pytest.mark.parametrize("goal", AIMS)
def test_what_was_measured_at_the_bar_is_a_reason_not_to_train(goal: str) -> None:
    everything = {
        "data": ["documents", "demonstrations", "pairs", "prompts"], "document_tokens": 5e7, "demonstration_rows": 5e4,
        "pair_rows": 5e4, "prompt_rows": 5e4,
    }  # fmt: skip
    for told in around(goal=goal, prompting="measured", reached=91, **everything):
        assert (told.train, told.headline, told.first.id) == (False, "Do not train.", "prompting")
    later = rubric.advise(base(goal=goal, prompting="short", **everything), {"guards": Interval(0.93, 0.9, 0.95, 400)})
    assert (later.train, later.first.id) == (False, "prompting")


def test_retrieval_that_was_measured_below_the_bar_gives_way_to_training_and_above_it_does_not() -> None:
    answers = base(
        goal="language", prompting="short", data=["documents", "demonstrations"], document_tokens=5e7, demonstration_rows=5e3
    )
    below = rubric.advise(answers, {"retrieval": Interval(0.5, 0.45, 0.55, 400), "prompt": Interval(0.4, 0.35, 0.45, 400)})
    assert below.train
    above = rubric.advise(answers, {"retrieval": Interval(0.95, 0.92, 0.97, 400)})
    assert (above.train, above.first.id) == (False, "retrieval")


def test_documents_of_a_page_stand_in_the_prompt_and_need_no_search() -> None:
    told = rubric.advise(base(data=["documents"], document_tokens=1_500))
    assert told.first.id == "prompting" and ranks(told)["retrieval"] > 1


def test_more_of_the_right_data_never_moves_its_method_down() -> None:
    for goal, kind, field, option in (
        ("taste", "pairs", "pair_rows", "preference"), ("skill", "prompts", "prompt_rows", "reinforcement"),
        ("strict", "demonstrations", "demonstration_rows", "sft"), ("language", "documents", "document_tokens", "pretrain"),
    ):  # fmt: skip
        ways = [
            next(way for way in rubric.advise(base(goal=goal, data=[kind], **{field: amount})).ways if way.id == option)
            for amount in (10, 700, 7_000, 5e8)
        ]
        places = [(-VERDICTS.index(way.verdict), way.score) for way in ways]
        assert places == sorted(places), (goal, places)


def test_too_little_data_is_said_with_what_is_there_and_what_is_needed() -> None:
    told = rubric.advise(base(goal="taste", data=["pairs"], pair_rows=50))
    way = next(way for way in told.ways if way.id == "preference")
    assert way.verdict == "not now" and way.missing == ("500 pairs or 1,000 marked answers or a judge (there are 50)",)
    assert way.place.page == "labels"


def test_who_looked_at_nothing_is_told_to_look_first() -> None:
    told = rubric.advise(base(goal="unsure", symptom="unknown", data=["pairs"], pair_rows=5_000))
    assert told.first.id == "prompting" and told.first.pros[0].text.startswith("Read twenty answers")


def test_every_road_is_reachable_for_an_aim_and_the_data_it_needs() -> None:
    plenty = {"document_tokens": 1e8, "demonstration_rows": 1e5, "pair_rows": 1e5, "prompt_rows": 1e5}
    fields = {
        "documents": "document_tokens",
        "demonstrations": "demonstration_rows",
        "pairs": "pair_rows",
        "prompts": "prompt_rows",
    }
    for way in ROADS:
        kinds = {need.data for group in way.needs for need in group}
        given = {fields[kind]: plenty[fields[kind]] for kind in kinds if kind in fields}
        assert road(Facts(aim=way.aims[0], data=frozenset(kinds), **given)).name == way.name
        assert way.name in gallery.GALLERY


def test_every_rule_can_hold_names_ways_that_there_are_and_has_a_source() -> None:
    chance = random.Random(3)
    cases = [
        Facts(
            aim=chance.choice([*AIMS, "unknown"]), prompting=chance.choice(["untried", "short", "enough"]),
            changes=chance.choice(["never", "yearly", "monthly", "daily"]),
            citations=chance.random() < 0.5, data=frozenset(chance.sample(["documents", "pairs", "judge", "prompts"], 2)),
            reached=chance.choice([None, 20, 87, 95]),
            **{name: chance.choice((0, *CORNERS[name])) for name in CORNERS if name not in ("needed", "reached", "hours")},
            hours=chance.choice(CORNERS["hours"]), privacy=chance.choice(OFTEN["privacy"]), hardware=chance.choice(OFTEN["hardware"]),
            regressions=chance.choice(OFTEN["regressions"]), measured={"retrieval": Interval(chance.random(), 0, 1, 9)} if chance.random() < 0.3 else {},
        )
        for _ in range(3_000)
    ]  # fmt: skip
    for rule in RULES:
        assert set(rule.options) <= set(OPTIONS) and rule.weight and (rule.weight < 0 or not rule.bars)
        assert rule.reason.endswith(".") and not re.search(r"[{}]", rule.reason)
        assert rule.source.name and re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}|README\.md#[a-z]+", rule.source.address)
        assert any(rule.when(case) for case in cases), rule.reason
    heading = re.findall(r"^## (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {rule.source.address.split("#")[1].capitalize() for rule in RULES if "#" in rule.source.address} <= set(heading)


def test_figures_in_reasons_are_those_that_were_measured() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if line.startswith("| `pretrain` | facts of the new domain"))
    gains = [int(gain) for gain in re.findall(r"[+-]\d+", row)]
    assert sources.gained("pretrain", "facts of the new domain, closed book") == f"{min(gains)} to {max(gains)} points"
    assert any(f"rose by {min(gains)} to {max(gains)} points" in rule.reason for rule in rules.FITS)


def test_every_advice_leads_to_a_page_that_there_is() -> None:
    pages = {path.parent.name for path in (ROOT / "pages").glob("*/page.py")}
    led = {destination.page for destination in destinations.DESTINATIONS.values()}
    assert led <= pages


def test_advice_that_was_kept_as_json_is_read_back_as_it_was() -> None:
    told = rubric.advise(base(goal="skill", data=["prompts", "demonstrations"], prompt_rows=2_000, demonstration_rows=2_000))
    assert restored(json.loads(json.dumps(dataclasses.asdict(told)))) == told


def test_answers_are_taken_as_they_are_typed_and_what_cannot_be_is_said() -> None:
    read = questions.read({"data": "pairs, documents", "document_tokens": "2M", "needed": "90"})
    assert read == {"data": ["documents", "pairs"], "document_tokens": 2_000_000.0, "needed": 90.0}
    for given, said in (
        ({"gaol": "rules"}, "There is no question 'gaol'. There is: goal"),
        ({"goal": "fame"}, "goal takes one of rules"),
        ({"goal": "rules,taste"}, "goal takes one of rules"),
        ({"data": "none,pairs"}, "nothing or something"),
        ({"data": []}, "data takes some of none"),
        ({"needed": "many"}, "needed takes a number from 1 to 100, not 'many'"),
        ({"needed": "101"}, "needed takes a number from 1 to 100"),
        ({"needed": "nan"}, "needed takes a number"),
        ({"bar": "90"}, "bar is answered by its numbers: needed, reached"),
        ({"data": {"none": 1}}, "data takes some of"),
    ):
        with pytest.raises(BadInput, match=re.escape(said)):
            questions.read(given)
    with pytest.raises(BadInput, match="Still to be answered: How good must it be"):
        rubric.advise({"goal": "rules", "prompting": "untried"})


def test_answers_that_are_not_asked_are_not_looked_at() -> None:
    assert rubric.advise(base(symptom="taste", pair_rows=9_000, reached=99)) == rubric.advise(base())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[question]]\nid="a"\ntext="?"\nwhy="."', "needs choices or numbers"),
        ('[[question]]\nid="a"\ntext="?"\nwhy="."\nchoices=[{id="x",words="X"},{id="x",words="Y"}]', "is there twice"),
        ('[[question]]\nid="a"\ntext="?"\nwhy="."\nchoices=[{id="x",words="X"}]\nwhen={b=["y"]}', "which is not asked before it"),
        ('[[question]]\nid="a"\ntext="?"\nchoices=[{id="x",words="X"}]', "cannot be read"),
    ],
)
def test_questions_that_do_not_fit_together_are_refused(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        questions.load(text)


def test_every_question_says_why_and_every_number_has_examples() -> None:
    assert len(rubric.QUESTIONS) == MOST
    for question in rubric.QUESTIONS:
        assert question.text.endswith("?") and question.why.endswith(".") and all(choice.words for choice in question.choices)
    assert all(number.examples and number.low < number.high for number in FIELDS.values())


def test_a_skill_without_checks_is_told_to_bring_checks_and_not_to_train_on_opinions() -> None:
    told = rubric.advise(base(goal="skill", prompting="short", data=["pairs", "judge"], pair_rows=5_000))
    assert not told.train and "500 questions that can be checked, for A reward" in told.sentence
