"""Preference pairs from AI feedback: the model answers each prompt twice, a judge says which answer keeps the principles better.

Bai et al. 2022, "Constitutional AI: Harmlessness from AI Feedback". What was sampled and what was judged is kept in the run's
folder as it comes, so that a run that was ended goes on without asking the judge again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import registry
from engine.data import curate
from engine.errors import RunFailed
from engine.evaluation import journal, judge, prompts
from engine.evaluation.judge import Client, Judge, Verdict
from engine.generation import fingerprint as prints
from engine.generation.answers import Sampling
from engine.generation.weights import speaking
from engine.methods import loading
from engine.methods.method import Reporter
from engine.rewards import samples
from engine.rewards.samples import Drawing
from storage.home import Home
from storage.records import Dataset, Model

if TYPE_CHECKING:
    import polars

JUDGED = "judged.jsonl"


@dataclass(frozen=True)
class Feedback:
    """What a judge is to look at, and by which principles."""

    model: Model
    dataset: Dataset
    judge: Judge
    principles: Sequence[str]
    limit: int | None = None
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=1.0))


@dataclass(frozen=True)
class Pair:
    """A prompt with two answers of the model, and whether it ended each of them itself."""

    messages: list[dict[str, Any]]
    first: str
    second: str
    first_ended: bool = True
    second_ended: bool = True


def draw(
    home: Home, feedback: Feedback, answers: int, folder: Path, reporter: Reporter
) -> tuple[Sequence[Mapping[str, Any]], "polars.DataFrame"] | None:
    """The rows that are asked and ``answers`` of the model to each, as ``samples.read`` gives them, drawn only where they are not in
    ``folder`` yet; None when stopped."""
    base, adapter = registry.places(home, feedback.model)
    drawing = Drawing(prompts.asked(home, feedback.dataset, feedback.limit), answers, feedback.sampling)
    tokenizer = loading.load_tokenizer(prints.tokenizer_folder(base, adapter))
    if not samples.draw(drawing, lambda: speaking(base, adapter), tokenizer, folder, reporter):
        return None
    return drawing.rows, samples.read(folder)


def pairs(home: Home, feedback: Feedback, folder: Path, reporter: Reporter) -> list[Pair] | None:
    """Two answers to each prompt; None when stopped. Two answers that are the same are no pair and are left out."""
    drawn = draw(home, feedback, 2, folder, reporter)
    if drawn is None:
        return None
    rows, found = drawn
    texts, ended = found["text"].to_list(), found["ended"].to_list()
    every = [Pair(row["prompt"], *texts[2 * i : 2 * i + 2], *ended[2 * i : 2 * i + 2]) for i, row in enumerate(rows)]
    return [pair for pair in every if pair.first.strip() != pair.second.strip()]


def verdicts(feedback: Feedback, given: Sequence[Pair], folder: Path, reporter: Reporter) -> dict[int, Verdict] | None:
    """The judge's verdict on each pair, by its place; those that are in ``folder`` are not asked for again. None when stopped."""
    client = Client(feedback.judge)

    def look(place: int) -> dict[str, Any]:
        pair = given[place]
        said = judge.compare(client.ask, feedback.principles, judge.question(pair.messages), pair.first, pair.second)
        return {"winner": said.winner, "agreed": said.agreed, "reasons": said.reasons}

    try:
        said = journal.through(folder / JUDGED, len(given), look, reporter, "judging")
    finally:
        client.close()
    if said is None:
        return None
    return {place: Verdict(row["winner"], row["agreed"], tuple(row["reasons"])) for place, row in said.items()}


def freeze(home: Home, feedback: Feedback, given: Sequence[Pair], said: dict[int, Verdict], name: str, folder: Path) -> Dataset:
    """The pairs with a winner as a preference data set, each with the judge's reason; those whose winner was cut off are left out,
    since it would teach to stop in mid-sentence. RunFailed where there is none."""
    rows = []
    for place, pair in enumerate(given):
        verdict = said[place]
        if not _ended(pair, verdict):
            continue
        better, worse = (pair.first, pair.second) if verdict.winner == "first" else (pair.second, pair.first)
        rows.append(
            {
                "prompt": pair.messages,
                "chosen": [{"role": "assistant", "content": better}],
                "rejected": [{"role": "assistant", "content": worse}],
                "reason": verdict.reasons[0],
            }
        )
    if not rows:
        raise RunFailed(
            f"The judge prefers no answer that the model ended itself in any of {len(given)} pairs. Ask another judge, allow longer "
            "answers (max_tokens), or draw answers that differ more.",
            "nothing to learn",
        )
    return curate.made(home, rows, name, "preference", folder)


def _ended(pair: Pair, verdict: Verdict) -> bool:
    """Whether there is a winner, and the model ended it itself."""
    return {"first": pair.first_ended, "second": pair.second_ended}.get(verdict.winner or "", False)


def counts(given: Sequence[Pair], said: dict[int, Verdict], prompts_asked: int) -> dict[str, Any]:
    """What became of the pairs, for the run's result."""
    winners = Counter(verdict.winner for verdict in said.values())
    preferred = sum(_ended(given[place], verdict) for place, verdict in said.items())
    return {
        "prompts": prompts_asked,
        "alike": prompts_asked - len(given),
        "preferred": preferred,
        "cut_off": winners["first"] + winners["second"] - preferred,
        "ties": winners["tie"],
        "disagreed": sum(not v.agreed and v.winner is not None for v in said.values()),
        "unread": winners[None],
        "prompt_version": judge.VERSION,
    }
