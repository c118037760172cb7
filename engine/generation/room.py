"""Keys and values that grow in place: a token is written into memory that is there already, and what is known is not copied."""

from typing import Any

from transformers.cache_utils import DynamicLayer

LEAST, SHARE = 64, 8  # columns kept free when memory is taken: so many, or the known ones by so much


class RoomyLayer(DynamicLayer):
    """A layer of a cache whose ``keys`` and ``values`` (rows, heads, tokens, width) are the filled part of larger tensors.

    transformers' own copies all of it for every token, which on a CPU takes longer than looking at it. Whoever puts other tensors
    in their place (a choice of rows, two batches made one) makes the next token copy them once.
    """

    _whole: tuple[Any, Any] | None = None
    _shown: tuple[Any, Any] = (None, None)  # the filled part, as it was put into keys and values

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Add the keys and values of new tokens; all of them, as the attention takes them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        known = self.get_seq_length()
        filled = known + key_states.shape[-2]
        if not self._fits(filled):
            self._take(key_states, value_states, known, filled)
        assert self._whole is not None
        for whole, new in zip(self._whole, (key_states, value_states), strict=True):
            whole[:, :, known:filled] = new
        self._show(filled)
        return self.keys, self.values

    @property
    def whole(self) -> tuple[Any, Any]:
        """The keys and values with the room behind them, of which the first tokens are filled."""
        return self._whole if self._whole is not None and self._fits(self.get_seq_length()) else (self.keys, self.values)

    def take_over(self, whole: tuple[Any, Any], filled: int) -> None:
        """Go on in these tensors, which nobody else may use any more, after the tokens that are ``filled``."""
        self.lazy_initialization(*whole)
        self._whole = whole
        self._show(filled)

    def _show(self, filled: int) -> None:
        assert self._whole is not None
        self.keys, self.values = self._shown = (self._whole[0][:, :, :filled], self._whole[1][:, :, :filled])

    def _fits(self, filled: int) -> bool:
        if self._whole is None or self.keys is not self._shown[0] or self.values is not self._shown[1]:
            return False
        return filled <= self._whole[0].shape[-2]

    def _take(self, key_states: Any, value_states: Any, known: int, filled: int) -> None:
        room = filled + max(LEAST, filled // SHARE)
        taken = []
        for old, new in ((self.keys, key_states), (self.values, value_states)):
            whole = new.new_empty(*new.shape[:2], room, new.shape[3])
            if known:
                whole[:, :, :known] = old
            taken.append(whole)
        self._whole = (taken[0], taken[1])
