"""The decoding loop: a batch of rows of one base model, each with its own adapter, sampling and end.

It is our own and not ``generate()``, so that a row can leave at any token, a failure leaves nothing behind in the model,
and every row's state outlives the batch: a row can go on in another batch exactly where it stood.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.generation.answers import Sampling
from engine.generation.constraint import Constraint, choose_within
from engine.generation.prefixes import LEAST
from engine.generation.sampling import generator

if TYPE_CHECKING:
    from engine.generation.prefixes import Kept
    from engine.generation.weights import Weights

# tokens of the prompts read at once: between two parts other batches move on and a stop is heard
PART = 512
NEVER = -9999.0  # the log-probability of what cannot be said, for which JSON has no infinity
SCORED = 1024  # tokens of all rows together that are scored at once: each takes logits for the whole vocabulary


@dataclass(frozen=True)
class Score:
    """The log-probability of a token in nats, and those of the likeliest ones in its place; temperature does not bear on it."""

    token: int
    logprob: float
    likeliest: tuple[tuple[int, float], ...]


@dataclass
class Row:
    """One answer as tokens: the prompt and what was said so far, and how it goes on."""

    ids: list[int]
    adapter: str  # the adapter's name in its weights
    sampling: Sampling
    scored: int | None = None  # alternatives to tell beside the score of each token; None tells no scores
    echo: bool = False  # whether the tokens of the prompt are scored as well
    constraint: Constraint | None = None  # what the answer is held to
    read: int = field(init=False)  # of the ids, how many are the prompt's
    draw: Any = field(init=False)
    cached: int = 0  # of the ids, how many were not read again
    scores: list[Score] = field(default_factory=list)  # of the tokens after the first, or of those said

    def __post_init__(self) -> None:
        self.draw = generator(self.sampling.seed)
        self.read = len(self.ids)

    def held(self) -> Constraint | None:
        """What the answer is held to, at the place where it stands: also after a failure, or in another batch."""
        if self.constraint is not None:
            self.constraint.follow(self.ids[self.read :])
        return self.constraint


def scores(logits: Any, tokens: Sequence[int], alternatives: int) -> list[Score]:
    """The scores of ``tokens`` by their ``logits`` (tokens, vocabulary)."""
    import torch

    shares = logits.float().log_softmax(-1).clamp(min=NEVER)
    own = shares.gather(-1, torch.tensor(tokens, device=shares.device)[:, None]).squeeze(-1).tolist()
    best = shares.topk(min(alternatives, shares.shape[-1]), -1)
    each = zip(tokens, own, best.indices.tolist(), best.values.tolist(), strict=True)
    return [Score(token, score, tuple(zip(places, values, strict=True))) for token, score, places, values in each]


class Batch:
    """Rows that are read and continued together, padded on the left, over one key-value cache."""

    def __init__(self, weights: "Weights", rows: list[Row]) -> None:
        import torch

        self.weights = weights
        self.rows = rows
        # what is to be scored has to be read
        known = [(0, None) if row.echo else weights.prefixes.find(row.adapter, row.ids) for row in rows]
        self._part = max(SCORED // len(rows), 16) if any(row.echo for row in rows) else PART
        for row, (length, _) in zip(rows, known, strict=True):
            row.cached = length
            # one that is tried again is read, and with echo scored, from its beginning; of what was said each token has its score
            del row.scores[0 if row.echo else len(row.ids) - row.read :]
        self._read = max(row.cached for row in rows)  # columns that the cache holds
        fresh = max(len(row.ids) - row.cached for row in rows)
        # each row: padding, what is known of it, padding, what is to be read
        parts = [
            (self._read - row.cached, row.ids[: row.cached], fresh + row.cached - len(row.ids), row.ids[row.cached :])
            for row in rows
        ]
        ids = [[0] * before + old + [0] * between + new for before, old, between, new in parts]
        mask = [[0] * before + [1] * len(old) + [0] * between + [1] * len(new) for before, old, between, new in parts]
        self._ids = torch.tensor(ids, device=weights.device)
        self._mask = torch.tensor(mask, device=weights.device)
        self._positions = (self._mask.cumsum(-1) - 1).clamp_(min=0)
        self._padded = any(before or between for before, _, between, _ in parts)
        self._cache = weights.new_cache()
        if self._read:
            self._fill([kept for _, kept in known])

    def _fill(self, known: "Sequence[Kept | None]") -> None:
        """Put into the cache what is known of each row, against the right edge."""
        import torch

        example = next(kept for kept in known if kept is not None)
        if len(known) == 1 and len(example.ids) - self._read < LEAST:  # nothing that is worth keeping is written over
            self.weights.prefixes.take(example)
            for layer, whole in zip(self._cache.layers, example.layers, strict=True):
                layer.take_over(whole, self._read)
            return
        for number, both in enumerate(example.layers):
            filled = []
            for part, like in enumerate(both):
                if len(known) == 1:  # as it lies there
                    filled.append(like[:, :, : self._read])
                    continue
                whole = like.new_zeros(len(known), like.shape[1], self._read, like.shape[3])
                for i, (row, kept) in enumerate(zip(self.rows, known, strict=True)):
                    if kept is not None:
                        whole[i, :, self._read - row.cached :] = kept.layers[number][part][0, :, : row.cached]
                filled.append(whole)
            with torch.inference_mode():
                self._cache.update(filled[0], filled[1], number)

    def remember(self, place: int, free: int) -> None:
        """Keep what was read and said in a row for what begins alike; ``free`` bytes of memory are there."""
        import torch

        with torch.inference_mode():
            columns = self._mask[place, : self._read].nonzero().squeeze(1)
            row = self.rows[place]
            self.weights.prefixes.keep(row.adapter, row.ids[: len(columns)], self._cache, place, columns, free)

    def step(self) -> list[int | None] | None:
        """Read the next part of the prompts; once they are read, add a token to each row and return these.

        None while there is more to read. None in a token's place says that this row's logits are not numbers.
        """
        import torch

        with torch.inference_mode():
            start, stop = self._read, min(self._read + self._part, self._ids.shape[1])
            reading = start + 1 < self._ids.shape[1] and any(row.echo for row in self.rows)
            logits = self.weights.logits(
                self._ids[:, self._read : stop],
                self._mask[:, :stop] if self._padded else None,
                self._positions[:, self._read : stop],
                self._cache,
                [row.adapter for row in self.rows],
                every=reading,
            )
            self._read = stop
            if reading:
                self._score_read(logits, start)
                logits = logits[:, -1]
            if stop < self._ids.shape[1]:
                return None
            rows = self.rows
            tokens = choose_within(
                logits, [row.sampling for row in rows], [row.draw for row in rows], [row.held() for row in rows]
            )
            for row, token, given in zip(self.rows, tokens, logits, strict=True):
                if row.scored is not None and token is not None:
                    row.scores += scores(given[None], [token], row.scored)
            self._append([0 if token is None else token for token in tokens])
        return tokens

    def _score_read(self, logits: Any, start: int) -> None:
        """Score the tokens of the prompts that follow the columns from ``start`` on, whose ``logits`` these are."""
        width = self._ids.shape[1]
        for i, row in enumerate(self.rows):
            # the tokens after the first one, as far as these columns tell of them
            begin, end = max(start + 1, width - len(row.ids) + 1), min(start + logits.shape[1] + 1, width)
            if row.echo and row.scored is not None and begin < end:
                row.scores += scores(logits[i, begin - start - 1 : end - start - 1], self._ids[i, begin:end].tolist(), row.scored)

    def _append(self, tokens: list[int]) -> None:
        import torch

        column = torch.tensor(tokens, device=self._ids.device).unsqueeze(1)
        self._ids = torch.cat([self._ids, column], 1)
        self._mask = torch.cat([self._mask, torch.ones_like(column)], 1)
        self._positions = torch.cat([self._positions, self._positions[:, -1:] + 1], 1)
        # last, when nothing can fail any more: a row has exactly the tokens that were handed out
        for row, token in zip(self.rows, tokens, strict=True):
            row.ids.append(token)

    @property
    def width(self) -> int:
        """Columns of the batch, padding included."""
        return self._ids.shape[1]

    @property
    def speaks(self) -> bool:
        """Whether all prompts are read, so that every step adds a token."""
        return self._read == self.width - 1

    def join(self, other: "Batch") -> None:
        """Take the rows of another batch over; both speak, and their caches can be cut."""
        import torch
        from torch.nn.functional import pad

        width = max(self.width, other.width)
        fill = [width - batch.width for batch in (self, other)]

        def joined(one: Any, another: Any, behind: tuple[int, ...] = ()) -> Any:
            return torch.cat([pad(part, (*behind, columns, 0)) for part, columns in zip((one, another), fill, strict=True)])

        with torch.inference_mode():
            caches = [
                (joined(own.keys, its.keys, (0, 0)), joined(own.values, its.values, (0, 0)))
                for own, its in zip(self._cache.layers, other._cache.layers, strict=True)
            ]
            told = [
                joined(*both)
                for both in ((self._ids, other._ids), (self._mask, other._mask), (self._positions, other._positions))
            ]
        # now nothing can fail any more
        for layer, (keys, values) in zip(self._cache.layers, caches, strict=True):
            layer.keys, layer.values = keys, values
        self._ids, self._mask, self._positions = told
        self._padded = self._padded or other._padded or any(fill)
        self._read, self.rows = width - 1, self.rows + other.rows

    def keep(self, places: list[int]) -> None:
        """Go on with the rows at these places only."""
        import torch

        with torch.inference_mode():
            chosen = torch.tensor(places, device=self._ids.device)
            self._ids, self._mask, self._positions = self._ids[chosen], self._mask[chosen], self._positions[chosen]
            if self._read:
                self._cache.reorder_cache(chosen)  # not batch_select_indices, which layers with linear attention lack
        self.rows = [self.rows[i] for i in places]
