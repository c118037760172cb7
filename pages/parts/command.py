"""The command line that does what a page is about to do."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from storage.home import Home

PYTHON, DEFAULT = ".venv/bin/python", ".temper"


def value(of: Any) -> str:
    """A setting's value as the command line takes it."""
    if isinstance(of, bool):
        return "true" if of else "false"
    return f"{of:g}" if isinstance(of, float) else str(of)


def _home(home: Home) -> str:
    """What names a home that the command line would not take by itself."""
    return "" if home.root == Path.home() / DEFAULT else f" --home {shlex.quote(str(home.root))}"


def chain(home: Home, road: str, model: str, name: str, data: Mapping[str, str], more: Mapping[str, str | Sequence[str]]) -> str:
    """``engine chain begin`` of a road of the gallery. Pass only the data that is not the road's own sample, and lists for options
    that may be repeated."""
    parts = [road, "--model", model, "--name", name]
    for role, chosen in data.items():
        parts += ["--data", f"{role}={chosen}"]
    for option, given in more.items():
        # a text that begins with a dash would be taken for an option, were it a word of its own
        parts += [f"{option}={text}" for text in ([given] if isinstance(given, str) else given) if text]
    return line(home, "chain", "begin", *parts)


def line(home: Home, *words: str) -> str:
    """A command with its words."""
    return f"{PYTHON} -m engine{_home(home)} " + " ".join(shlex.quote(word) for word in words)


def freeze(home: Home, project: str, name: str, rule: Mapping[str, Any]) -> str:
    """``engine labels freeze`` by this rule. Pass only what differs from the usual one."""
    options = [word for key, chosen in rule.items() for word in (f"--{key.replace('_', '-')}", value(chosen))]
    return line(home, "labels", "freeze", project, "--name", name, *options)


def train(
    home: Home,
    method: str,
    model: str,
    data: str,
    settings: Mapping[str, Any],
    *,
    name: str | None = None,
    seed: int = 0,
    dtype: str = "auto",
) -> str:
    """``engine train`` with these choices. Pass only the settings that differ from their defaults."""
    parts = ["--method", method, "--model", model, "--data", data]
    for key, chosen in settings.items():
        parts += ["--set", f"{key}={value(chosen)}"]
    if name:
        parts += ["--name", name]
    if seed:
        parts += ["--seed", str(seed)]
    if dtype != "auto":
        parts += ["--dtype", dtype]
    return line(home, "train", *parts)
