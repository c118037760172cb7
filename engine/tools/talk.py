"""Answers in which the model may call tools: it speaks, its calls are run, it is told what they gave, and speaks again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.data import tokens
from engine.errors import BadInput
from engine.generation import batch
from engine.generation.answers import Sampling
from engine.tools.table import Tool, ToolFailed, offered, runnable

ROUNDS = 4  # of calls in one answer
_CALL = {"type": "function", "function": {"name": "tool", "arguments": {}}}
_DUMMY = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "", "tool_calls": [_CALL]}]


@dataclass
class Talk:
    """One answer with its calls. ``chosen[i]`` says whether the model chose ``ids[i]`` or was told it by a tool."""

    text: str = ""  # what it said last
    ids: list[int] = field(default_factory=list)
    chosen: list[bool] = field(default_factory=list)
    ended: bool = False  # with an answer, not with a call or in the middle
    turns: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    failures: int = 0

    @property
    def tokens(self) -> int:
        """How many the model chose."""
        return sum(self.chosen)

    @property
    def transcript(self) -> str:
        """The whole answer for people to read, each call on a line with what it gave on the next."""
        return "\n".join(line for turn in self.turns for line in _lines(turn))


def _lines(turn: Mapping[str, Any]) -> Iterator[str]:
    if turn["role"] == "tool":
        yield f"← {turn['content']}"
        return
    if turn["content"].strip():
        yield turn["content"].strip()
    for call in turn.get("tool_calls", ()):
        function = call["function"]
        given = function["arguments"]
        yield f"→ {function['name']}({', '.join(map(str, given.values())) if isinstance(given, Mapping) else given})"


class Speech:
    """How the model of a tokenizer calls tools and is answered. BadInput where its chat template has no way to."""

    def __init__(self, tokenizer: Any) -> None:
        from trl.chat_template_utils import add_response_schema, supports_tool_calling

        self.tokenizer = tokenizer
        if not supports_tool_calling(tokenizer):
            raise BadInput("The model's chat template cannot write calls of tools. Choose a model that was made for them.")
        if not getattr(tokenizer, "response_template", None) and not getattr(tokenizer, "response_schema", None):
            try:
                add_response_schema(tokenizer)
            except ValueError:
                raise BadInput(
                    "How the model writes calls of tools is not known: its tokenizer has no response_template, and its chat "
                    "template is none of those known to TRL. Add a response_template to its tokenizer_config.json."
                ) from None
        self.stop = tokens.stop_text(tokenizer)

    def message(self, ids: list[int], before: list[int], tools: Sequence[Any]) -> dict[str, Any]:
        """What the model said, as a turn: its text, and its calls where they can be read."""
        from trl.chat_template_utils import parse_response

        return parse_response(self.tokenizer, ids, prefix=before, tools=list(tools))

    def told(self, results: Sequence[Mapping[str, Any]]) -> list[int]:
        """The tokens that follow an ended turn: what the tools gave, up to where the model speaks again."""
        called = [dict(_CALL, function={"name": results[0]["name"], "arguments": {}})]
        begun = [_DUMMY[0], dict(_DUMMY[1], tool_calls=called)]
        before = self._render(begun, False)
        before = before[: before.rindex(self.stop) + len(self.stop)]
        after = self._render([*begun, *results], True)
        if not after.startswith(before):
            raise BadInput(
                "The model's chat template rewrites a call of a tool once it is answered, so it cannot be gone on with."
            )
        return self.tokenizer(after[len(before) :], add_special_tokens=False)["input_ids"]

    def _render(self, turns: Sequence[Any], prompt: bool) -> str:
        return self.tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=prompt)


def complete(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[list[int]],
    rows: Sequence[Mapping[str, Any]],
    sampling: Sampling,
    *,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    called: Callable[[int], str] = lambda place: f"Prompt {place + 1}",
) -> list[Talk]:
    """An answer to each prompt of tokens, in their order, with the ``tools`` of its row at hand.

    Where no row has tools that can be run here, this is ``batch.complete``.
    An answer has at most ``sampling.max_tokens`` tokens together with what its tools told it, and ROUNDS calls one after another;
    what would not fit is not told, and the answer ends with its call.
    """
    if not any(runnable(row.get("tools")) for row in rows):
        said = batch.complete(model, tokenizer, prompts, sampling, progress=progress, stop=stop, called=called)
        return [Talk(c.text, c.ids, [True] * len(c.ids), c.ended, [_plain(c)]) for c in said]
    speech, tools = Speech(tokenizer), [offered(row.get("tools")) if runnable(row.get("tools")) else {} for row in rows]
    talks, live = [Talk() for _ in prompts], list(range(len(prompts)))
    longest = batch.context(model)
    for turn in range(ROUNDS + 1):
        # of all that go on, the one with the least room decides how long each may get; what is too long is cut below
        asked = [prompts[i] + talks[i].ids for i in live]
        room = max(sampling.max_tokens - len(talks[i].ids) for i in live)
        drawn = replace(sampling, max_tokens=room, seed=sampling.seed + turn * 1_000_003)
        said = batch.complete(
            model, tokenizer, asked, drawn, progress=None if turn else progress, stop=stop,
            called=lambda k, live=live: called(live[k]),
        )  # fmt: skip
        going = []
        for i, before, spoken in zip(live, asked, said, strict=True):
            limit = min(sampling.max_tokens, (longest or sampling.max_tokens + len(prompts[i])) - len(prompts[i]))
            if _goes_on(talks[i], speech, spoken, before, rows[i], tools[i], limit, last=turn == ROUNDS):
                going.append(i)
        live = going
        if not live:
            break
    return talks


def _plain(said: batch.Completion) -> dict[str, Any]:
    return {"role": "assistant", "content": said.text}


def _goes_on(
    talk: Talk,
    speech: Speech,
    said: batch.Completion,
    before: list[int],
    row: Mapping[str, Any],
    tools: Mapping[str, Tool],
    limit: int,
    last: bool,
) -> bool:
    """Add to ``talk`` what the model said; where it called tools, run them and tell it, and say whether it speaks again."""
    room = limit - len(talk.ids)
    ids, whole = said.ids[:room], said.ended and len(said.ids) <= room
    talk.ids += ids
    talk.chosen += [True] * len(ids)
    if not tools:
        talk.text, talk.ended, talk.turns = said.text, said.ended, [_plain(said)]
        return False
    message = speech.message(ids, before, [tool.specification for tool in tools.values()])
    talk.turns.append(message)
    calls = message.get("tool_calls") or []
    talk.text, talk.ended = str(message.get("content") or "").strip("\n"), whole and not calls
    if not calls or not whole:
        return False
    results = [_result(talk, call, row, tools) for call in calls]
    told = speech.told(results)
    if last or len(told) >= limit - len(talk.ids):
        return False
    talk.turns += results
    talk.ids += told
    talk.chosen += [False] * len(told)
    return True


def _result(talk: Talk, call: Mapping[str, Any], row: Mapping[str, Any], tools: Mapping[str, Tool]) -> dict[str, Any]:
    """What a call gave, as a turn; what went wrong is told to the model too."""
    function = call.get("function", call)
    name = str(function.get("name", ""))
    talk.calls += 1
    try:
        tool = tools.get(name)
        if tool is None:
            raise ToolFailed(f"there is no tool {name}, only {', '.join(tools)}")
        content = tool.call(function.get("arguments") or {}, row)
    except ToolFailed as problem:
        talk.failures += 1
        content = f"Error: {problem}"
    return {"role": "tool", "name": name, "content": content}
