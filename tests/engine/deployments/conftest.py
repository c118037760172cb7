"""A home with the Pocket lab and a small index in it."""

import shutil
from pathlib import Path

import pytest

from engine.retrieval import documents, indexes
from storage.home import Home

TOLD = {
    "mill.md": "The mill in Oakford opens at 7:30. Barlin runs the mill in Oakford.",
    "mara.md": "Mara is 85 years old. Mara plays the lute.",
    "inn.md": "The inn in Greyford closes at 22:00. Tomas runs the inn in Greyford.",
}


@pytest.fixture(scope="session")
def furnished(prepared: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The Pocket lab with the index ``town``, made once; tests take a copy of it."""
    root = tmp_path_factory.mktemp("furnished") / "home"
    shutil.copytree(prepared.root, root)
    home = Home.resolve(root)
    made = indexes.create(home, "town")
    indexes.update(home, made, [documents.of_text(name, text) for name, text in TOLD.items()])
    return home


@pytest.fixture
def lab(furnished: Home, tmp_path: Path) -> Home:
    """A home of its own with the Pocket lab and the index ``town``."""
    shutil.copytree(furnished.root, tmp_path / "home")
    return Home.resolve(tmp_path / "home")
