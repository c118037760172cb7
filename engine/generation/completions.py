"""Requests and answers in the words of OpenAI's chat completions, for clients that know these."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.errors import BadInput
from engine.generation import constraint
from engine.generation.answers import Answer, Prompt, Sampling, checked_messages
from engine.generation.decoding import Score
from engine.generation.problems import Problem
from engine.generation.tickets import Growing

# what would change the answer and is not done here: refused rather than passed over, unless it asks for nothing
REFUSED: dict[str, tuple[Any, ...]] = {
    "n": (1,), "logit_bias": ({},), "frequency_penalty": (0,), "presence_penalty": (0,), "repetition_penalty": (1,),
    "top_k": (0, -1), "min_p": (0,), "min_tokens": (0,), "ignore_eos": (False,), "stop_token_ids": ([],),
    "guided_json": (), "guided_regex": (), "guided_choice": (), "guided_grammar": (), "use_beam_search": (False,),
    "include_stop_str_in_output": (False,), "prompt_logprobs": (), "truncate_prompt_tokens": (),
}  # fmt: skip
NO_CHAT: dict[str, tuple[Any, ...]] = {
    "functions": ([],),
    "function_call": ("none", "auto"),
    "modalities": (["text"],),
    "audio": (),
    "chat_template": (),
    "documents": ([],),
    "add_generation_prompt": (True,),
    "continue_final_message": (False,),
    "reasoning_effort": (),
}
MOST_LIKELIEST = 20  # tokens told beside each


@dataclass(frozen=True)
class Request:
    """A chat completion that was asked for."""

    model: str
    prompt: Prompt
    sampling: Sampling
    stream: bool
    usage: bool  # whether a stream ends with how many tokens it took

    @classmethod
    def checked(cls, body: Mapping[str, Any]) -> "Request":
        """The request in ``body``; BadInput names what cannot be done. Temperature and seed default as OpenAI's do."""
        refuse(body, REFUSED | NO_CHAT)
        if not isinstance(body.get("model"), str):
            raise BadInput("model takes the name of a model. GET /v1/models lists them.")
        given = {"temperature": 1.0, **{name: value for name, value in body.items() if value is not None}}
        given["max_tokens"] = given.get("max_completion_tokens", given.get("max_tokens"))
        sampling = Sampling.checked(given)
        if body.get("seed") is None:
            sampling = replace(sampling, seed=secrets.randbits(31))
        stream, usage = streaming(body)
        prompt = Prompt(
            checked_messages(body.get("messages")), _tools(body), scores=_alternatives(body), constrain=_format(body), settings=_settings(body)
        )  # fmt: skip
        return cls(body["model"], prompt, sampling, stream, usage)


def refuse(body: Mapping[str, Any], settings: Mapping[str, tuple[Any, ...]]) -> None:
    """BadInput for one of these that is set, unless to a value that asks for nothing."""
    for name, nothing in settings.items():
        if body.get(name) is not None and body[name] not in nothing:
            raise BadInput(f"{name} is not supported here. Leave it out.")


def flag(body: Mapping[str, Any], name: str) -> bool:
    """Whether this is asked for. BadInput for what is neither true nor false."""
    given = body.get(name)
    if not isinstance(given, bool | None):
        raise BadInput(f"{name} takes true or false, not {given!r}.")
    return bool(given)


def streaming(body: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether a stream is asked for, and whether it ends with how many tokens it took."""
    options = body.get("stream_options") or {}
    if not isinstance(options, Mapping):
        raise BadInput(f"stream_options takes an object, as in {{'include_usage': true}}, not {options!r}.")
    return flag(body, "stream"), flag(options, "include_usage")


def _tools(body: Mapping[str, Any]) -> list[Any]:
    """The tools that may be called, with what may be left out. BadInput where one is none, or a call is asked for."""
    tools, choice = body.get("tools") or [], body.get("tool_choice") or "auto"
    functions = [t.get("function") for t in tools if isinstance(t, Mapping)] if isinstance(tools, list) else [None]
    named = [isinstance(f, Mapping) and isinstance(f.get("name"), str) and bool(f["name"]) for f in functions]
    if not all(named) or len(functions) < len(tools):
        raise BadInput("tools takes a list of functions, each with a name: {'type': 'function', 'function': {'name': ...}}.")
    if choice not in ("auto", "none"):
        raise BadInput(f"tool_choice takes auto or none, not {choice!r}: a call cannot be forced here.")
    return [_whole_tool(tool) for tool in tools] if choice == "auto" else []


def _whole_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """The tool with an empty description and no parameters where it has none: chat templates ask for both."""
    function = tool["function"]
    given = function.get("parameters") or {}
    if not isinstance(given, Mapping):
        raise BadInput(f"parameters of the tool {function['name']} takes a JSON Schema of an object, not {given!r}.")
    told = {"description": function.get("description") or "", "parameters": {"type": "object", "properties": {}, **given}}
    return {**tool, "function": {**function, **told}}


def _settings(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the chat template is told beside the conversation, such as Qwen3's ``enable_thinking``."""
    given = body.get("chat_template_kwargs") or {}
    if not isinstance(given, Mapping):
        raise BadInput(f"chat_template_kwargs takes an object, as in {{'enable_thinking': false}}, not {given!r}.")
    return given


def _format(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the answer is held to by ``response_format``; None where it is free. BadInput where that cannot be done."""
    asked = body.get("response_format")
    kind = asked.get("type") if isinstance(asked, Mapping) else None
    if asked is None or kind == "text":
        return None
    if kind == "json_object":
        schema: Any = {"type": "object"}
    elif isinstance(asked, Mapping) and kind == "json_schema":
        inner = asked.get("json_schema")
        schema = inner.get("schema") if isinstance(inner, Mapping) else None
    else:
        raise BadInput(f"response_format takes the type text, json_object or json_schema, not {asked!r}.")
    if body.get("tools"):
        raise BadInput("response_format and tools exclude each other here: a call is no document. Leave one of them out.")
    return constraint.checked({"json_schema": schema})


def _alternatives(body: Mapping[str, Any]) -> int | None:
    """How many likeliest tokens are told beside each; None where no scores are asked for."""
    count = body.get("top_logprobs") or 0
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_LIKELIEST:
        raise BadInput(f"top_logprobs takes a whole number from 0 to {MOST_LIKELIEST}, not {count!r}.")
    wanted = flag(body, "logprobs")
    if count and not wanted:
        raise BadInput(f"top_logprobs {count} takes logprobs as well. Set logprobs to true, or leave it out.")
    return count if wanted else None


class Completion:
    """One completion under its id, whole or in pieces."""

    def __init__(self, request: Request, ticket: Growing) -> None:
        self._request = request
        self._ticket = ticket
        self._id = f"chatcmpl-{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._told = 0  # tokens whose scores were sent

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The finished answer."""
        message, reason = self._message(answer)
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": self._scores(answer, 0)}
        return {**self._head(answer, "chat.completion"), "choices": [choice], "usage": usage(answer)}

    def piece(self, answer: Answer, text: str | None, first: bool = False) -> str:
        """One line of a stream: the role, more text, or (``text`` None) the reason of the end. Where tools may be called the text
        comes with the end, when it is known whether it is a call."""
        delta: dict[str, Any] = {"role": "assistant"} if first else {}
        reason, scores = None, None
        if text is None:
            reason, scores = answer.finish or "stop", self._scores(answer, self._told)
            if self._request.prompt.tools:
                message, reason = self._message(answer)
                delta |= {name: value for name, value in message.items() if name != "role"}
        elif not self._request.prompt.tools or first:
            delta["content"] = text
            scores, self._told = self._scores(answer, self._told), answer.tokens
        body = self._head(answer, "chat.completion.chunk")
        return event({**body, "choices": [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": scores}]})

    def _message(self, answer: Answer) -> tuple[dict[str, Any], str | None]:
        """What was said as a turn, with the calls of tools that can be read in it, and why it ended."""
        plain = {"role": "assistant", "content": answer.text}
        row, tools = self._ticket.row, self._request.prompt.tools
        if not tools or row is None:
            return plain, answer.finish
        from engine.tools.talk import Speech

        said = Speech(self._ticket.tokenizer).message(row.ids[answer.prompt_tokens :], row.ids[: answer.prompt_tokens], tools)
        if not said.get("tool_calls"):
            return plain, answer.finish
        calls = [
            {
                "id": f"call_{secrets.token_hex(8)}", "index": i, "type": "function",
                "function": {"name": call["function"]["name"], "arguments": json.dumps(call["function"]["arguments"], ensure_ascii=False)},
            }
            for i, call in enumerate(said["tool_calls"])
        ]  # fmt: skip
        return {"role": "assistant", "content": said.get("content") or None, "tool_calls": calls}, "tool_calls"

    def _scores(self, answer: Answer, begin: int) -> dict[str, Any] | None:
        """The scores of the answer's tokens from ``begin`` on, where they were asked for and there are any. The row may have more
        by now, which the next piece tells."""
        row = self._ticket.row
        if self._request.prompt.scores is None or row is None or begin == answer.tokens > 0:
            return None
        return {"content": [self._score(score) for score in row.scores[begin : answer.tokens]], "refusal": None}

    def _score(self, score: Score) -> dict[str, Any]:
        def told(token: int, logprob: float) -> dict[str, Any]:
            text = self._ticket.tokenizer.decode([token])
            return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

        return {**told(score.token, score.logprob), "top_logprobs": [told(*each) for each in score.likeliest]}

    def ending(self, answer: Answer) -> str:
        """The last lines of a stream: the tokens it took where that was asked for, and the mark of the end."""
        used = {**self._head(answer, "chat.completion.chunk"), "choices": [], "usage": usage(answer)}
        return (event(used) if self._request.usage else "") + "data: [DONE]\n\n"

    def _head(self, answer: Answer, kind: str) -> dict[str, Any]:
        spoke = {
            "base": answer.base,
            "adapter": answer.adapter,
            "fingerprint": answer.fingerprint,
            "dtype": answer.dtype,
            "differs": answer.differs,
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


def usage(answer: Answer) -> dict[str, Any]:
    read, said = answer.prompt_tokens, answer.tokens
    return {
        "prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens or 0},
    }  # fmt: skip
