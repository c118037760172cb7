"""Tokens that arrive one by one as text that only ever grows."""

from typing import Any

BROKEN = "\ufffd"  # what a decoder shows for a part of a character


class Text:
    """The text of a growing list of tokens. Half a character, or what may be the beginning of a stop string, is held back."""

    def __init__(self, tokenizer: Any, stop: tuple[str, ...]) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._ids: list[int] = []
        # the piece before the newest one is decoded with it, since some tokenizers drop a leading space
        self._begin = self._end = 0
        self._whole = ""
        self.shown = ""
        self.stopped = False

    def push(self, token: int) -> None:
        """Add a token; ``stopped`` says whether a stop string has now been met, and ``shown`` ends before it."""
        self._ids.append(token)
        piece = self._piece()
        if piece and not piece.endswith(BROKEN):
            self._grow(piece)

    def finish(self) -> str:
        """All the text there is, half characters too; nothing is held back any more."""
        if not self.stopped:
            self._grow(self._piece())
        if not self.stopped:
            self.shown = self._whole
        return self.shown

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _piece(self) -> str:
        before = self._decode(self._ids[self._begin : self._end])
        return self._decode(self._ids[self._begin :])[len(before) :]

    def _grow(self, piece: str) -> None:
        self._begin, self._end = self._end, len(self._ids)
        # a stop string may have begun in what was held back, never in what is shown
        start = len(self.shown)
        self._whole += piece
        found = [place for stop in self._stop if (place := self._whole.find(stop, start)) >= 0]
        if found:
            self.shown, self.stopped = self._whole[: min(found)], True
            return
        self.shown = self._whole[: len(self._whole) - self._held()]

    def _held(self) -> int:
        """How many of the last characters may be the beginning of a stop string."""
        longest = 0
        for stop in self._stop:
            for length in range(min(len(stop) - 1, len(self._whole)), longest, -1):
                if self._whole.endswith(stop[:length]):
                    longest = length
                    break
        return longest
