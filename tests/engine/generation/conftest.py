"""A home with small real models in it, and a host over it."""

from collections.abc import Iterator

import pytest

from engine import registry
from engine.generation import ask
from engine.generation.answers import Address
from storage import db
from storage.home import Home
from tests.engine.generation.small_models import World, make_base, make_endless


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """``base`` with the adapters ``left``, ``right`` and ``dora`` over it, and ``full`` and ``endless``, whole weights of their own."""
    folder = tmp_path_factory.mktemp("weights")
    home = Home.resolve(tmp_path_factory.mktemp("home"))
    db.migrate(home)
    world = World(home, folder)
    registry.register_folder(home, make_base(folder / "base"), "base", "made in a test")
    registry.register_folder(home, make_base(folder / "full", seed=9), "full", "made in a test")
    registry.register_folder(home, make_endless(folder / "endless"), "endless", "made in a test")
    world.adapter("left", 1)
    world.adapter("right", 2, r=8)
    world.adapter("dora", 3, use_dora=True)
    return world


@pytest.fixture(scope="session")
def address(world: World) -> Iterator[Address]:
    """A running host over the world."""
    yield ask.ensure(world.home)
    ask.shutdown(world.home)
