"""Preference pairs from AI feedback: the model answers each prompt twice, a judge says which answer keeps the principles better.

Bai et al. 2022, "Constitutional AI: Harmlessness from AI Feedback". What was sampled and what was judged is kept in the run's
folder as it comes, so that a run that was ended goes on without asking the judge again.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import registry
from engine.data import curate
from engine.errors import RunFailed
from engine.evaluation import judge, prompts
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

JUDGED = "judged.jsonl"
AT_ONCE = 8  # pairs that a judge looks at at the same time


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
    """A prompt with two answers of the model."""

    messages: list[dict[str, Any]]
    first: str
    second: str


def pairs(home: Home, feedback: Feedback, folder: Path, reporter: Reporter) -> list[Pair] | None:
    """Two answers to each prompt, drawn anew only where they are not in ``folder`` yet; None when stopped.

    Two answers that are the same are no pair and are left out.
    """
    base, adapter = registry.places(home, feedback.model)
    drawing = Drawing(prompts.asked(home, feedback.dataset, feedback.limit), 2, feedback.sampling)
    tokenizer = loading.load_tokenizer(prints.tokenizer_folder(base, adapter))
    if not samples.draw(drawing, lambda: speaking(base, adapter), tokenizer, folder, reporter):
        return None
    found = samples.read(folder)
    texts = found["text"].to_list()
    every = [Pair(row["prompt"], *texts[2 * i : 2 * i + 2]) for i, row in enumerate(drawing.rows)]
    return [pair for pair in every if pair.first.strip() != pair.second.strip()]


def _judged(folder: Path) -> dict[int, Verdict]:
    """The verdicts that are there already; a last line that was cut off is none."""
    found: dict[int, Verdict] = {}
    place = folder / JUDGED
    for line in place.read_text(encoding="utf-8").splitlines() if place.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[row["pair"]] = Verdict(row["winner"], row["agreed"], tuple(row["reasons"]))
    return found


def verdicts(feedback: Feedback, given: Sequence[Pair], folder: Path, reporter: Reporter) -> dict[int, Verdict] | None:
    """The judge's verdict on each pair, by its place; those that are in ``folder`` are not asked for again. None when stopped."""
    found = _judged(folder)
    left = iter([i for i in range(len(given)) if i not in found])
    client, writing = Client(feedback.judge), threading.Lock()

    def look(place: int) -> tuple[int, Verdict]:
        pair = given[place]
        said = judge.compare(client.ask, feedback.principles, judge.question(pair.messages), pair.first, pair.second)
        row = {"pair": place, "winner": said.winner, "agreed": said.agreed, "reasons": said.reasons}
        with writing, (folder / JUDGED).open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")
        return place, said

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for place, said in _in_turn(pool, look, left, reporter):
                found[place] = said
                reporter.phase("judging", len(found) / len(given))
    finally:
        client.close()
    return found if len(found) == len(given) else None


def _in_turn(pool: ThreadPoolExecutor, look: Any, left: Iterator[int], reporter: Reporter) -> Iterator[tuple[int, Verdict]]:
    """Results as they come, with a few pairs under way; no new one is begun once a stop was asked for, or one has failed."""
    under_way: set[Future[tuple[int, Verdict]]] = set()
    while True:
        while len(under_way) < AT_ONCE and not reporter.stop_requested() and (place := next(left, None)) is not None:
            under_way.add(pool.submit(look, place))
        if not under_way:
            return
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        for each in done:
            yield each.result()


def freeze(home: Home, feedback: Feedback, given: Sequence[Pair], said: dict[int, Verdict], name: str, folder: Path) -> Dataset:
    """The pairs with a winner as a preference data set, each with the judge's reason. RunFailed where there is none."""
    rows = []
    for place, pair in enumerate(given):
        verdict = said[place]
        if verdict.winner not in ("first", "second"):
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
            f"The judge prefers no answer in any of {len(given)} pairs. Ask another judge, or draw answers that differ more.",
            "nothing to learn",
        )
    return curate.made(home, rows, name, "preference", folder)


def counts(given: Sequence[Pair], said: dict[int, Verdict], prompts_asked: int) -> dict[str, Any]:
    """What became of the pairs, for the run's result."""
    winners = Counter(verdict.winner for verdict in said.values())
    return {
        "prompts": prompts_asked,
        "alike": prompts_asked - len(given),
        "preferred": winners["first"] + winners["second"],
        "ties": winners["tie"],
        "disagreed": sum(not v.agreed and v.winner is not None for v in said.values()),
        "unread": winners[None],
        "prompt_version": judge.VERSION,
    }
