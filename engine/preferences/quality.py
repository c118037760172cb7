"""How far the votes of a project can be trusted: agreement, bias, speed, consistency, known answers, contradictions, judges."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations

from engine.data.shapes import pack
from engine.evaluation import intervals
from engine.evaluation.calibration import Calibration, calibrated
from engine.preferences import agreement, consensus
from engine.preferences.agreement import Agreement
from storage import preferences
from storage.home import Home
from storage.preferences import DECIDING
from storage.records import Interval, Pair, Project, Vote

HURRIED = 1.0  # seconds: a vote sooner than that can hardly rest on reading
SCALE = {"first": -1, "tie": 0, "second": 1}  # with the strength: from -2 to 2
WINNERS = ("first", "second")


@dataclass(frozen=True)
class Contradiction:
    """Answers to one prompt that a labeller prefers in a circle: each to the next, and the last to the first."""

    labeller: str
    prompt: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Labeller:
    """What the votes of one labeller tell. Shares are None where no vote bears on them.

    ``left`` and ``longer`` are the shares of choices that fell on the left, and on the longer answer; ``gold`` of known answers
    found; ``same`` of repeated pairs on which they said the same again; ``others`` of pairs on which most others said the same.
    """

    name: str
    kind: str
    votes: int
    skipped: int
    seconds: float | None  # the median
    hurried: int
    left: Interval | None
    longer: Interval | None
    gold: Interval | None
    same: Interval | None
    others: Interval | None
    contradictions: int


@dataclass(frozen=True)
class Judged:
    """A judge beside the people: how often it says what they say, agreement beyond chance, and whether it is as sure as it is right.

    Of ``votes`` replies ``unread`` named neither answer nor a tie.
    """

    name: str
    votes: int
    unread: int
    right: Interval | None
    kappa: Agreement
    calibration: Calibration | None


@dataclass(frozen=True)
class Hunted:
    """How often what chose pairs to be labelled first agrees with people, on the pairs it was unsure of and on those drawn by chance."""

    by: str
    uncertain: Interval | None
    control: Interval | None


@dataclass(frozen=True)
class Report:
    """The quality of a project's labels."""

    labellers: tuple[Labeller, ...]
    alpha: Agreement  # of choices as names
    scaled: Agreement  # of choices and strengths as steps from -2 to 2
    kappas: tuple[tuple[str, str, Agreement], ...]
    left: Interval | None
    longer: Interval | None
    gold: Interval | None
    same: Interval | None
    contradictions: tuple[Contradiction, ...]
    judges: tuple[Judged, ...]
    hunted: tuple[Hunted, ...]
    disputed: tuple[int, ...]  # pairs on which people differ and nobody has decided


def report(home: Home, project: Project) -> Report:
    """The quality of the votes that stand."""
    pairs = {pair.id: pair for pair in preferences.pairs(home, project.id)}
    return of(pairs, preferences.votes(home, project.id))


def of(pairs: Mapping[int, Pair], votes: Sequence[Vote], by: str = "people") -> Report:
    """The same of these pairs and votes; the figures that stand for all are those of the votes ``by`` people, judges or all."""
    people = [vote for vote in votes if vote.kind in consensus.BY[by] and vote.round != DECIDING]
    counted = consensus.counting((v for v in people if v.round == 0), by)
    circles = contradictions(pairs, votes)
    names = dict.fromkeys((vote.labeller, vote.kind) for vote in votes if vote.round != DECIDING)
    return Report(
        labellers=tuple(_labeller(name, kind, pairs, votes, counted, circles) for name, kind in names),
        alpha=agreement.krippendorff([[v.choice for v in given] for given in counted.values()]),
        scaled=agreement.krippendorff(
            [[SCALE[v.choice] * (v.strength or 1) for v in given if v.choice in SCALE] for given in counted.values()], "ordinal"
        ),
        kappas=tuple(_kappas(counted)),
        left=_share(people, _on_the_left),
        longer=_share(people, lambda vote: _longer(pairs[vote.pair_id], vote)),
        gold=_share(people, lambda vote: _as_known(pairs[vote.pair_id], vote)),
        same=_same(people),
        contradictions=circles,
        judges=tuple(_judged(name, votes, counted) for name, kind in names if kind == "judge"),
        hunted=tuple(_hunted(pairs, votes)),
        disputed=disputed({pair.id for pair in pairs.values() if pair.gold is not None}, votes),
    )


def disputed(known: Set[int], votes: Sequence[Vote]) -> tuple[int, ...]:
    """Pairs on which people chose differently, no decision has been made, and the answer is not ``known``; most divided first."""
    found = []
    for pair_id, given in consensus.counting(votes, "people").items():
        if pair_id in known or any(vote.round == DECIDING for vote in given):
            continue
        if len({vote.choice for vote in given}) > 1:
            found.append((consensus.settle(given).share, pair_id))
    return tuple(pair_id for _, pair_id in sorted(found))


def _share(votes: Iterable[Vote], tells: Callable[[Vote], bool | None]) -> Interval | None:
    """The share of votes of which ``tells`` is true, of those of which it says anything."""
    told = [said for vote in votes if (said := tells(vote)) is not None]
    return intervals.wilson(sum(told), len(told)) if told else None


def _on_the_left(vote: Vote) -> bool | None:
    if vote.flipped is None or vote.choice not in WINNERS:
        return None
    return (vote.choice == "first") != vote.flipped


def _longer(pair: Pair, vote: Vote) -> bool | None:
    if vote.choice not in WINNERS or len(pair.first) == len(pair.second):
        return None
    return (vote.choice == "first") == (len(pair.first) > len(pair.second))


def _as_known(pair: Pair, vote: Vote) -> bool | None:
    return None if pair.gold is None or vote.choice == "skip" or vote.round != 0 else vote.choice == pair.gold


def _same(votes: Sequence[Vote]) -> Interval | None:
    """How often a repeated pair was judged as before."""
    first = {(vote.pair_id, vote.labeller): vote.choice for vote in votes if vote.round == 0}
    again = [(first.get((vote.pair_id, vote.labeller)), vote.choice) for vote in votes if vote.round > 0]
    told = [before == now for before, now in again if before is not None and now != "skip"]
    return intervals.wilson(sum(told), len(told)) if told else None


def _labeller(
    name: str, kind: str, pairs: Mapping[int, Pair], votes: Sequence[Vote], counted: Mapping[int, Sequence[Vote]],
    circles: Sequence[Contradiction],
) -> Labeller:  # fmt: skip
    own = [vote for vote in votes if (vote.labeller, vote.kind) == (name, kind) and vote.round != DECIDING]
    seconds = [vote.seconds for vote in own if vote.seconds is not None]

    def as_others(vote: Vote) -> bool | None:
        others = [v for v in counted.get(vote.pair_id, ()) if v.labeller != name]
        said = consensus.settle(others).choice if others else None
        return None if said is None or vote.choice == "skip" or vote.round != 0 else vote.choice == said

    return Labeller(
        name=name, kind=kind, votes=len(own), skipped=sum(vote.choice == "skip" for vote in own),
        seconds=statistics.median(seconds) if seconds else None, hurried=sum(s < HURRIED for s in seconds),
        left=_share(own, _on_the_left), longer=_share(own, lambda vote: _longer(pairs[vote.pair_id], vote)),
        gold=_share(own, lambda vote: _as_known(pairs[vote.pair_id], vote)), same=_same(own), others=_share(own, as_others),
        contradictions=sum(circle.labeller == name for circle in circles),
    )  # fmt: skip


def _kappas(counted: Mapping[int, Sequence[Vote]]) -> Iterable[tuple[str, str, Agreement]]:
    """Kappa of each two people who share pairs, those with most in common first."""
    shared: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for given in counted.values():
        for one, other in combinations(sorted(given, key=lambda vote: vote.labeller), 2):
            shared[one.labeller, other.labeller].append((one.choice, other.choice))
    for (one, other), said in sorted(shared.items(), key=lambda item: (-len(item[1]), item[0])):
        yield one, other, agreement.cohen([a for a, _ in said], [b for _, b in said])


def contradictions(pairs: Mapping[int, Pair], votes: Sequence[Vote]) -> tuple[Contradiction, ...]:
    """A circle of preferences for each labeller and prompt that has one."""
    beats: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for vote in votes:
        if vote.round == 0 and vote.choice in WINNERS:
            pair = pairs[vote.pair_id]
            better, worse = (pair.first, pair.second) if vote.choice == "first" else (pair.second, pair.first)
            if better.strip() != worse.strip():
                beats[vote.labeller, pack(pair.prompt)][better.strip()].add(worse.strip())
    found = []
    for (labeller, prompt), better_than in beats.items():
        circle = _circle(better_than)
        if circle:
            found.append(Contradiction(labeller, prompt, circle))
    return tuple(found)


def _circle(beats: Mapping[str, set[str]]) -> tuple[str, ...]:
    """Some circle of a directed graph, or nothing: what leads nowhere is taken away until only circles and ways to them are left."""
    left = {better: set(worse) for better, worse in beats.items()}
    while True:
        kept = {better: {w for w in worse if w in left} for better, worse in left.items()}
        kept = {better: worse for better, worse in kept.items() if worse}
        if kept == left:
            break
        left = kept
    if not left:
        return ()
    way = [min(left)]
    while (after := min(left[way[-1]])) not in way:
        way.append(after)
    return tuple(way[way.index(after) :])


def _judged(name: str, votes: Sequence[Vote], counted: Mapping[int, Sequence[Vote]]) -> Judged:
    """A judge against what most people say of the same pairs."""
    met = []
    for vote in votes:
        if vote.labeller == name and vote.kind == "judge" and vote.round == 0 and vote.choice != "skip":
            said = consensus.settle(counted.get(vote.pair_id, ())).choice
            if said is not None:
                met.append((vote, said))
    right = intervals.wilson(sum(vote.choice == said for vote, said in met), len(met)) if met else None
    sure = [
        (max(vote.preference - 1, 2 - vote.preference), _right(vote.preference, said))
        for vote, said in met
        if vote.preference is not None and said in WINNERS
    ]
    kappa = agreement.cohen([vote.choice for vote, _ in met], [said for _, said in met])
    replies = [vote.choice for vote in votes if vote.labeller == name and vote.kind == "judge" and vote.round == 0]
    return Judged(name, len(replies), replies.count("skip"), right, kappa, calibrated(sure) if sure else None)


def _right(preference: float, said: str) -> float:
    """Whether a preference from 1 to 2 falls on the answer that was said to be better; a half where it falls on neither."""
    return 0.5 if preference == 1.5 else float((preference > 1.5) == (said == "second"))


def _hunted(pairs: Mapping[int, Pair], votes: Sequence[Vote]) -> Iterable[Hunted]:
    """What chose pairs, against what people then said of them."""
    told: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for pair_id, given in consensus.counting(votes, "people").items():
        chosen, said = pairs[pair_id].chosen_by, consensus.settle(given).choice
        if chosen is not None and said in WINNERS and chosen["sure"] > 0.5:  # else it says nothing
            told[chosen["by"], chosen["group"]].append(chosen["says"] == said)
    for by in dict.fromkeys(name for name, _ in told):
        groups = (told.get((by, group), []) for group in ("uncertain", "random"))
        uncertain, control = (intervals.wilson(sum(each), len(each)) if each else None for each in groups)
        yield Hunted(by, uncertain, control)
