"""A project with pairs, and people who label them."""

from typing import Any

from engine.preferences import desk, pairs, projects
from engine.preferences.desk import Given, Shown
from engine.preferences.pairs import NewPair
from storage import preferences
from storage.home import Home
from storage.records import Project

PLAIN: dict[str, Any] = {"overlap": 0.0, "repeats": 0.0, "gold": 0.0}


def begin(home: Home, count: int, **settings: Any) -> Project:
    """A project with so many pairs; each first answer is the shorter one."""
    project = projects.create(home, "tone", PLAIN | settings)
    pairs.add(home, project, [pair(i) for i in range(count)])
    return project


def pair(i: int, first: str = "short", second: str = "quite a bit longer") -> NewPair:
    return NewPair([{"role": "user", "content": f"Question {i}?"}], f"{first} {i}", f"{second} {i}")


def current(home: Home, project: Project, labeller: str = "anna") -> Shown:
    return desk.look(home, project, labeller)[0]


def label(home: Home, project: Project, labeller: str = "anna", choice: str = "left", most: int = 10_000) -> list[int]:
    """Vote until nothing is left; the numbers of the pairs."""
    seen = []
    while len(seen) < most and (shown := desk.look(home, project, labeller)):
        seen.append(desk.vote(home, shown[0].showing.token, Given(choice)).pair_id)
    return seen


def votes(home: Home, project: Project) -> list[Any]:
    return preferences.votes(home, project.id)
