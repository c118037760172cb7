"""Makes a home ready: its tables brought up to date, labels taken from the ledger that were lost, the Pocket lab registered."""

from engine.errors import Damaged
from engine.samples import pocket
from storage import db, preferences, repair
from storage.home import Home


def prepare(home: Home) -> None:
    """Migrate the home and register what ships with Temper. Does nothing where that is done already."""
    db.migrate(home)
    whole(home)
    pocket.register(home)


def whole(home: Home) -> None:
    """Take labels from the ledger that the database has lost; Damaged where that is not all that is wrong with it."""
    try:
        lost = preferences.recover(home)
        told = repair.faults(home) if lost else []
    except db.sqlite3.DatabaseError as problem:
        if isinstance(problem, db.sqlite3.OperationalError):
            raise  # a full disk, or somebody who holds it for too long
        told = [str(problem)]
    if told:
        raise Damaged(
            f"The database {home.database} is damaged ({told[0]}). End the page and the engine, then `python -m engine repair` makes "
            "it anew from all that can be read, and takes every label from the ledger; the damaged file is kept."
        )
