"""Answers held to a grammar while they are written: JSON by a schema, or text by a pattern (llguidance).

At every token what the grammar forbids is taken away, so no answer can be wrong in form. That it also ends in time is seen to here:
beside the grammar each answer carries a way to close, and no token is taken from which that way no longer fits into what is left of
its room. Where not even the shortest document fits, that is said before the first token.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from engine.errors import BadInput
from engine.evaluation import patterns, schemas
from engine.generation.answers import Sampling
from engine.generation.sampling import choose

KINDS = ("json_schema", "regex")
COMPACT: Any = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}  # no blanks: they could go on for ever
TRIES = 8  # tokens that are drawn before the way to close is gone
MOST_KEPT = 64  # grammars of one tokenizer
LONGER = 16  # characters that a string held to a pattern may have beyond the fewest, where the room is short
OUTSIDE, INSIDE = '}]",:0123456789nftaqZ.-+@_/ ', '"'  # what closes soonest, between the parts of a document and within a text
PLAIN = "aqZ"  # where these may follow, a text is being written
COMBINED = ("allOf", "anyOf", "oneOf", "$ref")
_known: "WeakKeyDictionary[Any, _Known]" = WeakKeyDictionary()


def checked(constrain: Any) -> dict[str, Any]:
    """What an answer is held to, ``{"json_schema": {...}}`` or ``{"regex": "..."}``; BadInput says what is wrong with it."""
    kind = next(iter(constrain)) if isinstance(constrain, Mapping) and len(constrain) == 1 else None
    if kind not in KINDS:
        raise BadInput(f'constrain takes {{"json_schema": {{...}}}} or {{"regex": "..."}}, not {constrain!r}.')
    value: Any = constrain[kind]
    if kind == "regex":
        if not isinstance(value, str) or not value:
            raise BadInput(f"constrain: a regex is a text that is not empty, not {value!r}.")
        if problem := patterns.examine(value):
            raise BadInput(f"constrain: its pattern {value!r} cannot be used: {problem}.")
        return {kind: value}
    if not isinstance(value, Mapping):
        raise BadInput(f"constrain: a JSON schema is an object, not {value!r}.")
    if problem := schemas.examine(dict(value)) or _unfollowed(value):
        raise BadInput(f"constrain: {problem}.")
    return {kind: value}


def _unfollowed(schema: Mapping[str, Any]) -> str:
    """Why no answer can be held to a schema, whatever the model; "" where it can."""
    from llguidance import LLMatcher

    text = LLMatcher.grammar_from_json_schema(json.dumps(_closed(schema)), overrides=COMPACT)
    said = LLMatcher.validate_grammar(text).strip().splitlines()
    return f"an answer cannot be held to this schema while it is written ({said[0]}); take that out of it" if said else ""


class _Words:
    """A tokenizer as llguidance knows it, and its tokens of one sign."""

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        from llguidance import LLTokenizer

        if not getattr(tokenizer, "is_fast", False):
            raise BadInput("An answer can be held to a grammar only where the model has a fast tokenizer (tokenizer.json).")
        backend = json.loads(tokenizer.backend_tokenizer.to_str())
        backend |= {"padding": None, "truncation": None}
        size = max(vocabulary, len(tokenizer))
        end = tokenizer.eos_token_id if isinstance(tokenizer.eos_token_id, int) else size - 1
        self.end = end
        self.size = size
        self.guide = LLTokenizer(json.dumps(backend), n_vocab=size, eos_token=end)
        told = {self.guide.decode_bytes([i]): i for i in reversed(range(vocabulary)) if not self.guide.is_special_token(i)}
        signs = {sign: told[sign.encode()] for sign in map(chr, range(32, 127)) if sign.encode() in told}
        self.inside = [signs[sign] for sign in INSIDE if sign in signs]
        self.outside = [signs[sign] for sign in dict.fromkeys(OUTSIDE + "".join(signs)) if sign in signs]
        self.plain = [signs[sign] for sign in PLAIN if sign in signs]


class _Known:
    """What was made for one tokenizer: it lives as long as that does."""

    def __init__(self) -> None:
        self.words: dict[int, _Words] = {}
        self.grammars: dict[tuple[str, int], Grammar] = {}


class Grammar:
    """What answers of one tokenizer are held to. Made once; each answer begins a Constraint of its own."""

    def __init__(self, constrain: Mapping[str, Any], words: _Words) -> None:
        (self.kind, self._value), self.words = next(iter(checked(constrain).items())), words
        self._bounded: dict[int, Any] = {}
        self._open = self._compiled(self._grammar())

    @classmethod
    def of(cls, constrain: Mapping[str, Any], tokenizer: Any, vocabulary: int) -> "Grammar":
        """The grammar for a tokenizer and a model that scores ``vocabulary`` tokens, the same object where it was asked before.

        BadInput for a schema or pattern that cannot be followed.
        """
        known = _known.setdefault(tokenizer, _Known())
        key = (json.dumps(constrain, sort_keys=True, default=str), vocabulary)
        if key not in known.grammars:
            words = known.words.get(vocabulary) or _Words(tokenizer, vocabulary)
            made = cls(constrain, words)
            known.words[vocabulary] = words
            while len(known.grammars) >= MOST_KEPT:
                del known.grammars[next(iter(known.grammars))]
            known.grammars[key] = made
        return known.grammars[key]

    def begin(self, room: int, ends: frozenset[int] = frozenset()) -> "Constraint":
        """The constraint of one answer of at most ``room`` tokens, the one of ``ends`` included. BadInput where none fits."""
        made = Constraint(self._open, self.words, room, ends)
        if made.fitting:
            return made
        if room not in self._bounded:
            while len(self._bounded) >= MOST_KEPT:
                del self._bounded[next(iter(self._bounded))]
            self._bounded[room] = self._compiled(self._grammar(room))
        tighter = Constraint(self._bounded[room], self.words, room, ends)
        if not tighter.fitting:
            what = "document that the schema allows" if self.kind == "json_schema" else "text that the pattern allows"
            raise BadInput(
                f"No {what} was found that fits into {room} tokens. Let the answer have more tokens, or ask for less in it."
            )
        return tighter

    def _grammar(self, room: int | None = None) -> str:
        """The grammar in llguidance's words; with a ``room``, texts under a pattern are kept short enough to end in it."""
        from llguidance import LLMatcher, regex_to_lark

        if self.kind == "json_schema":
            schema = _closed(self._value)
            text = json.dumps(schema if room is None else _shortened(schema))
            return LLMatcher.grammar_from_json_schema(text, overrides=COMPACT)
        pattern = re.sub(r"^\^|(?<!\\)\$$", "", self._value)
        if room is None:
            return LLMatcher.grammar_from_regex(pattern)
        return f"start: TEXT\nTEXT: /{regex_to_lark(pattern, '')}/ & /(?s:.){{0,{max(room - 1, 1)}}}/\n"

    def _compiled(self, grammar: str) -> Any:
        from llguidance import LLMatcher

        made = LLMatcher(self.words.guide, grammar, log_level=0)
        if made.is_error():
            what, first = "schema" if self.kind == "json_schema" else "pattern", made.get_error().strip().splitlines()
            raise BadInput(
                f"An answer cannot be held to this {what} while it is written: {first[0] if first else 'it is too large'}. "
                "Say the same more simply, or check the answers afterwards instead."
            )
        return made


class Constraint:
    """How far one answer is in its grammar. ``ended`` once a token that ends it was taken, or nothing more can follow."""

    def __init__(self, start: Any, words: _Words, room: int, ends: frozenset[int]) -> None:
        self._start, self._words, self._room = start, words, room
        self._ends = sorted(ends)
        self.said: list[int] = []
        self._at = start.deep_copy()
        self._way = self._closing(self._at, room)
        self._next: tuple[int, Any, list[int]] | None = None  # a token that was looked at: the state after it, and its way
        self.ended = False

    @property
    def fitting(self) -> bool:
        """Whether there is a way to close within the room."""
        return self._way is not None

    def masked(self, scores: Any) -> Any:
        """The scores of one row with what may not come next at minus infinity. Scores that are not numbers stay as they are."""
        import torch

        if torch.isnan(scores).any():
            return scores
        allowed = torch.from_numpy(self._allowed(self._at)[: scores.shape[-1]]).to(scores.device)
        if allowed.shape[-1] < scores.shape[-1]:
            allowed = torch.nn.functional.pad(allowed, (0, scores.shape[-1] - allowed.shape[-1]))
        lowest = torch.finfo(scores.dtype).min / 4
        return scores.clamp(min=lowest).masked_fill(~allowed, float("-inf"))

    def fits(self, token: int) -> bool:
        """Whether after a token that ``masked`` allows there is room enough left to close."""
        left = self._room - len(self.said) - 1
        if token in self._ends:
            self._next = (token, self._at, [])
            return True
        after = self._at.deep_copy()
        if not after.consume_token(token):
            self._broken(after)
        if self._way and self._way[0] == token:
            way: list[int] | None = self._way[1:]
        else:
            way = self._closing(after, left)
        if way is None:
            return False
        self._next = (token, after, way)
        return True

    @property
    def closing(self) -> int:
        """The token with which the answer goes the way to its end."""
        assert self._way, "an answer that has ended goes on nowhere"
        return self._way[0]

    def take(self, token: int) -> None:
        """Go on to the state after a token."""
        if (self._next is None or self._next[0] != token) and not self.fits(token):
            raise BadInput(f"Token {token} leaves no room to end the answer in {self._room} tokens.")
        assert self._next is not None
        _, self._at, self._way = self._next
        self._next = None
        self.said.append(token)
        self.ended = token in self._ends or (not self._ends and bool(self._at.is_stopped()))

    def follow(self, said: Sequence[int]) -> None:
        """Be where an answer is that has said these tokens: one that is tried again, or goes on in another batch."""
        if list(said[: len(self.said)]) != self.said:
            self.said, self._at, self._next, self.ended = [], self._start.deep_copy(), None, False
            self._way = self._closing(self._at, self._room)
        for token in said[len(self.said) :]:
            self.take(token)

    def _allowed(self, state: Any) -> Any:
        """Which tokens may come next, as booleans over the vocabulary."""
        import numpy

        if state.is_stopped():
            if state.is_error():
                self._broken(state)
            allowed = numpy.zeros(self._words.size, dtype=bool)
        else:
            bits = numpy.frombuffer(state.compute_bitmask(), dtype=numpy.uint8)
            allowed = numpy.unpackbits(bits, bitorder="little")[: self._words.size].astype(bool)
            if state.is_error():
                self._broken(state)
        allowed[[self._words.end, *self._ends]] = False
        if self._ends and state.is_accepting():
            allowed[self._ends] = True
        return allowed

    def _closing(self, state: Any, left: int) -> list[int] | None:
        """Tokens that lead from a state to the end, at most ``left`` of them; None where they were not found."""
        way: list[int] = []
        state = state.deep_copy()
        while len(way) < left + (not self._ends):
            if state.is_accepting():
                return [*way, *self._ends[:1]]
            forced = state.compute_ff_tokens() or self._shortest(state)
            if not forced or not state.consume_tokens(forced):
                return None
            way += forced
        return None

    def _shortest(self, state: Any) -> list[int]:
        """The token that closes soonest where several may come next; none where nothing may."""
        bits, words = state.compute_bitmask(), self._words

        def may(token: int) -> bool:
            return bool(bits[token >> 3] >> (token & 7) & 1) and token not in self._ends

        within = all(map(may, words.inside)) and any(map(may, words.plain))
        found = next(filter(may, words.inside if within else words.outside), None)
        if found is None:
            allowed = self._allowed(state)
            return [int(allowed.argmax())] if allowed.any() else []
        return [found]

    def _broken(self, state: Any) -> None:
        first = (state.get_error() or "no reason is given").strip().splitlines()[0]
        raise BadInput(f"The answer could not be held to its grammar any further ({first}). Simplify the schema or pattern.")


def choose_within(
    logits: Any, samplings: Sequence[Sampling], draws: Sequence[Any], constraints: Sequence[Constraint | None]
) -> list[int | None]:
    """One token for each row as ``choose`` gives it, within what the row is held to, where it is held to anything."""
    held = [(i, constraint) for i, constraint in enumerate(constraints) if constraint is not None]
    if not held:
        return choose(logits, samplings, draws)
    logits = logits.float().clone()
    for i, constraint in held:
        logits[i] = constraint.masked(logits[i])
    tokens = choose(logits, samplings, draws)
    for i, constraint in held:
        for _ in range(TRIES):
            token = tokens[i]
            if token is None or constraint.fits(token):
                break
            logits[i, token] = float("-inf")
            tokens[i] = choose(logits[i : i + 1], [samplings[i]], [draws[i]])[0]
        else:
            tokens[i] = constraint.closing
    return tokens


def _closed(schema: Any) -> Any:
    """The schema with objects that name their properties closed to others, where it does not say otherwise: a model could invent
    them without end. One whose parts are put together of others stays as it is, since they would shut each other out."""
    nodes = _nodes(schema)
    if any("allOf" in node or ("properties" in node and any(name in node for name in COMBINED)) for node in nodes):
        return schema
    return _changed(
        schema, lambda node: {"additionalProperties": False, **node} if isinstance(node.get("properties"), Mapping) else node
    )


def _shortened(schema: Any) -> Any:
    """The schema with strings under a pattern or format at most a little longer than they must be."""

    def short(node: dict[str, Any]) -> dict[str, Any]:
        if "maxLength" in node or not ("pattern" in node or "format" in node):
            return node
        least = max(int(node.get("minLength", 0)), _fewest(str(node.get("pattern", ""))))
        return {**node, "maxLength": least + LONGER}

    return _changed(schema, short)


def _fewest(pattern: str) -> int:
    """The fewest characters that a pattern takes, as far as Python's own reading of it tells."""
    try:
        return re._parser.parse(pattern).getwidth()[0]  # type: ignore[attr-defined]
    except re.error:
        return 0


def _changed(schema: Any, change: Any) -> Any:
    """The schema with every object schema in it put through ``change``."""
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, Mapping):
            made[key] = {name: _changed(inner, change) for name, inner in value.items()}
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            made[key] = [_changed(inner, change) for inner in value]
        elif key in ("items", "additionalProperties"):
            made[key] = _changed(value, change)
        else:
            made[key] = value
    return change(made)


def _nodes(schema: Any) -> list[Mapping[str, Any]]:
    """Every object schema in a schema, itself included."""
    found: list[Mapping[str, Any]] = []

    def seen(node: dict[str, Any]) -> dict[str, Any]:
        found.append(node)
        return node

    _changed(schema, seen)
    return found
