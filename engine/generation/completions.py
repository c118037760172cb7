"""Requests and answers in the words of OpenAI's chat completions, for clients that know these."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import BadInput
from engine.generation.answers import Answer, Sampling, checked_messages
from engine.generation.problems import Problem

# what would change the answer and is not done here: refused rather than passed over, unless it asks for nothing
REFUSED: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "tools": ([],),
    "functions": ([],),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
}


@dataclass(frozen=True)
class Request:
    """A chat completion that was asked for."""

    model: str
    messages: list[dict[str, str]]
    sampling: Sampling
    stream: bool
    usage: bool  # whether a stream ends with how many tokens it took

    @classmethod
    def checked(cls, body: Mapping[str, Any]) -> "Request":
        """The request in ``body``; BadInput names what cannot be done. Temperature and seed default as OpenAI's do."""
        for name, nothing in REFUSED.items():
            if body.get(name) is not None and body[name] not in nothing:
                raise BadInput(f"{name} is not supported here. Leave it out.")
        if not isinstance(body.get("model"), str):
            raise BadInput("model takes the name of a model. GET /v1/models lists them.")
        given = {"temperature": 1.0, **{name: value for name, value in body.items() if value is not None}}
        given["max_tokens"] = given.get("max_completion_tokens", given.get("max_tokens"))
        sampling = Sampling.checked(given)
        if body.get("seed") is None:
            sampling = replace(sampling, seed=secrets.randbits(31))
        options = body.get("stream_options") or {}
        stream, usage = bool(body.get("stream")), bool(options.get("include_usage"))
        return cls(body["model"], checked_messages(body.get("messages")), sampling, stream, usage)


class Completion:
    """One completion under its id, whole or in pieces."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The finished answer."""
        message = {"role": "assistant", "content": answer.text}
        choice = {"index": 0, "message": message, "finish_reason": answer.finish, "logprobs": None}
        return {**self._head(answer, "chat.completion"), "choices": [choice], "usage": _usage(answer)}

    def piece(self, answer: Answer, text: str | None, first: bool = False) -> str:
        """One line of a stream: the role, more text, or (``text`` None) the reason of the end."""
        delta: dict[str, str] = {"role": "assistant"} if first else {}
        if text is not None:
            delta["content"] = text
        reason = (answer.finish or "stop") if text is None else None
        body = self._head(answer, "chat.completion.chunk")
        return event({**body, "choices": [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]})

    def ending(self, answer: Answer) -> str:
        """The last lines of a stream: the tokens it took where that was asked for, and the mark of the end."""
        used = {**self._head(answer, "chat.completion.chunk"), "choices": [], "usage": _usage(answer)}
        return (event(used) if self._request.usage else "") + "data: [DONE]\n\n"

    def _head(self, answer: Answer, kind: str) -> dict[str, Any]:
        spoke = {
            "base": answer.base,
            "adapter": answer.adapter,
            "fingerprint": answer.fingerprint,
            "dtype": answer.dtype,
            "seed": answer.sampling.seed,
        }
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": answer.model,
            "system_fingerprint": answer.fingerprint,
            "temper": spoke,
        }


def event(body: Mapping[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def error(problem: Problem) -> dict[str, Any]:
    """A problem as OpenAI's clients read it."""
    kind = "invalid_request_error" if problem.status < 500 else "server_error"
    return {"error": {"message": problem.message, "type": kind, "code": problem.code, "param": None}}


def _usage(answer: Answer) -> dict[str, Any]:
    read, said = answer.prompt_tokens, answer.tokens
    return {
        "prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens or 0},
    }  # fmt: skip
