"""Whether what a run is to be rewarded by can be used, before the run is queued."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from engine import registry
from engine.data import curate
from engine.errors import BadInput, WrongShape
from engine.evaluation import prompts
from engine.methods.method import Library, Method
from engine.rewards import recipe, sources
from engine.rewards.table import SOURCES
from storage import runs
from storage.home import Home
from storage.records import Dataset

LATER = "#0"  # a reward model that an earlier stage of a chain is still to make


def check(home: Home, data: Dataset | None, settings: Mapping[str, Any], method: Method | None = None) -> None:
    """BadInput when a reward cannot be read, asks for a column that the data lacks or for a source that is not named, when a
    source that is named is not used or not to be trusted, or when rows have
    tools that the method cannot run. Data that is still to be made (None) is taken to fit."""
    if "rewards" not in settings:
        return
    if not settings["rewards"].strip():
        raise BadInput("Say what an answer is worth: rewards is empty. One that fits answers that can be checked is check.")
    if bool(settings["judge_address"]) != bool(settings["judge"]):
        raise BadInput("A judge needs its address and its name there: set judge_address and judge, or neither.")
    if settings["judge_address"]:
        check_address(settings["judge_address"])
    parts = recipe.parse(settings["rewards"], sources.context(settings, _UNREAD, "cpu"))
    if data is not None:
        _fits(home, data, parts, method)
    for kind, source in SOURCES.items():
        if settings[source] and not any(part.kind.name == kind for part in parts):
            raise BadInput(
                f"{source} is set, and the reward {settings['rewards']!r} does not use {kind}. Add it, or leave {source} empty."
            )
    trusted(home, settings)


def referred(home: Home, settings: Mapping[str, Any], name: str, refers: str) -> dict[str, str]:
    """A setting that names a data set or a model with its #id instead; nothing where it names none. Raises as ``pinned`` does."""
    kind, _, wanted = refers.partition(":")
    if settings[name] in ("", LATER):
        return {}
    found = curate.find(home, settings[name]) if kind == "data" else registry.find(home, settings[name])
    if (found.shape if isinstance(found, Dataset) else found.task) not in wanted.split("|"):
        what = f"{wanted.replace('|', ' or ')} {'data set' if kind == 'data' else 'model'}"
        raise WrongShape(f"{name} takes a {what}, and {settings[name]} is none.")
    return {name: f"#{found.id}"}


def _fits(home: Home, data: Dataset, parts: Sequence[recipe.Part], method: Method | None) -> None:
    frame = curate.scan(home, data)
    columns = frame.collect_schema().names()
    if (
        method is not None
        and not method.tools
        and "tools" in columns
        and not frame.select("tools").drop_nulls().head(1).collect().is_empty()
    ):
        raise BadInput(
            f"The prompts come with tools, which {method.title} cannot run. Take GRPO or PPO, or leave out the column tools."
        )
    recipe.needs(parts, [*columns, *(["prompt"] if data.shape in prompts.SHAPES else [])])


def check_address(address: str) -> None:
    """BadInput when a judge cannot be at an address."""
    if not address.startswith(("http://", "https://")):
        raise BadInput(
            f"The judge's address begins with http:// or https:// and ends with /v1 in most places, but it is {address!r}."
        )


def _unread(*_: Any) -> NoReturn:
    raise AssertionError("a reward that is only read asks nobody and loads no weights")


_UNREAD = Library(_unread, _unread, lambda address, name: _unread)


def trusted(home: Home, settings: Mapping[str, Any]) -> None:
    """BadInput when the reward model does not beat the rules of length, unless it is to be used anyway."""
    if settings.get("reward_model", LATER) in ("", LATER) or settings["trust_anyway"]:
        return
    model = registry.find(home, settings["reward_model"])
    run = runs.get(home, model.run_id or 0)
    test = run.summary.get("trust") if run else None
    if test is None:
        raise BadInput(
            f"{model.name} was never tested on pairs it had not seen. Train it here with evaluate_share above 0, or set "
            "trust_anyway to use it all the same."
        )
    if not test["beats_length"]:
        longer = test["longer"]["value"]
        raise BadInput(
            f"{model.name} is right on {test['accuracy']['value']:.0%} of {test['accuracy']['n']} pairs it had not seen, and the "
            f"rule that the {'longer' if longer >= 0.5 else 'shorter'} answer wins on {max(longer, 1 - longer):.0%}: what it rewards "
            "may be length. Train it on more pairs, of like length, or set trust_anyway to use it all the same."
        )
