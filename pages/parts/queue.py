"""Putting work into the engine's queue from a page's callback."""

from collections.abc import Callable

from engine.errors import TemperError
from engine.jobs import supervisor
from pages.parts import messages, session
from storage.home import Home
from storage.records import Run


def put(home: Home, place: str, submit: Callable[..., Run], action: str | None = None) -> Run | None:
    """The run that ``submit`` queues; None where something was in the way, which is then told at ``place``.

    The engine is seen to first, so that an error always means that nothing was queued. Only then the token of the ``action`` is
    taken: the engine may need longer to start than two clicks lie apart.
    """
    try:
        supervisor.ensure(home)
        return submit() if action is None else submit(token=session.token(action))
    except TemperError as problem:
        messages.keep(problem, place)
        return None
