"""The command line that does what a page is about to do."""

import shlex
from collections.abc import Mapping
from typing import Any


def value(of: Any) -> str:
    """A setting's value as the command line takes it."""
    if isinstance(of, bool):
        return "true" if of else "false"
    return f"{of:g}" if isinstance(of, float) else str(of)


def train(
    method: str,
    model: str,
    data: str,
    settings: Mapping[str, Any],
    *,
    name: str | None = None,
    seed: int = 0,
    dtype: str = "auto",
) -> str:
    """``python -m engine train`` with these choices. Pass only the settings that differ from their defaults."""
    parts = ["--method", method, "--model", model, "--data", data]
    for key, chosen in settings.items():
        parts += ["--set", f"{key}={value(chosen)}"]
    if name:
        parts += ["--name", name]
    if seed:
        parts += ["--seed", str(seed)]
    if dtype != "auto":
        parts += ["--dtype", dtype]
    return "python -m engine train " + " ".join(shlex.quote(part) for part in parts)
