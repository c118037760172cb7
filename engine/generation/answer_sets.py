"""Sets of answers to one prompt, kept by the host: a page that is reloaded finds its texts again."""

import secrets
import threading

from engine.errors import NotFound
from engine.generation.answers import Answer
from engine.generation.tickets import Growing

MOST = 1000  # sets; beyond it the oldest that have ended are forgotten


class AnswerSets:
    """Answer sets by id. An answer that could not even be asked for is in it too, as failed."""

    def __init__(self) -> None:
        self._sets: dict[str, list[Growing | Answer]] = {}
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()

    def known(self, token: str | None) -> str | None:
        """The id of the set that was asked for with this token before."""
        return self._tokens.get(token) if token else None

    def add(self, entries: list[Growing | Answer], token: str | None = None) -> str:
        """Keep a set; returns its id."""
        name = secrets.token_urlsafe(12)
        with self._lock:
            self._sets[name] = entries
            if token:
                self._tokens[token] = name
            self._forget()
        return name

    def look(self, name: str) -> list[Answer]:
        """The answers of a set as they stand now, in the order they were asked for."""
        return [entry.answer if isinstance(entry, Growing) else entry for entry in self._entries(name)]

    def stop(self, name: str, place: int | None = None) -> None:
        """Ask every answer of the set to end, or the one at ``place``."""
        for number, entry in enumerate(self._entries(name)):
            if isinstance(entry, Growing) and place in (None, number):
                entry.cancel()

    def _entries(self, name: str) -> list[Growing | Answer]:
        with self._lock:
            if name not in self._sets:
                raise NotFound("These answers are gone: the model host was started anew since, or they are too old. Ask again.")
            return self._sets[name]

    def _forget(self) -> None:
        for name in list(self._sets)[: max(0, len(self._sets) - MOST)]:
            entries = self._sets[name]
            if all((e.answer if isinstance(e, Growing) else e).ended for e in entries):
                del self._sets[name]
                self._tokens = {token: kept for token, kept in self._tokens.items() if kept != name}
