"""Requests and answers in the words of OpenAI's plain completions: texts or tokens that are gone on with, and their scores."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import BadInput
from engine.generation.answers import Answer, Prompt, Sampling
from engine.generation.completions import event, usage
from engine.generation.decoding import Score
from engine.generation.tickets import Ticket

USUAL = 16  # tokens of an answer, as OpenAI's
MOST_PROMPTS, MOST_LIKELIEST = 256, 20
# what would change the answer and is not done here: refused rather than passed over, unless it asks for nothing
REFUSED: dict[str, tuple[Any, ...]] = {
    "n": (1,), "best_of": (1,), "suffix": ("",), "logit_bias": ({},), "frequency_penalty": (0,), "presence_penalty": (0,),
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A completion that was asked for. With ``nothing`` only what is read is scored, and nothing is said."""

    model: str
    prompts: list[Prompt]
    sampling: Sampling
    stream: bool
    nothing: bool

    @classmethod
    def checked(cls, body: Mapping[str, Any]) -> "Request":
        """The request in ``body``; BadInput names what cannot be done."""
        for name, nothing in REFUSED.items():
            if body.get(name) is not None and body[name] not in nothing:
                raise BadInput(f"{name} is not supported here. Leave it out.")
        if not isinstance(body.get("model"), str):
            raise BadInput("model takes the name of a model. GET /v1/models lists them.")
        scores, echo = body.get("logprobs"), bool(body.get("echo"))
        if isinstance(scores, bool) or not isinstance(scores, int | None) or not 0 <= (scores or 0) <= MOST_LIKELIEST:
            raise BadInput(f"logprobs takes a whole number from 0 to {MOST_LIKELIEST}, not {scores!r}.")
        given = {"temperature": 1.0, "max_tokens": USUAL, **{name: value for name, value in body.items() if value is not None}}
        nothing = echo and given["max_tokens"] == 0
        sampling = Sampling.checked({**given, "max_tokens": 1 if nothing else given["max_tokens"]})
        if body.get("seed") is None:
            sampling = replace(sampling, seed=secrets.randbits(31))
        prompts = [replace(prompt, scores=scores, echo=echo and scores is not None) for prompt in _prompts(body.get("prompt"))]
        if body.get("stream") and (len(prompts) > 1 or echo):
            raise BadInput("A stream goes on with one prompt, and does not repeat it. Ask without stream.")
        return cls(body["model"], prompts, sampling, bool(body.get("stream")), nothing)


def _prompts(given: Any) -> list[Prompt]:
    """One prompt or several, each a text or tokens."""
    each = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    if len(each) > MOST_PROMPTS:
        raise BadInput(f"A request takes at most {MOST_PROMPTS} prompts, not {len(each)}.")
    return [_prompt(one) for one in each]


def _prompt(given: Any) -> Prompt:
    if isinstance(given, str) and given:
        return Prompt(text=given)
    if isinstance(given, list) and given and all(isinstance(i, int) and not isinstance(i, bool) and i >= 0 for i in given):
        return Prompt(ids=given)
    raise BadInput("prompt takes a text, a list of tokens, or a list of either, none of them empty.")


class Completion:
    """The completion of each prompt under one id, whole or, of a single one, in pieces."""

    def __init__(self, request: Request, tickets: Sequence[Ticket]) -> None:
        self._request = request
        self._tickets = tickets
        self._id = f"cmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())

    def whole(self) -> dict[str, Any]:
        """The finished answers."""
        counts = [usage(ticket.answer) for ticket in self._tickets]
        total = {name: sum(each[name] for each in counts) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
        choices = [self._choice(i, ticket) for i, ticket in enumerate(self._tickets)]
        return {**self._head(self._tickets[0].answer), "choices": choices, "usage": total}

    def _choice(self, index: int, ticket: Ticket) -> dict[str, Any]:
        row, answer, prompt = ticket.row, ticket.answer, ticket.prompt
        assert row is not None
        said, scores = "" if self._request.nothing else answer.text, row.scores
        if self._request.nothing and prompt.echo:
            scores = scores[:-1]
        read = ticket.tokenizer.decode(row.ids[: answer.prompt_tokens]) if prompt.echo else ""
        told = _scores(ticket.tokenizer, scores, row.ids[0] if prompt.echo else None) if prompt.scores is not None else None
        return {"index": index, "text": read + said, "finish_reason": answer.finish, "logprobs": told}

    def piece(self, answer: Answer, text: str | None, first: bool = False) -> str:
        """One line of a stream: more text, or (``text`` None) the reason of the end."""
        reason = (answer.finish or "stop") if text is None else None
        choice = {"index": 0, "text": text or "", "finish_reason": reason, "logprobs": None}
        return event({**self._head(answer), "choices": [choice]})

    def ending(self, answer: Answer) -> str:
        """The last lines of a stream."""
        return event({**self._head(answer), "choices": [], "usage": usage(answer)}) + "data: [DONE]\n\n"

    def _head(self, answer: Answer) -> dict[str, Any]:
        return {
            "id": self._id, "object": "text_completion", "created": self._created, "model": answer.model,
            "system_fingerprint": answer.fingerprint,
        }  # fmt: skip


def _scores(tokenizer: Any, scores: Sequence[Score], first: int | None) -> dict[str, Any]:
    """Scores as OpenAI's plain completions tell them; a ``first`` token that was read has none."""
    tokens = ([first] if first is not None else []) + [score.token for score in scores]
    texts, offsets, at = tokenizer.batch_decode([[token] for token in tokens]), [], 0
    for text in texts:
        offsets.append(at)
        at += len(text)
    unscored: list[None] = [None] if first is not None else []
    likeliest = [_likeliest(tokenizer, score) for score in scores]
    return {
        "tokens": texts, "token_logprobs": [*unscored, *(score.logprob for score in scores)],
        "top_logprobs": [*unscored, *likeliest], "text_offset": offsets,
    }  # fmt: skip


def _likeliest(tokenizer: Any, score: Score) -> dict[str, float]:
    """The likeliest tokens, and the one that stands there, by their text; of several with the same text the likeliest one's."""
    each = sorted({(score.token, score.logprob), *score.likeliest}, key=lambda told: told[1])
    return {tokenizer.decode([token]): value for token, value in each}
