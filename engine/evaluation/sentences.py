"""What a bake-off says, in plain sentences: the cheapest way that does as well as the best, and what more would decide."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.deployments.setup import KINDS
from engine.evaluation.intervals import paired_difference
from storage.records import Interval

NEARLY = 0.1  # a cheaper way that falls short by no more than this, at the worst the interval allows, does as well
WORDS = {
    "base": "the base alone",
    "prompt": "a prompt alone",
    "guards": "guards",
    "retrieval": "retrieval alone",
    "tuned": "training",
    "combined": "training with something around it",
}
Told = Mapping[str, Any]


def of(told: Sequence[Told], scores: Mapping[str, Sequence[float]]) -> list[str]:
    """The outcome of the candidates in one to three sentences. ``told`` has each one's name, kind, value and cost; ``scores`` its items."""
    best = min(told, key=lambda one: (-one["value"], _cost(one)))
    cheaper = sorted((one for one in told if _cost(one) < _cost(best)), key=_cost)
    between = {one["name"]: paired_difference(scores[one["name"]], scores[best["name"]]) for one in cheaper}
    enough = next((one for one in cheaper if between[one["name"]].low >= -NEARLY), None)
    open_ = next((one for one in cheaper if between[one["name"]].low < -NEARLY and between[one["name"]].high >= 0), None)
    said = []
    if best["value"] == 0:
        said.append("No candidate answered a single question right, so nothing is to be chosen between them.")
    elif enough is not None:
        said.append(
            f"{_named(enough)} reaches what {_named(best, False)} reaches: {enough['value']:.2f} against {best['value']:.2f}, interval of "
            f"the difference {_range(between[enough['name']])}. The cheaper one will do."
        )
    else:
        said.append(_ahead(best, cheaper, between))
    if enough is None and open_ is not None and best["value"] > 0:
        said.append(
            f"Whether {_named(open_, False)} does as well cannot be told from {between[open_['name']].n} questions (interval "
            f"{_range(between[open_['name']])}). Ask more."
        )
    chosen = enough or best
    if best["value"] > 0 and KINDS.index(chosen["kind"]) < KINDS.index("tuned"):
        said.append("Nothing has to be trained for these questions.")
    return said


def _ahead(best: Told, cheaper: Sequence[Told], between: Mapping[str, Interval]) -> str:
    if not cheaper:
        return f"{_named(best)} is the cheapest and the best: {best['value']:.2f}."
    nearest = max(cheaper, key=lambda one: one["value"])
    away = between[nearest["name"]]
    return (
        f"{_named(best)} does best with {best['value']:.2f}. The best of the cheaper ways is {_named(nearest, False)} with "
        f"{nearest['value']:.2f}, a difference of {_range(away)}."
    )


def _cost(one: Told) -> tuple[float, int, float]:
    # what is not trained is cheaper than what is, and passages beside a model that was trained once than training once more
    return float(one["training_seconds"]), KINDS.index(one["kind"]), float(one["tokens"])


def _named(one: Told, first: bool = True) -> str:
    words = f"{WORDS[one['kind']]} ({one['name']})"
    return words[0].upper() + words[1:] if first else words


def _range(interval: Interval) -> str:
    return " to ".join(f"{end:+.2f}" if abs(end) >= 0.005 else "0.00" for end in (interval.low, interval.high))
