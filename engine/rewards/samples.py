"""Several answers of a model to each prompt, with their rewards, kept as they come.

Rejection sampling learns from the best of them, a judge compares two of them, ``sample`` makes a data set of them. Each block
of prompts is a file of its own, so a run that was ended goes on with the first block that is not there.
"""

import functools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput, RunFailed
from engine.generation import batch
from engine.generation.answers import Sampling
from engine.rewards import recipe
from engine.rewards.recipe import Part
from engine.rewards.table import Answer
from storage import files

if TYPE_CHECKING:
    import polars

FOLDER = "samples"  # in the run's folder, a file for each block of prompts
BLOCK = 32  # prompts that are answered together, between two looks at whether a stop was asked for
KEEPS = {
    "all": "every answer that the model ended itself, with its reward",
    "best": "the best answer to each prompt, where its reward is above the least",
    "pairs": "the best and the worst answer to each prompt as a preference pair, the difference of rewards as its margin",
}


def shape(keep: str) -> str:
    """The shape of the data set that is made when so much is kept."""
    return "preference" if keep == "pairs" else "prompt_completion"


@dataclass(frozen=True)
class Drawing:
    """What is drawn: so many answers to each row's ``prompt`` (turns), and what each is worth (None without rewards)."""

    rows: Sequence[Mapping[str, Any]]
    answers: int
    sampling: Sampling
    parts: tuple[Part, ...] = ()


def draw(drawing: Drawing, load: Callable[[], Any], tokenizer: Any, folder: Path, reporter: Any) -> bool:
    """Answer every prompt that has no answers in ``folder`` yet, by the model that ``load`` gives; False when a stop was asked for."""
    loaded = functools.cache(load)
    for begin in range(0, len(drawing.rows), BLOCK):
        place = folder / FOLDER / f"{begin:08d}.parquet"
        if place.exists():
            continue
        reporter.phase("sampling", begin / len(drawing.rows))
        try:
            found = _block(drawing, loaded(), tokenizer, begin, reporter)
        except batch.Stopped:
            return False
        with files.writing(place) as beside:
            found.write_parquet(beside)
    return True


def _block(drawing: Drawing, model: Any, tokenizer: Any, begin: int, reporter: Any) -> "polars.DataFrame":
    import polars

    here = drawing.rows[begin : begin + BLOCK]
    asked = [row for row in here for _ in range(drawing.answers)]
    if any(row.get("tools") for row in here):
        raise BadInput("The prompts come with tools, which are not run where answers are sampled. Leave out the column tools.")
    prompts = [batch.encode(tokenizer, row["prompt"]) for row in here]
    drawn = replace(drawing.sampling, seed=drawing.sampling.seed + begin)
    told = batch.complete(
        model, tokenizer, [ids for ids in prompts for _ in range(drawing.answers)], drawn, stop=reporter.stop_requested,
        called=lambda i: f"Prompt {begin + i // drawing.answers + 1}",
    )  # fmt: skip
    answers = [Answer(row, t.text, t.tokens, t.ended) for row, t in zip(asked, told, strict=True)]
    each = recipe.scores(drawing.parts, answers)
    return polars.DataFrame(
        {
            "place": [begin + i // drawing.answers for i in range(len(asked))],
            "prompt": [str(row["prompt"][-1]["content"]) for row in asked],
            "text": [t.text for t in told],
            "tokens": [t.tokens for t in told],
            "ended": [t.ended for t in told],
            "reward": recipe.total(drawing.parts, each) if drawing.parts else [None] * len(asked),
            **{f"reward_part_{part.label}": scores for part, scores in zip(drawing.parts, each, strict=True)},
        },
        schema_overrides={"reward": polars.Float64} | {f"reward_part_{part.label}": polars.Float64 for part in drawing.parts},
    )


def read(folder: Path) -> "polars.DataFrame":
    """Every answer: ``place`` (of its row), ``prompt``, ``text``, ``tokens``, ``ended``, ``reward`` and each part of it; best first of a prompt."""
    import polars

    blocks = [polars.read_parquet(path) for path in sorted((folder / FOLDER).glob("*.parquet"))]
    return polars.concat(blocks).sort(
        "place", "reward", "ended", descending=[False, True, True], nulls_last=True, maintain_order=True
    )


def best(found: "polars.DataFrame", least: float) -> "polars.DataFrame":
    """The best answer to each prompt, where it is worth more than ``least``."""
    import polars

    return found.filter(polars.col("reward") > least).unique("place", keep="first", maintain_order=True)


def figures(found: "polars.DataFrame") -> dict[str, Any]:
    """How many answers to how many prompts, how many of them were cut off, and what they are worth on average."""
    cut = len(found) - int(found["ended"].sum())
    seen: dict[str, Any] = {"sampled": len(found), "prompts": found["place"].n_unique(), "cut_off": cut}
    worth = found["reward"].drop_nulls().to_list()
    return {**seen, "reward": statistics.fmean(worth)} if worth else seen


def rows(drawing: Drawing, found: "polars.DataFrame", keep: str, least: float) -> list[dict[str, Any]]:
    """What of the answers becomes a data set, as ``keep`` says. RunFailed where nothing does."""
    import polars

    if keep == "pairs":
        made = _pairs(drawing, found)
    else:
        # as data an answer that was cut off would teach to stop in mid-sentence
        ended = found.filter(polars.col("ended"))
        chosen = ended if keep == "all" else best(ended, least)
        made = [
            {**drawing.rows[row["place"]], "completion": [{"role": "assistant", "content": row["text"]}], **_worth(row)}
            for row in chosen.iter_rows(named=True)
        ]
    if not made:
        raise RunFailed(f"Of {len(found)} answers {_missed(keep, least)}", "nothing to learn")
    return made


def _missed(keep: str, least: float) -> str:
    """Why nothing of the answers becomes data, and what to do."""
    if keep == "all":
        return (
            "the model ended none itself, and as data they would teach to stop in mid-sentence. Allow longer ones (max_tokens)."
        )
    why = (
        "no two answers to a prompt differ in reward"
        if keep == "pairs"
        else f"none that the model ended itself is worth more than {least:g}"
    )
    return f"{why}. Draw more answers, or begin with a model that succeeds now and then."


def _worth(row: Mapping[str, Any]) -> dict[str, Any]:
    return {} if row["reward"] is None else {"reward": row["reward"]}


def _pairs(drawing: Drawing, found: "polars.DataFrame") -> list[dict[str, Any]]:
    import polars

    made = []
    for (place, *_), answers in found.filter(polars.col("reward").is_not_null()).group_by("place", maintain_order=True):
        whole, low = answers.filter(polars.col("ended")), answers.row(-1, named=True)
        high = whole.row(0, named=True) if len(whole) else low  # what was cut off is no example of a good answer
        if high["reward"] > low["reward"]:
            chosen, rejected = ([{"role": "assistant", "content": row["text"]}] for row in (high, low))
            prompt = drawing.rows[int(str(place))]["prompt"]
            made.append({"prompt": prompt, "chosen": chosen, "rejected": rejected, "margin": high["reward"] - low["reward"]})
    return made
