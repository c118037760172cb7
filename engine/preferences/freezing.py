"""From votes to a data set that DPO, a reward model or KTO can learn from: one rule for all pairs, and a card that says what was done."""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.data import curate
from engine.data.shapes import pack
from engine.errors import BadInput, WrongShape
from engine.preferences import consensus, projects, quality
from engine.preferences.consensus import Outcome
from storage import datasets, preferences
from storage.home import Home
from storage.records import Dataset, Pair, Project, Vote

SHAPES = {
    "preference": "Pairs of a better and a worse answer, for DPO and reward models",
    "unpaired": "Single answers, each good or bad, for KTO",
}
MARGINS = {
    "none": "No margin",
    "strength": "How clearly: 1 for slightly, 2 for clearly, on average over the votes",
    "share": "How far the votes for it are ahead, from 0 to 1",
}
TIES = {"drop": "Leave ties and both bad out", "keep": "For KTO: both answers of a tie good, both of both bad bad"}
# why a pair is not in the data set
LEFT_OUT = {
    "open": "nobody has labelled it",
    "divided": "the votes give no outcome by the rule",
    "tie": "it is a tie",
    "bad": "both answers are bad",
    "alike": "its answers are the same",
    "empty": "one of its answers is empty",
    "gold": "its answer was known, to check labellers",
}
HELD_OUT = "-held-out"
Row = tuple[str, dict[str, Any]]  # with the prompt it belongs to


@dataclass(frozen=True)
class Rule:
    """How votes become rows. ``held_out`` is the share of rows that become a data set of their own, no prompt in both."""

    shape: str = "preference"
    rule: str = "majority"
    by: str = "people"
    margin: str = "none"
    ties: str = "drop"
    held_out: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        tables = (
            ("shape", SHAPES), ("rule", consensus.RULES), ("by", consensus.BY), ("margin", MARGINS), ("ties", TIES),
        )  # fmt: skip
        for name, table in tables:
            if getattr(self, name) not in table:
                raise BadInput(f"{name} takes one of {', '.join(table)}, not {getattr(self, name)!r}.")
        if not 0 <= self.held_out < 1:
            raise BadInput(f"held_out takes a share from 0 to below 1, not {self.held_out!r}.")
        if self.ties == "keep" and self.shape == "preference":
            raise BadInput("A tie has no better answer, so it can only be kept for KTO. Choose the shape unpaired, or drop ties.")
        if self.margin != "none" and self.shape != "preference":
            raise BadInput("Single answers have no margin. Choose the shape preference, or no margin.")


@dataclass(frozen=True)
class Settled:
    """What the votes of a project come to: rows with the prompt they belong to, and how many pairs are left out for which reason."""

    rows: tuple[Row, ...]
    pairs: int  # that rows came of
    corrected: int
    left_out: dict[str, int]
    mixed: int = 0  # single answers that are good in one pair and bad in another, which are left out


@dataclass(frozen=True)
class Frozen:
    """The data sets that were made, and their card in Markdown."""

    dataset: Dataset
    held_out: Dataset | None
    card: str


def settle(home: Home, project: Project, rule: Rule) -> Settled:
    """What the votes of a project come to by a rule; nothing is stored."""
    pairs = {pair.id: pair for pair in preferences.pairs(home, project.id)}
    return of(pairs, preferences.votes(home, project.id), rule)


def of(pairs: Mapping[int, Pair], votes: Sequence[Vote], rule: Rule) -> Settled:
    """The same of these pairs and votes."""
    counted = consensus.counting(votes, rule.by)
    weights = consensus.weights(consensus.reliabilities(pairs, votes)) if rule.rule == "weighted" else None
    rows, used, corrected, left = [], 0, 0, Counter[str]()
    for pair in pairs.values():
        given = counted.get(pair.id, [])
        outcome = consensus.settle(given, rule.rule, weights)
        why = _left_out(pair, outcome, rule)
        if why:
            left[why] += 1
            continue
        made = _preferred(pair, outcome, given, rule) if rule.shape == "preference" else _marked(pair, outcome)
        used += 1
        corrected += len(made) == 2 and rule.shape == "preference"
        rows += [(pack(pair.prompt), row) for row in made]
    single, mixed = _single(rows) if rule.shape == "unpaired" else (rows, 0)
    return Settled(tuple(single), used, corrected, dict(left), mixed)


def _left_out(pair: Pair, outcome: Outcome, rule: Rule) -> str | None:
    if pair.gold is not None:
        return "gold"
    if not outcome.votes:
        return "open"
    if pair.first.strip() == pair.second.strip():
        return "alike"
    if not pair.first.strip() or not pair.second.strip():
        return "empty"
    if outcome.choice is None:
        return "divided"
    return outcome.choice if outcome.choice in ("tie", "bad") and rule.ties == "drop" else None


def _said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _preferred(pair: Pair, outcome: Outcome, votes: Sequence[Vote], rule: Rule) -> list[dict[str, Any]]:
    """The pair as a row; where somebody has corrected the better answer, the correction stands above both."""
    better, worse = (pair.first, pair.second) if outcome.choice == "first" else (pair.second, pair.first)
    agreeing = [vote for vote in votes if vote.choice == outcome.choice]
    edited = next((vote.edited for vote in reversed(agreeing) if vote.edited and vote.edited.strip() != worse.strip()), None)
    reason = next((vote.reason for vote in agreeing if vote.reason), None)
    margin = {"none": None, "strength": outcome.strength, "share": outcome.share}[rule.margin]
    row: dict[str, Any] = {"prompt": pair.prompt, "chosen": _said(edited or better), "rejected": _said(worse)}
    row |= {} if margin is None else {"margin": float(margin)}
    row |= {"reason": reason} if reason else {}
    if edited is None:
        return [row]
    return [row, {**row, "chosen": _said(edited), "rejected": _said(better)}]


def _marked(pair: Pair, outcome: Outcome) -> list[dict[str, Any]]:
    """Both answers of a pair, each good or bad."""
    good = {"first": (True, False), "second": (False, True), "tie": (True, True), "bad": (False, False)}[str(outcome.choice)]
    return [
        {"prompt": pair.prompt, "completion": _said(text), "label": label}
        for text, label in zip((pair.first, pair.second), good, strict=True)
    ]


def _single(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """Each answer to a prompt once, without those that are good in one pair and bad in another; how many these are."""
    said: dict[tuple[str, str], dict[bool, Row]] = defaultdict(dict)
    for prompt, row in rows:
        said[prompt, row["completion"][0]["content"].strip()].setdefault(row["label"], (prompt, row))
    return [row for given in said.values() if len(given) == 1 for row in given.values()], sum(len(g) > 1 for g in said.values())


def split(
    rows: Sequence[Row], share: float, seed: int, before: Mapping[str, bool] | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows to learn from and rows held out, about ``share`` of them; all rows of a prompt are on one side.

    ``before`` says of prompts whether they were held out in an earlier version; so they are again.
    """
    sizes = Counter(prompt for prompt, _ in rows)
    out = {prompt: held for prompt, held in (before or {}).items() if prompt in sizes}
    count = sum(sizes[prompt] for prompt, held in out.items() if held)
    for prompt in sorted(sizes.keys() - out.keys(), key=lambda prompt: projects.chance(f"held out {seed} {prompt}")):
        out[prompt] = count + sizes[prompt] / 2 <= share * len(rows)
        count += sizes[prompt] * out[prompt]
    kept, held = ([row for prompt, row in rows if out[prompt] is side] for side in (False, True))
    return (kept, held) if kept else (held, [])


def _before(home: Home, name: str, rule: Rule) -> dict[str, bool]:
    """Of the prompts in the last version of ``name`` whether they were held out, as long as the rule splits alike."""
    found: dict[str, bool] = {}
    for each in (name, name + HELD_OUT):
        dataset = datasets.find(home, each)
        step = dataset.steps[0] if dataset and dataset.steps else {}
        if dataset is None or any(step.get(part) != getattr(rule, part) for part in ("held_out", "seed")):
            return {}
        found |= {pack(row["prompt"]): each != name for row in curate.every(home, dataset)}
    return found


def freeze(home: Home, project: Project, name: str, rule: Rule) -> Frozen:
    """Freeze the labels of a project as the next version of ``name``, with its held-out rows as a data set beside it.

    WrongShape where no pair has an outcome, BadInput where the name holds another shape.
    """
    for each in (name, name + HELD_OUT)[: 2 if rule.held_out else 1]:
        curate.check_version(home, each, rule.shape)
    pairs = {pair.id: pair for pair in preferences.pairs(home, project.id)}
    votes = preferences.votes(home, project.id)
    settled = of(pairs, votes, rule)
    if not settled.rows:
        raise WrongShape(
            f"No pair of {project.name} has an outcome to freeze: {_reasons(settled) or 'there are no pairs'}. {_way_on(votes, rule)}"
        )
    kept, held = split(settled.rows, rule.held_out, rule.seed, _before(home, name, rule))
    text = card(project, rule, settled, votes, pairs, len(held))
    step = {"step": "labels", "project": project.name, **asdict(rule), "pairs": settled.pairs, "corrected": settled.corrected,
            "left_out": settled.left_out, "card": text}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="freeze-", dir=home.uploads) as folder:
        beside = curate.made(home, held, name + HELD_OUT, rule.shape, Path(folder), [step]) if held else None
        made = curate.made(home, kept, name, rule.shape, Path(folder), [step])
    return Frozen(made, beside, text)


def _reasons(settled: Settled) -> str:
    return ", ".join(f"{count} left out since {LEFT_OUT[why]}" for why, count in settled.left_out.items())


def _way_on(votes: Sequence[Vote], rule: Rule) -> str:
    if rule.by == "people" and any(vote.kind == "judge" for vote in votes):
        return "Only judges have labelled them: freeze by judges, or label some yourself."
    return "Label some pairs first, or choose another rule."


def card(project: Project, rule: Rule, settled: Settled, votes: Sequence[Vote], pairs: Mapping[int, Pair], held: int) -> str:
    """What the data set is, how it came to be and how far it can be trusted, in Markdown (after Gebru et al. 2021, datasheets)."""
    found = quality.of(pairs, votes, rule.by)
    counted = [vote for given in consensus.counting(votes, rule.by).values() for vote in given]
    people = sorted({vote.labeller for vote in counted})
    writers = Counter(_writer(pair.origin.get(side)) for pair in pairs.values() for side in ("first", "second"))
    lines = [
        f"# {project.name}: labelled answers", "",
        f"{SHAPES[rule.shape]}. {len(settled.rows)} rows from {settled.pairs} pairs, {held} of them held out by prompt.", "",
        "## What was asked", projects.settings(project).instructions.strip() or "Which answer is better; there were no instructions.", "",
        "## How it was made",
        f"- Votes: {len(counted)}, by {', '.join(people)}, "
        f"from {min((v.at for v in counted), default='')[:10]} to {max((v.at for v in counted), default='')[:10]}",
        f"- Rule: {rule.rule}. {consensus.RULES[rule.rule]}",
        f"- Margin: {MARGINS[rule.margin]}", f"- Ties: {TIES[rule.ties]}",
        f"- Corrections by labellers that stand above both answers: {settled.corrected}",
        *([f"- Answers left out, since they are good in one pair and bad in another: {settled.mixed}"] if settled.mixed else []),
        *(f"- Left out, since {LEFT_OUT[why]}: {count}" for why, count in settled.left_out.items()),
        "", "## Who wrote the answers", *(f"- {name}: {count}" for name, count in writers.most_common()), "",
        "## How far it can be trusted",
        f"- Krippendorff's alpha: {_figure(found.alpha)}",
        *(f"- {what}: {_interval(share)}" for what, share in (
            ("Choices that fell on the left", found.left), ("Choices that fell on the longer answer", found.longer),
            ("Known answers found", found.gold), ("Repeated pairs judged the same", found.same),
        )),
        f"- Contradictions (A over B over C over A): {len(found.contradictions)}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _writer(origin: Any) -> str:
    return str(origin.get("name") or "not known") if isinstance(origin, Mapping) else "not known"


def _figure(value: quality.Agreement) -> str:
    if value.value is None:
        return f"not defined. {value.why}"
    span = f" (95 % interval {value.low:.2f} to {value.high:.2f})" if value.low is not None else ""
    return f"{value.value:.2f}{span}, {value.n} pairs seen by several"


def _interval(share: quality.Interval | None) -> str:
    return "nothing bears on it" if share is None else f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%}, n = {share.n})"
