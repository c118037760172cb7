"""Two fixed sets of facts: the home county, which the base model knows by heart, and Far Isle, which it has never seen."""

import random
from dataclasses import dataclass

from engine.samples.facts import PLACE_KINDS, Fact, facts_about
from engine.samples.names import Pool, pools

HOME_PEOPLE, HOME_PLACES = 40, 40
NEW_PEOPLE, NEW_PLACES = 28, 28
LATER = 8  # people, and as many places


@dataclass(frozen=True)
class World:
    """Subjects and everything that is true of them."""

    subjects: tuple[tuple[Fact, ...], ...]  # one tuple of facts a subject

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(fact for facts in self.subjects for fact in facts)


def _world(pool: Pool, people: int, places: int, seed: int, but: frozenset[str] = frozenset()) -> World:
    """A world of people and places from a pool, none of them one of the subjects ``but``."""
    rng = random.Random(seed)
    names = [name for name in pool.people if name not in but]
    subjects = [tuple(facts_about(name, "person", pool, rng)) for name in rng.sample(names, people)]
    there = [f"the {kind} in {town}" for kind in PLACE_KINDS for town in pool.towns]
    for place in rng.sample([place for place in there if place not in but], places):
        subjects.append(tuple(facts_about(place, "place", pool, rng)))
    return World(tuple(subjects))


def home() -> World:
    """The home county: 40 people and 40 places whose facts are part of the pre-training corpus."""
    return _world(pools()["home"], HOME_PEOPLE, HOME_PLACES, seed=21)


def new() -> World:
    """Far Isle: people and places whose names and facts occur in no training text but the new-domain documents."""
    return _world(pools()["new"], NEW_PEOPLE, NEW_PLACES, seed=22)


def later() -> World:
    """People and places of Far Isle that came after its documents were written: no model has read of them, only an index can."""
    known = frozenset(facts[0].subject for facts in new().subjects)
    return _world(pools()["new"], LATER, LATER, seed=23, but=known)
