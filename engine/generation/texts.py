"""Requests and answers in the words of OpenAI's plain completions: texts or tokens that are gone on with, and their scores."""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import BadInput
from engine.generation.answers import Answer, Prompt, Sampling
from engine.generation.completions import REFUSED, event, flag, refuse, streaming, usage
from engine.generation.decoding import Score
from engine.generation.tickets import Ticket

USUAL = 16  # tokens of an answer, as OpenAI's
MOST_PROMPTS, MOST_LIKELIEST = 256, 20
NO_TEXT: dict[str, tuple[Any, ...]] = {"best_of": (1,), "suffix": ("",), "response_format": ({"type": "text"},), "tools": ([],)}


@dataclass(frozen=True)
class Request:
    """A completion that was asked for. With ``echo`` the prompt is told before it; with ``nothing`` that alone is, and nothing is said."""

    model: str
    prompts: list[Prompt]
    sampling: Sampling
    stream: bool
    usage: bool  # whether a stream ends with how many tokens it took
    echo: bool
    nothing: bool

    @classmethod
    def checked(cls, body: Mapping[str, Any]) -> "Request":
        """The request in ``body``; BadInput names what cannot be done."""
        refuse(body, REFUSED | NO_TEXT)
        if not isinstance(body.get("model"), str):
            raise BadInput("model takes the name of a model. GET /v1/models lists them.")
        scores, echo = body.get("logprobs"), flag(body, "echo")
        if isinstance(scores, bool) or not isinstance(scores, int | None) or not 0 <= (scores or 0) <= MOST_LIKELIEST:
            raise BadInput(f"logprobs takes a whole number from 0 to {MOST_LIKELIEST}, not {scores!r}.")
        given = {"temperature": 1.0, "max_tokens": USUAL, **{name: value for name, value in body.items() if value is not None}}
        nothing = echo and given["max_tokens"] == 0
        sampling = Sampling.checked({**given, "max_tokens": 1 if nothing else given["max_tokens"]})
        if body.get("seed") is None:
            sampling = replace(sampling, seed=secrets.randbits(31))
        prompts = [replace(prompt, scores=scores, echo=echo and scores is not None) for prompt in _prompts(body.get("prompt"))]
        stream, counted = streaming(body)
        if stream and (len(prompts) > 1 or echo):
            raise BadInput("A stream goes on with one prompt, and does not repeat it. Ask without stream.")
        return cls(body["model"], prompts, sampling, stream, counted, echo, nothing)


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
        self._told = self._at = 0  # tokens whose scores were sent, and characters of these

    def whole(self) -> dict[str, Any]:
        """The finished answers."""
        said = (replace(ticket.answer, tokens=0) if self._request.nothing else ticket.answer for ticket in self._tickets)
        total, *others = [usage(answer) for answer in said]
        for each in others:
            for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
                total[name] += each[name]
            total["prompt_tokens_details"]["cached_tokens"] += each["prompt_tokens_details"]["cached_tokens"]
        choices = [self._choice(i, ticket) for i, ticket in enumerate(self._tickets)]
        return {**self._head(self._tickets[0].answer), "choices": choices, "usage": total}

    def _choice(self, index: int, ticket: Ticket) -> dict[str, Any]:
        row, answer, prompt = ticket.row, ticket.answer, ticket.prompt
        assert row is not None
        said, scores = "" if self._request.nothing else answer.text, row.scores
        if self._request.nothing and prompt.echo:
            scores = scores[:-1]
        read, at = "", 0
        if self._request.echo:
            whole = ticket.tokenizer.decode(row.ids[: answer.prompt_tokens])
            read = whole if prompt.text is None else prompt.text
            at = len(read) - len(
                whole
            )  # before the text stand tokens that the tokenizer has added, such as the one that begins it
        told = _scores(ticket.tokenizer, scores, row.ids[0] if prompt.echo else None, at) if prompt.scores is not None else None
        return {"index": index, "text": read + said, "finish_reason": answer.finish, "logprobs": told}

    def piece(self, answer: Answer, text: str | None, first: bool = False) -> str:
        """One line of a stream: more text, or (``text`` None) the reason of the end."""
        reason = (answer.finish or "stop") if text is None else None
        choice = {"index": 0, "text": text or "", "finish_reason": reason, "logprobs": self._new_scores(answer)}
        return event({**self._head(answer), "choices": [choice]})

    def _new_scores(self, answer: Answer) -> dict[str, Any] | None:
        """The scores of the tokens that were said since the last piece, where they are asked for."""
        ticket = self._tickets[0]
        if ticket.prompt.scores is None or ticket.row is None or answer.tokens == self._told:
            return None
        told = _scores(ticket.tokenizer, ticket.row.scores[self._told : answer.tokens], None, self._at)
        self._told, self._at = answer.tokens, self._at + sum(map(len, told["tokens"]))
        return told

    def ending(self, answer: Answer) -> str:
        """The last lines of a stream: the tokens it took where that was asked for, and the mark of the end."""
        used = {**self._head(answer), "choices": [], "usage": usage(answer)}
        return (event(used) if self._request.usage else "") + "data: [DONE]\n\n"

    def _head(self, answer: Answer) -> dict[str, Any]:
        return {
            "id": self._id, "object": "text_completion", "created": self._created, "model": answer.model,
            "system_fingerprint": answer.fingerprint,
        }  # fmt: skip


def _scores(tokenizer: Any, scores: Sequence[Score], first: int | None, at: int = 0) -> dict[str, Any]:
    """Scores as OpenAI's plain completions tell them, from a character on; a ``first`` token that was read has none."""
    tokens = ([first] if first is not None else []) + [score.token for score in scores]
    texts, offsets = tokenizer.batch_decode([[token] for token in tokens]), []
    for text in texts:
        offsets.append(max(at, 0))
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
