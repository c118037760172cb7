"""How much likelier each token of an answer is under one model than under another that reads the same before it.

Both score the tokens that the first one's template and tokenizer make, as DPO compares a policy with its reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data import tokens
from engine.errors import BadInput
from engine.generation import batch, reading
from engine.generation import fingerprint as prints
from engine.generation.answers import Asked, Heat, Prompt, Sampling
from engine.generation.text import BROKEN
from engine.generation.tickets import Ticket
from engine.generation.weights import Voice, warm
from engine.methods import loading
from storage.home import Home

LONGEST = 100_000  # characters of an answer


@dataclass(frozen=True)
class Request:
    """An answer to messages that ``model`` and ``base`` are to score, with the end of the turn where it ``ended``."""

    model: str
    base: str
    messages: list[Any]
    answer: str
    ended: bool
    template: str

    @classmethod
    def checked(cls, body: Mapping[str, Any]) -> "Request":
        """The request in ``body``; BadInput names what is off."""
        asked = Asked.parse({name: body[name] for name in ("model", "messages", "template") if name in body})
        base, answer = body.get("base"), body.get("answer")
        if not isinstance(base, str):
            raise BadInput("base takes the name of the model to compare with.")
        if not isinstance(answer, str) or not 0 < len(answer) <= LONGEST:
            raise BadInput(f"answer takes a text of 1 to {LONGEST:,} characters.")
        return cls(asked.model, base, list(asked.messages), answer, bool(body.get("ended")), asked.template)


class Reading:
    """The answers of both models to nothing but their scores: made, then spoken, then told."""

    def __init__(self, home: Home, asked: Request) -> None:
        """Make the tokens. BadInput where the two models do not read the text as the same tokens, or there is nothing to score."""
        voices = [Voice.find(home, name) for name in (asked.model, asked.base)]
        warm()
        self._tokenizer, other = (_tokenizer(voice) for voice in voices)
        late = f"The chat template of {asked.model} did not come to an end within {reading.LONGEST:.0f} s."
        template = reading.TEMPLATES.get(asked.template)
        before = reading.within(reading.LONGEST, lambda: batch.rendered(self._tokenizer, asked.messages, template=template), late)
        whole = before + asked.answer + (tokens.stop_text(self._tokenizer) if asked.ended else "")
        ids, read = (self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in (whole, before))
        if ids != other(whole, add_special_tokens=False)["input_ids"]:
            raise BadInput(
                f"{asked.model} and {asked.base} cut texts into tokens of different kinds, so these cannot be compared."
            )
        self._begin = next(
            (i for i, (one, two) in enumerate(zip(ids, read, strict=False)) if one != two), min(len(ids), len(read))
        )
        self._begin = max(self._begin, 1)  # nothing tells how likely the first token of all is
        if self._begin >= len(ids):
            raise BadInput("The answer has no token that could be scored.")
        self._ids = ids
        prompt, nothing = Prompt(ids=ids, scores=0, echo=True), Sampling(max_tokens=1)
        self.tickets = [Ticket(voice, prompt, nothing) for voice in voices]

    def told(self) -> Heat:
        """The scores, once both tickets have ended."""
        scores = []
        for ticket in self.tickets:
            assert ticket.row is not None
            scores.append(tuple(score.logprob for score in ticket.row.scores[self._begin - 1 : len(self._ids) - 1]))
        return Heat(_texts(self._tokenizer, self._ids, self._begin), *scores)


def _texts(tokenizer: Any, ids: list[int], begin: int) -> tuple[str, ...]:
    """The text of each token from ``begin`` on. One that holds a part of a character only has none, and the last part has it all."""
    found: list[str] = []
    known, done = max(0, begin - 1), begin  # a token is decoded after the one before, since some drop a leading space
    for end in range(begin + 1, len(ids) + 1):
        piece = tokenizer.decode(ids[known:end])[len(tokenizer.decode(ids[known:done])) :]
        whole = end == len(ids) or not piece.endswith(BROKEN)
        found.append(piece if whole else "")
        known, done = (done, end) if whole else (known, done)
    return tuple(found)


def _tokenizer(voice: Voice) -> Any:
    return loading.load_tokenizer(prints.tokenizer_folder(Path(voice.base.path), voice.adapter))
