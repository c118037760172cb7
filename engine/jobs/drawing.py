"""How a model's own answers are to become data, compared by a judge or sampled with rewards: what may be asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import BadInput
from engine.evaluation import prompts
from engine.evaluation.judge import PRINCIPLES
from engine.generation.answers import Sampling
from engine.jobs import rewarded
from engine.rewards import samples
from storage.home import Home
from storage.records import Dataset

DRAWN = ("seed", "temperature", "top_p", "max_tokens")  # what may be said of how answers are drawn


def judged(
    data: Dataset | None,
    *,
    address: str,
    judge: str,
    principles: Sequence[str] = (),
    revise: bool = False,
    limit: int | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """How a judge is asked about answers to a data set (None: one that is still to be made), as it is stored. BadInput or
    WrongShape where that cannot be."""
    if data is not None:
        prompts.check_shape(data)
    if limit is not None and limit < 1:
        raise BadInput(f"limit takes a whole number of at least 1, not {limit}.")
    rewarded.check_address(address)
    drawn = _sampling(sampling)
    if drawn.temperature == 0 and not revise:
        raise BadInput("At temperature 0 both answers to a prompt are the same. Take a higher one.")
    return {
        "address": address,
        "judge": judge,
        "revise": revise,
        "principles": [line.strip() for line in principles if line.strip()] or list(PRINCIPLES),
        "limit": _at_most(limit, data),
        "sampling": _drawn(drawn),
    }


def sampled(
    home: Home,
    data: Dataset | None,
    *,
    answers: int = 4,
    keep: str = "all",
    rewards: str = "",
    reward_model: str = "",
    trust_anyway: bool = False,
    reward_code: str = "",
    judge_address: str = "",
    judge: str = "",
    least: float = 0.0,
    limit: int | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """How answers to a data set (None: one that is still to be made) are sampled and kept, as it is stored; ``keep`` is one of
    ``samples.KEEPS``. BadInput, NotFound or WrongShape where something of it cannot be."""
    if data is not None:
        prompts.check_shape(data)
    if keep not in samples.KEEPS:
        raise BadInput(f"keep takes {', '.join(samples.KEEPS)}, not {keep!r}.")
    for what, number, low in (("limit", limit, 1), ("answers", answers, 2 if keep == "pairs" else 1)):
        if number is not None and number < low:
            raise BadInput(f"{what} takes a whole number of at least {low}, not {number}.")
    judged = {
        "rewards": rewards, "reward_model": reward_model, "trust_anyway": trust_anyway, "reward_code": reward_code,
        "judge_address": judge_address, "judge": judge,
    }  # fmt: skip
    if keep != "all" and not rewards:
        raise BadInput(f"To keep {samples.KEEPS[keep]}, name a reward such as check.")
    if least and keep != "best":
        raise BadInput(f"least is {least:g}, and to keep {keep} takes no notice of it. Leave it out, or keep best.")
    idle = [what for what, value in judged.items() if value]
    if not rewards and idle:
        raise BadInput(f"Without a reward nothing uses {' and '.join(idle)}. Name a reward such as check, or leave that out.")
    if rewards:
        judged |= rewarded.referred(home, judged, "reward_model", "model:reward")
        rewarded.check(home, data, judged)
    drawn = _sampling(sampling)
    if drawn.temperature == 0 and answers > 1:
        raise BadInput(f"At temperature 0 all {answers} answers to a prompt are the same. Take a higher one, or one answer.")
    return {
        "answers": answers, "keep": keep, **judged, "least": least, "limit": _at_most(limit, data), "sampling": _drawn(drawn),
    }  # fmt: skip


def _at_most(limit: int | None, data: Dataset | None) -> int | None:
    return min(limit, data.rows) if limit and data is not None else limit


def _sampling(given: Mapping[str, Any] | None) -> Sampling:
    """How answers are drawn that are to differ from each other. BadInput names what is not among that, or is off."""
    unknown = [name for name in given or {} if name not in DRAWN]
    if unknown:
        raise BadInput(f"sampling has {unknown[0]!r}; it takes {', '.join(DRAWN)}.")
    return Sampling.checked({"temperature": 1.0, **(given or {})})


def _drawn(sampling: Sampling) -> dict[str, Any]:
    return {name: getattr(sampling, name) for name in DRAWN}
