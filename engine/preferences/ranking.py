"""How strong models are, told from who was preferred over whom, with what can and cannot be told from the votes.

Ratings and their errors are those of rating.py. Here they become places: who is surely ahead, who never met, whose distance is not
told since one side has won every battle, and how many votes it takes to know more.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import BadInput
from engine.preferences.rating import PRIOR, SCALE, STYLE, Battle, Fit, Span, acts, fit

MIDDLE = 1000.0  # the rating of the anchor, or of the mean of a group
TWICE = 1 / 3  # the difference in style between an answer and one that has twice as much
LEAST = 0.5  # points that are a difference
NAMED, TOLD = 6, 6  # how many names a sentence holds, and how many sentences of one kind there are
SEED, K, ORDERS = 0, 4.0, 200  # of Elo, and of the orders in which the votes are told
UNKNOWN = Span(0.0, -math.inf, math.inf)  # the difference of two that never met, even through others


@dataclass(frozen=True)
class Standing:
    """A model's place among those of its ``group``, counted from 1: nothing is known of it against others.

    ``rank`` is one more than the number of models that are surely better; an anchor's rating has no interval. ``battles``, ``wins``
    and ``ties`` count comparisons, of which one vote among several answers gives some.
    """

    name: str
    rating: Span
    rank: int
    battles: int
    wins: int
    ties: int
    group: int


@dataclass(frozen=True)
class Difference:
    """By how many points one model is ahead of another, and how often they ``met``; UNKNOWN for models of two groups.

    ``more`` is how many more votes among all models it takes, as they come now, until the difference is decided if it is what it
    seems; None where it is decided already, where it is none, and where no number of such votes tells it.
    """

    points: Span
    met: int
    more: int | None


@dataclass(frozen=True)
class Sweep:
    """``winners`` have won every battle against ``losers``, and lost none through others: how far apart they are is not told."""

    winners: tuple[str, ...]
    losers: tuple[str, ...]


@dataclass(frozen=True)
class Ranking:
    """The standings, group by group and best first, and what they rest on.

    ``groups`` are the models that met, be it through others: ratings and ranks compare inside a group only, and ``anchor`` holds
    for its own; the mean of any other has MIDDLE points. ``one_sided`` are those whose distance rests on the prior. ``style`` says
    what twice as much of each is worth, as far as answers differ in it; the ``confounded`` parts of it follow from who wrote.
    ``votes`` counts acts of voting, and ``left_out`` battles whose texts are not known.
    """

    standings: tuple[Standing, ...]
    differences: Mapping[tuple[str, str], Difference]
    groups: tuple[tuple[str, ...], ...]
    anchor: str | None
    one_sided: tuple[Sweep, ...]
    style: tuple[tuple[str, Span], ...] | None
    confounded: tuple[str, ...]
    votes: int
    battles: int
    left_out: int


def rank(battles: Sequence[Battle], anchor: str | None = None, *, prior: float = PRIOR, style: bool = False) -> Ranking:
    """Rank the models of some battles; ``anchor`` has MIDDLE points, without one the mean of each group has.

    Under control for ``style`` battles whose texts are not known are left out. BadInput where there are no battles, none is left,
    the anchor is in none, or a rating would be infinite since there is no ``prior``.
    """
    if not battles:
        raise BadInput("There is nothing to rank yet: no vote is between answers of two models.")
    counted = [battle for battle in battles if not style or battle.style is not None]
    if not counted:
        raise BadInput("Of no vote the texts are known, so there is no style to control for. Rank without style control.")
    groups, one_sided = _groups(counted), _one_sided(counted)
    if prior == 0 and (one_sided or len(groups) > 1):
        who = sorted({n for each in one_sided for n in (*each.winners, *each.losers)}) or [group[0] for group in groups]
        raise BadInput(f"Without a prior the distance of {', '.join(who)} is infinite or cannot be told. Rank with a prior.")
    names = sorted(name for group in groups for name in group)
    if anchor is not None and anchor not in names:
        raise BadInput(f"{anchor} has no votes yet, so it cannot be the anchor. Choose one of {', '.join(names)}.")
    fitted, votes = fit(counted, prior, style), acts(counted)
    differences = _differences(fitted, counted, groups, votes)
    standings = []
    for number, group in enumerate(groups, 1):
        middle = (anchor,) if anchor in group else group
        found = [
            Standing(
                name, fitted.span(fitted.contrast(name, *middle), MIDDLE),
                1 + sum(differences[other, name].points.low > 0 for other in group if other != name), *_record(name, counted), number,
            )
            for name in group
        ]  # fmt: skip
        standings += sorted(found, key=lambda standing: -standing.rating.value)
    return Ranking(
        tuple(standings), differences, groups, anchor, one_sided, _worth(fitted, counted) if style else None, fitted.confounded(),
        votes, len(counted), len(battles) - len(counted),
    )  # fmt: skip


def _differences(
    fitted: Fit, battles: Sequence[Battle], groups: Sequence[Sequence[str]], votes: int
) -> dict[tuple[str, str], Difference]:
    """Of each model to each other, in the order of their names."""
    met = Counter(frozenset((battle.first, battle.second)) for battle in battles)
    group = {name: number for number, members in enumerate(groups) for name in members}
    spans, lost = {}, bool(fitted.confounded())
    for one in fitted.names:
        for other in fitted.names:
            if one < other:
                span = fitted.span(fitted.contrast(one, other)) if group[one] == group[other] else UNKNOWN
                spans[one, other], spans[other, one] = span, Span(0.0 - span.value, -span.high, -span.low)
    return {
        pair: Difference(spans[pair], met[frozenset(pair)], None if lost else _more(spans[pair], votes)) for pair in sorted(spans)
    }  # fmt: skip


def _worth(fitted: Fit, battles: Iterable[Battle]) -> tuple[tuple[str, Span], ...]:
    """What twice as much of each part of style is worth, of those in which any answers differ."""
    import numpy as np

    differ = {i for battle in battles for i, value in enumerate(battle.style or ()) if value}
    return tuple(
        (what, fitted.span(np.eye(len(fitted.values))[len(fitted.names) + i] * TWICE))
        for i, what in enumerate(STYLE)
        if i in differ
    )


def _more(points: Span, votes: int) -> int | None:
    """An interval becomes narrower with the root of the number of votes."""
    reach = points.high - points.value
    if points.decided or abs(points.value) < LEAST or math.isinf(reach):
        return None
    return max(1, math.ceil(votes * ((reach / points.value) ** 2 - 1)))


def _record(name: str, battles: Iterable[Battle]) -> tuple[int, int, int]:
    """How many battles a model was in, won, and left as a tie."""
    scores = [b.score if b.first == name else 1 - b.score for b in battles if name in (b.first, b.second)]
    return len(scores), scores.count(1), scores.count(0.5)


def _groups(battles: Iterable[Battle]) -> tuple[tuple[str, ...], ...]:
    """The models that met, be it through others; the largest group first."""
    group: dict[str, set[str]] = {}
    for battle in battles:
        joined = group.get(battle.first, {battle.first}) | group.get(battle.second, {battle.second})
        group |= dict.fromkeys(joined, joined)
    found = {tuple(sorted(members)) for members in group.values()}
    return tuple(sorted(found, key=lambda members: (-len(members), members)))


def _one_sided(battles: Iterable[Battle]) -> tuple[Sweep, ...]:
    """Who has won all against whom, the strongest first: the graph of who beat whom falls into parts that can be walked both ways,
    and each part that has won all against models of others is told once."""
    beats: dict[str, set[str]] = defaultdict(set)
    for battle in battles:
        beats[battle.first] |= {battle.second} if battle.score > 0 else set()
        beats[battle.second] |= {battle.first} if battle.score < 1 else set()
    reached = {name: _reach(name, beats) | {name} for name in beats}
    found = {}
    for name in sorted(beats, key=lambda name: (-len(reached[name]), name)):
        part = [other for other in sorted(reached[name]) if name in reached[other]]
        winners = tuple(one for one in part if beats[one].difference(part))
        losers = set[str]().union(*(beats[one] for one in part)).difference(part)
        if losers:
            found[winners] = Sweep(winners, tuple(sorted(losers)))
    return tuple(found.values())


def _reach(begin: str, beats: Mapping[str, set[str]]) -> set[str]:
    seen, way = set[str](), [begin]
    while way:
        for name in beats[way.pop()] - seen:
            seen.add(name)
            way.append(name)
    return seen


def sentences(found: Ranking) -> list[str]:
    """What a ranking rests on and does not tell, in sentences."""
    said = []
    if len(found.groups) > 1:
        groups = "; ".join(f"group {number}: {_some(group)}" for number, group in enumerate(found.groups, 1))
        said.append(
            "These never met, not even through others, so nothing is known of one against the other, and ratings and ranks compare "
            f"inside a group only: {groups}."
        )
        if found.anchor is not None:
            said.append(f"The anchor {found.anchor} holds for its own group; of any other the mean has {MIDDLE:.0f} points.")
    for each in found.one_sided[:TOLD]:
        won = len(each.winners) <= len(each.losers)
        one, other = (each.winners, each.losers) if won else (each.losers, each.winners)
        has = "has" if len(one) == 1 else "have"
        said.append(
            f"{_some(one)} {has} {'won' if won else 'lost'} every battle against {_some(other)}, so how far apart they are is not told "
            "by the votes."
        )
    if len(found.one_sided) > TOLD:
        said.append(f"Likewise {len(found.one_sided) - TOLD} more have won every battle against some.")
    return said + (_on_style(found, found.style) if found.style is not None else [])


def _on_style(found: Ranking, style: Sequence[tuple[str, Span]]) -> list[str]:
    said = []
    if found.left_out:
        said.append(
            f"Control for style leaves out {found.left_out:,} of {found.left_out + found.battles:,} battles, since their texts are not "
            "known."
        )
    for what, span in style:
        value, low, high = (f"{round(each):+d}" for each in (span.value, span.low, span.high))  # whole numbers know no -0
        said.append(f"Twice the {what} is worth {value} points ({low} to {high}).")
    same = [what for what in STYLE if what not in dict(style)]
    if same:
        said.append(f"No answers differ in {', '.join(same)}, so what that is worth is not told.")
    if found.confounded:
        said.append(
            f"How much of {', '.join(found.confounded)} an answer has follows from who wrote it, so what the looks are worth and who "
            "is better can hardly be told apart. Get answers of each model that look in more than one way."
        )
    return said


def _some(names: Sequence[str]) -> str:
    """The first NAMED, with how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:NAMED])} and {more} more"


def ahead(found: Ranking) -> dict[str, str]:
    """How each model stands to the next one of its group, and how many more votes would decide that; nothing for the last."""
    told = {}
    for standing, below in zip(found.standings, (*found.standings[1:], None), strict=True):
        if below is None or below.group != standing.group:
            told[standing.name] = ""
            continue
        difference = found.differences[standing.name, below.name]
        if difference.points.decided:
            told[standing.name] = "surely ahead"
        elif found.confounded:
            told[standing.name] = "not told"
        elif difference.more is None:
            told[standing.name] = "even"
        else:
            told[standing.name] = f"open, about {difference.more:,} more votes"
    return told


def wins(battles: Iterable[Battle]) -> dict[tuple[str, str], tuple[float, int]]:
    """What each model scored against each other (a tie is a half), and in how many battles."""
    told: dict[tuple[str, str], list[float]] = defaultdict(list)
    for battle in battles:
        told[battle.first, battle.second].append(battle.score)
        told[battle.second, battle.first].append(1 - battle.score)
    return {pair: (sum(scores), len(scores)) for pair, scores in told.items()}


def elo(battles: Sequence[Battle], orders: int = ORDERS) -> dict[str, Span]:
    """Elo's ratings after the votes in the order given, with the least and the greatest of random orders of the same votes.

    Elo follows strength that changes; of models, which do not, it tells another rating for every order of the same votes.
    """
    drawn, told = random.Random(SEED), _elo(battles)
    others = [_elo(drawn.sample(battles, len(battles))) for _ in range(orders)]
    return {
        name: Span(rating, *(pick([rating, *(each[name] for each in others)]) for pick in (min, max)))
        for name, rating in told.items()
    }


def _elo(battles: Iterable[Battle]) -> dict[str, float]:
    ratings: dict[str, float] = defaultdict(lambda: MIDDLE)
    for battle in battles:
        expected = 1 / (1 + 10 ** ((ratings[battle.second] - ratings[battle.first]) / SCALE))
        ratings[battle.first] += K * (battle.score - expected)
        ratings[battle.second] -= K * (battle.score - expected)
    return dict(ratings)
