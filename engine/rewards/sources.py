"""What the settings of a run name as the sources of rewards: a reward model, a judge, a person's own code."""

from collections.abc import Mapping
from typing import Any

from engine.rewards import scoring
from engine.rewards.table import Context


def context(settings: Mapping[str, Any], library: Any, device: str) -> Context:
    """What the rewards of a run draw on; ``library`` (``engine.methods.method.Library``) knows where it is."""
    named, address = settings.get("reward_model"), settings.get("judge_address")

    def model() -> tuple[Any, Any]:
        base, adapter = library.model(named)
        return scoring.load(base, adapter, device)

    judge = library.judge(address, settings["judge"]) if address else None
    return Context(model if named else None, settings.get("reward_code", ""), judge)
