"""Projects of labelling: what is asked for, and how much of it is shown to several people, shown again, or known already."""

import dataclasses
import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import names
from engine.errors import BadInput, NotFound
from storage import db, preferences
from storage.home import Home
from storage.records import Pair, Project

LONGEST_TEXT, LONGEST_NAME, MOST_CRITERIA, MOST_EXAMPLES = 50_000, 40, 8, 50
SUGGESTED = ("helpful", "harmless", "honest")  # criteria after Askell et al. 2021
SHARES = ("overlap", "repeats", "gold")
CHOICES = ("first", "second", "tie", "bad")  # what a known answer, and a vote that counts, may be


@dataclass(frozen=True)
class Example:
    """A pair that the instructions show, what is right, and why."""

    pair_id: int
    choice: str
    why: str


@dataclass(frozen=True)
class Settings:
    """How a project is labelled.

    A share ``overlap`` of the pairs is seen by ``raters`` people, the rest by one; of what somebody sees, a share ``repeats`` are
    pairs of their own once more, and a share ``gold`` pairs whose answer is known.
    """

    instructions: str = ""
    criteria: tuple[str, ...] = ()
    strength: bool = True
    overlap: float = 0.2
    raters: int = 2
    repeats: float = 0.05
    gold: float = 0.1
    examples: tuple[Example, ...] = ()

    def __post_init__(self) -> None:
        for name in SHARES:
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
                raise BadInput(f"{name} takes a share from 0 to 1, not {share!r}.")
        if not isinstance(self.strength, bool):
            raise BadInput(f"strength takes true or false, not {self.strength!r}.")
        if isinstance(self.raters, bool) or not isinstance(self.raters, int) or not 1 <= self.raters <= 100:
            raise BadInput(f"raters takes a whole number from 1 to 100, not {self.raters!r}.")
        if not isinstance(self.instructions, str) or len(self.instructions) > LONGEST_TEXT:
            raise BadInput(f"instructions takes a text of at most {LONGEST_TEXT:,} characters.")
        self._check_lists()

    def _check_lists(self) -> None:
        if len(self.criteria) > MOST_CRITERIA or len({c.lower() for c in self.criteria}) < len(self.criteria):
            raise BadInput(f"criteria takes at most {MOST_CRITERIA} different words, not {', '.join(self.criteria)}.")
        for criterion in self.criteria:
            if not criterion.strip() or len(criterion) > LONGEST_NAME or not criterion.isprintable():
                raise BadInput(f"A criterion has 1 to {LONGEST_NAME} printable signs, not {criterion!r}.")
        if len(self.examples) > MOST_EXAMPLES:
            raise BadInput(f"The instructions show at most {MOST_EXAMPLES} examples, not {len(self.examples)}.")
        for example in self.examples:
            if example.choice not in CHOICES or len(example.why) > LONGEST_TEXT:
                raise BadInput(f"An example's choice is one of {', '.join(CHOICES)}, not {example.choice!r}.")


DEFAULTS = Settings()
EDITABLE = tuple(field.name for field in dataclasses.fields(Settings) if field.name != "examples")


def settings(project: Project) -> Settings:
    """The settings of a project."""
    return _settings(project.settings)


def _settings(given: Mapping[str, Any]) -> Settings:
    known = {field.name for field in dataclasses.fields(Settings)}
    for name in given:
        if name not in known:
            raise BadInput(f"There is no setting {name!r}. The settings are: {', '.join(EDITABLE)}.")
    lists = {
        "criteria": tuple(str(c).strip() for c in given.get("criteria", ())),
        "examples": tuple(Example(**e) if isinstance(e, Mapping) else e for e in given.get("examples", ())),
    }
    return Settings(**{**given, **lists})


def create(home: Home, name: str, given: Mapping[str, Any] | None = None) -> Project:
    """A new project; BadInput where there is one of that name, or a setting cannot be."""
    name, chosen = names.check(name, "a project"), _settings(given or {})
    with preferences.changing(home) as change:
        if preferences.project(home, name) is not None:
            raise BadInput(f"There is a project {name} already. Choose another name.")
        change.do("project", id=change.next_id("project"), name=name, settings=dataclasses.asdict(chosen), at=db.now())
    return find(home, name)


def find(home: Home, reference: str) -> Project:
    """The project that a name or ``#number`` means; NotFound says which there are."""
    number = db.number(reference[1:]) if reference.startswith("#") else None
    found = preferences.project(home, reference if number is None else number)
    if found is None:
        there = ", ".join(project.name for project in preferences.projects(home)) or "none yet"
        raise NotFound(f"There is no project {reference}. There is: {there}.")
    return found


def find_or_create(home: Home, name: str) -> Project:
    """The project of that name or ``#number``; of a name that there is not yet, a new one with the usual settings."""
    if name.startswith("#"):
        return find(home, name)
    found = preferences.project(home, names.check(name, "a project"))
    return found or create(home, name)


def change_settings(home: Home, project: Project, given: Mapping[str, Any]) -> Project:
    """Change settings; how many people shall see each pair follows at once."""
    return _change(home, project, lambda _: given)


def _change(home: Home, project: Project, change_of: Callable[[Settings], Mapping[str, Any]]) -> Project:
    """Change settings as they are now, whatever they were when ``project`` was read."""
    with preferences.changing(home) as change:
        now = find(home, f"#{project.id}")
        chosen = _settings({**now.settings, **change_of(settings(now))})
        raters = [
            (pair_id, shall)
            for pair_id, digest, now in preferences.raters(home, project.id)
            if (shall := raters_of(project.id, digest, chosen)) != now
        ]
        change.do("settings", id=project.id, settings=dataclasses.asdict(chosen), raters=raters, at=db.now())
    return find(home, f"#{project.id}")


def raters_of(project_id: int, digest: str, chosen: Settings) -> int:
    """How many people shall see a pair: by chance, but always the same for the same pair and share."""
    return chosen.raters if chance(f"overlap {project_id} {digest}") < chosen.overlap else 1


def chance(of: str) -> float:
    """A number from 0 to below 1 that looks drawn by chance, and is always the same for the same text."""
    return int.from_bytes(hashlib.sha256(of.encode("utf-8", "surrogatepass")).digest()[:6]) / 2**48


def sources(chosen: Settings, drawn: random.Random) -> Iterator[str]:
    """Where the next pair of a labeller comes from, in the order it is tried (storage/showings.py)."""
    number = drawn.random()
    if number < chosen.gold:
        yield "gold"
    elif number < chosen.gold + chosen.repeats:
        yield "again"
    yield from ("waiting", "gold")


def mark_gold(home: Home, pair: Pair, choice: str | None) -> None:
    """Keep what the right choice on a pair is, or that it is not known: a pair with gold is shown to everybody, and not frozen."""
    if choice is not None and choice not in CHOICES:
        raise BadInput(f"A known answer is one of {', '.join(CHOICES)}, not {choice!r}.")
    with preferences.changing(home) as change:
        change.do("gold", pair_id=pair.id, gold=choice, at=db.now())


def show_as_example(home: Home, project: Project, example: Example | None, pair_id: int) -> Project:
    """Show a pair in the instructions, or no longer where ``example`` is None."""

    def change_of(now: Settings) -> Mapping[str, Any]:
        kept = [e for e in now.examples if e.pair_id != pair_id] + ([example] if example is not None else [])
        return {"examples": [dataclasses.asdict(e) for e in kept]}

    return _change(home, project, change_of)


def examples(home: Home, project: Project) -> Sequence[tuple[Example, Pair]]:
    """The examples of the instructions with their pairs."""
    found = [(example, preferences.pair(home, example.pair_id)) for example in settings(project).examples]
    return [(example, pair) for example, pair in found if pair is not None]
