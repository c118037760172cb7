"""Where an advice leads: the page and what it is filled with, and the command line that does the same. The one table of both."""

from collections.abc import Mapping
from dataclasses import dataclass

PENDING, MODEL = "NAME", "MODEL"  # stand in a command line for what the person has to name, and for the model of the home
COMPARED = ("--candidate", f"bare:model={MODEL}", "--candidate", f"prompted:model={MODEL},prompt={PENDING}")


@dataclass(frozen=True)
class Place:
    """A page (its folder) with its address' query, what its button says, and the words of the command line."""

    page: str
    query: Mapping[str, str]
    verb: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Destination:
    """A place before anything is filled in."""

    page: str
    verb: str
    command: tuple[str, ...]


DESTINATIONS = {
    "prompting": Destination("bakeoff", "Compare prompts", ("bakeoff", "run", "--data", "QUESTIONS", *COMPARED)),
    "retrieval": Destination("knowledge", "Make an index", ("index", "create", "documents")),
    "train": Destination("train", "Set up the training", ("train",)),
    "road": Destination("train", "Set up the road", ("chain", "begin")),
    "labels": Destination("labels", "Label pairs", ("labels", "create", PENDING)),
    "datasets": Destination("datasets", "Bring data in", ("datasets", "add", "FILE", "--name", PENDING)),
}
# where data that is missing comes from
SOURCES_OF = {"pairs": "labels", "marks": "labels", "judge": "labels"}


def untrained(option: str, aim: str) -> Place:
    """The place of an option without training."""
    found = DESTINATIONS[option]
    return Place(found.page, {"goal": aim}, found.verb, found.command)


def training(method: str) -> Place:
    """The form for a method."""
    found = DESTINATIONS["train"]
    return Place(found.page, {"method": method}, found.verb, (*found.command, "--method", method))


def road(name: str) -> Place:
    """The form for a road of the gallery."""
    found = DESTINATIONS["road"]
    return Place(found.page, {"road": name}, found.verb, (*found.command, name))


def data(kind: str) -> Place:
    """Where data of a kind comes from."""
    found = DESTINATIONS[SOURCES_OF.get(kind, "datasets")]
    return Place(found.page, {}, found.verb, found.command)
