"""A home with the Pocket lab and a small index in it."""

import pytest

from engine.retrieval import documents, indexes
from storage.home import Home

TOLD = {
    "mill.md": "The mill in Oakford opens at 7:30. Barlin runs the mill in Oakford.",
    "mara.md": "Mara is 85 years old. Mara plays the lute.",
    "inn.md": "The inn in Greyford closes at 22:00. Tomas runs the inn in Greyford.",
}


@pytest.fixture
def lab(pocket: Home) -> Home:
    """The Pocket lab with the index ``town``."""
    made = indexes.create(pocket, "town")
    indexes.update(pocket, made, [documents.of_text(name, text) for name, text in TOLD.items()])
    return pocket
