"""Two fixed sets of facts: the home county, which the base model knows by heart, and Far Isle, which it has never seen."""

import random
from dataclasses import dataclass

from engine.samples.facts import PLACE_KINDS, Fact, facts_about
from engine.samples.names import Pool, pools

HOME_PEOPLE, HOME_PLACES = 40, 40
NEW_PEOPLE, NEW_PLACES = 28, 28


@dataclass(frozen=True)
class World:
    """Subjects and everything that is true of them."""

    subjects: tuple[tuple[Fact, ...], ...]  # one tuple of facts a subject

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(fact for facts in self.subjects for fact in facts)


def _world(pool: Pool, people: int, places: int, seed: int) -> World:
    rng = random.Random(seed)
    subjects = [tuple(facts_about(name, "person", pool, rng)) for name in rng.sample(pool.people, people)]
    for place in rng.sample([f"the {kind} in {town}" for kind in PLACE_KINDS for town in pool.towns], places):
        subjects.append(tuple(facts_about(place, "place", pool, rng)))
    return World(tuple(subjects))


def home() -> World:
    """The home county: 40 people and 40 places whose facts are part of the pre-training corpus."""
    return _world(pools()["home"], HOME_PEOPLE, HOME_PLACES, seed=21)


def new() -> World:
    """Far Isle: people and places whose names and facts occur in no training text but the new-domain documents."""
    return _world(pools()["new"], NEW_PEOPLE, NEW_PLACES, seed=22)
