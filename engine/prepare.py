"""Makes a home ready: its tables brought up to date, the Pocket lab registered."""

from engine.samples import pocket
from storage import db
from storage.home import Home


def prepare(home: Home) -> None:
    """Migrate the home and register what ships with Temper. Does nothing where that is done already."""
    db.migrate(home)
    pocket.register(home)
