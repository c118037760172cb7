"""Putting work into the engine's queue from a page's callback."""

from collections.abc import Callable

from engine.errors import TemperError
from engine.jobs import supervisor
from pages.parts import messages
from storage.home import Home
from storage.records import Run


def put(home: Home, place: str, submit: Callable[[], Run]) -> Run | None:
    """The run that ``submit`` queues; None where something was in the way, which is then told at ``place``.

    The engine is seen to first, so that an error always means that nothing was queued.
    """
    try:
        supervisor.ensure(home)
        return submit()
    except TemperError as problem:
        messages.keep(problem, place)
        return None
