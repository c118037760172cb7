"""From facts to ranked advice. A pure function: the same answers and the same figures give the same advice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine import gallery
from engine.methods.card import Source
from engine.rubric import destinations, options, questions
from engine.rubric.destinations import Place
from engine.rubric.facts import Facts, facts
from engine.rubric.options import OPTIONS, Need, Option
from engine.rubric.questions import Answers
from engine.rubric.rules import RULES, TRAININGS
from storage.records import Interval

FIRST, NEXT, NOT_NOW, NEVER = "try first", "worth it if the first falls short", "not now", "does not apply"
VERDICTS = (FIRST, NEXT, NOT_NOW, NEVER)
WORTH = 2  # weight from which a way is worth it


@dataclass(frozen=True)
class Reason:
    """Why, and who says so."""

    text: str
    weight: int
    source: Source


@dataclass(frozen=True)
class Ranked:
    """One way with its place among the others, and all that is to be known of it. ``methods`` are of METHODS, ``road`` of GALLERY."""

    id: str
    title: str
    idea: str
    rank: int
    verdict: str
    score: int
    pros: tuple[Reason, ...]
    cons: tuple[Reason, ...]
    missing: tuple[str, ...]
    smallest: str
    smallest_source: Source
    risks: tuple[str, ...]
    measure: tuple[str, ...]
    cheaper: str
    cost: str
    methods: tuple[str, ...]
    road: str
    place: Place


@dataclass(frozen=True)
class Advised:
    """The advice: whether to train at all, in a sentence, and every way in its order."""

    train: bool
    headline: str
    sentence: str
    ways: tuple[Ranked, ...]

    @property
    def first(self) -> Ranked:
        return self.ways[0]


def advise(answers: Answers, measured: Mapping[str, Interval] | None = None) -> Advised:
    """What to do on these answers, and on what was ``measured`` since: an interval for each kind of candidate of a bake-off.

    BadInput where a question of the path is not answered, or an answer is not one that is offered.
    """
    case = facts(questions.complete(answers), measured)
    weighed = [_weighed(option, case) for option in OPTIONS.values()]
    # where nothing is well founded, prompting is: it lacks nothing and costs the least; of equals the cheaper one is first
    founded = any(way.verdict == NEXT for way in weighed)
    order = sorted(weighed, key=lambda way: (founded or way.id != "prompting", VERDICTS.index(way.verdict), -way.score))
    ways = tuple(_placed(way, place) for place, way in enumerate(order, 1))
    return Advised(ways[0].id in TRAININGS, *_said(case, ways), ways)


def _weighed(option: Option, case: Facts) -> Ranked:
    """An option with its reasons and its verdict; the first place is given later."""
    matched = [rule for rule in RULES if option.id in rule.options and rule.when(case)]
    named = options.road(case) if option.id == "chain" else None
    needs = options.missing(options.needed(option, case), case)
    score = sum(rule.weight for rule in matched)
    barred = any(rule.bars for rule in matched)
    methods = _methods_of(named.name) if named else options.METHODS_OF[option.id](case)
    return Ranked(
        id=option.id,
        title=option.title,
        idea=option.idea,
        rank=0,
        verdict=NEVER if barred else NOT_NOW if needs or score < WORTH else NEXT,
        score=score,
        pros=_reasons([Reason(rule.reason, rule.weight, rule.source) for rule in matched if rule.weight > 0]),
        cons=_reasons([Reason(rule.reason, rule.weight, rule.source) for rule in matched if rule.weight < 0]),
        missing=tuple(_wanted(group, case) for group in needs),
        smallest=option.smallest,
        smallest_source=option.smallest_source,
        risks=option.risks,
        measure=option.measure,
        cheaper=option.cheaper,
        cost=option.cost,
        methods=methods,
        road=named.name if named else "",
        place=_place(option, case, needs, methods, named.name if named else ""),
    )


def _reasons(found: list[Reason]) -> tuple[Reason, ...]:
    return tuple(sorted(found, key=lambda reason: -abs(reason.weight)))


def _wanted(group: tuple[Need, ...], case: Facts) -> str:
    """What is missing, in words, with what there is of it."""
    there = [f"{getattr(case, n.field):,.0f}" for n in group if n.field and n.data in case.data]
    wanted = " or ".join(need.words for need in group)
    return f"{wanted[0].upper()}{wanted[1:]}" + (f" (there are {' and '.join(there)})" if there else "")


def _methods_of(road: str) -> tuple[str, ...]:
    found = [stage["method"] for stage in gallery.GALLERY[road].stages if "method" in stage]
    return tuple(dict.fromkeys(found))


def _place(option: Option, case: Facts, needs: tuple[tuple[Need, ...], ...], methods: tuple[str, ...], road: str) -> Place:
    if option.id not in TRAININGS:
        return destinations.untrained(option.id, case.aim)
    if needs:
        return destinations.data(needs[0][0].data)
    if option.id == "preference" and not (case.pairs or case.marks):
        return destinations.data("judge")  # it has to compare the answers first
    return destinations.road(road) if road else destinations.training(methods[0])


def _placed(way: Ranked, place: int) -> Ranked:
    """The way with its rank; the first one is to be tried first, whatever it lacks by itself."""
    return Ranked(**{**vars(way), "rank": place, "verdict": FIRST if place == 1 else way.verdict})


def _said(case: Facts, ways: tuple[Ranked, ...]) -> tuple[str, str]:
    """The advice as a headline and a sentence."""
    first = ways[0]
    after = next((way for way in ways[1:] if way.verdict == NEXT), None)
    lacking = max((way for way in ways[1:] if way.missing and way.verdict == NOT_NOW), key=lambda way: way.score, default=None)
    then = f" If it falls short: {after.title}." if after else ""
    if case.suffices:
        return (
            "Do not train.",
            f"{first.title} is good enough for the bar of {case.needed:g} of 100. Keep measuring it, and come back when it no longer is.",
        )
    if first.id not in TRAININGS and case.fell_short and first.id == "prompting":
        more = (
            f" What would help most is missing: {lacking.missing[0][0].lower()}{lacking.missing[0][1:]}, for {lacking.title}."
            if lacking
            else ""
        )
        return (
            "Do not train yet.",
            f"Prompting fell short, and nothing else is better founded. Give it examples and validators, and measure it.{more or then}",
        )
    if first.id not in TRAININGS:
        return "Do not train yet.", f"{first.title} comes first: of what may be enough it costs the least.{then}"
    return f"Train: {first.title}.", f"Before it, measure the cheaper way: {first.cheaper[0].lower()}{first.cheaper[1:]}.{then}"


def restored(body: Mapping[str, Any]) -> Advised:
    """The advice that was kept as plain JSON."""
    return Advised(**{**body, "ways": tuple(_way(way) for way in body["ways"])})


def _way(told: Mapping[str, Any]) -> Ranked:
    reasons = {
        side: tuple(Reason(**{**one, "source": Source(**one["source"])}) for one in told[side]) for side in ("pros", "cons")
    }
    lists = {name: tuple(told[name]) for name in ("missing", "risks", "measure", "methods")}
    place = Place(**{**told["place"], "command": tuple(told["place"]["command"])})
    return Ranked(**{**told, **reasons, **lists, "smallest_source": Source(**told["smallest_source"]), "place": place})
