"""Calls of tools over HTTP: what a model says in its template's way is a call as OpenAI's clients read it."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.generation import batch, completions
from engine.generation.answers import Address, Answer, Prompt, Sampling
from engine.generation.decoding import Row
from engine.generation.tickets import Growing
from engine.methods import loading
from engine.samples import pocket as lab
from engine.samples import tokenizer as samples
from engine.tools.table import TOOLS
from tests.engine.generation.asking import complete
from tests.engine.generation.small_models import SENTENCES, World

ALL = [tool.specification for tool in TOOLS.values()]
ASKED = {"model": "pocket", "messages": [{"role": "user", "content": "What is 47 * 86?"}], "tools": ALL}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return loading.load_tokenizer(lab.POCKET)


def completed(tokenizer: Any, text: str, **more: Any) -> tuple[completions.Completion, Answer]:
    """A completion whose answer has ended with this text."""
    asked = completions.Request.checked({**ASKED, **more})
    read = batch.encode(tokenizer, asked.prompt.messages, list(asked.prompt.tools) or None)
    said = tokenizer(text + "<|im_end|>", add_special_tokens=False)["input_ids"]
    answer = Answer("pocket", text=text, status="done", finish="stop", prompt_tokens=len(read), tokens=len(said))
    ticket = Growing(answer, Prompt(asked.prompt.messages, asked.prompt.tools))
    ticket.row, ticket.tokenizer = Row(read + said, "__base__", Sampling()), tokenizer
    return completions.Completion(asked, ticket), answer


def test_a_call_is_told_as_one_with_its_arguments_as_json(tokenizer: Any) -> None:
    completion, answer = completed(tokenizer, 'call calculator {"sum": "47 * 86"}')
    choice = completion.whole(answer)["choices"][0]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "calculator") and call["id"].startswith("call_")
    assert json.loads(call["function"]["arguments"]) == {"sum": "47 * 86"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_cannot_write_calls_says_so_before_it_speaks(world: World, address: Address, stream: bool) -> None:
    folder = Path(world.adapter("toolless", 77).path)
    samples.train(SENTENCES * 3, folder, vocabulary=400)
    (folder / "chat_template.jinja").write_text("{% for turn in messages %}{{ turn['content'] }}\n{% endfor %}")
    reply = complete(address, "toolless", tools=ALL, stream=stream)
    assert reply.status_code == 400 and "cannot write calls of tools" in reply.json()["error"]["message"]
    assert complete(address, "toolless").status_code == 200


def test_the_chat_template_hears_the_settings_that_come_with_a_request(world: World, address: Address) -> None:
    folder = Path(world.adapter("moody", 78).path)
    samples.train(SENTENCES * 3, folder, vocabulary=400)
    (folder / "chat_template.jinja").write_text("{{ 'Mara keeps a bakery. ' * (times or 1) }}{{ messages[-1]['content'] }}")
    counts = [
        complete(address, "moody", **more).json()["usage"]["prompt_tokens"]
        for more in ({}, {"chat_template_kwargs": {"times": 3}})
    ]
    assert counts[1] > counts[0] + 10
    for name in ("tokenize", "messages"):
        refused = complete(address, "moody", chat_template_kwargs={name: True})
        assert refused.status_code == 400 and f"{name} cannot be set" in refused.json()["error"]["message"]
    assert complete(address, "moody", chat_template_kwargs=["x"]).status_code == 400


def test_a_stream_tells_the_call_at_its_end_and_none_of_its_text_before(tokenizer: Any) -> None:
    completion, answer = completed(tokenizer, 'call calculator {"sum": "47 * 86"}', stream=True)
    pieces = [completion.piece(answer, "", first=True), completion.piece(answer, "call calc"), completion.piece(answer, None)]
    told = [json.loads(piece.removeprefix("data: "))["choices"][0] for piece in pieces]
    assert told[0]["delta"] == {"role": "assistant", "content": ""} and told[1]["delta"] == {}
    assert told[2]["finish_reason"] == "tool_calls" and told[2]["delta"]["tool_calls"][0]["function"]["name"] == "calculator"


def test_words_are_words_where_tools_are_offered_and_where_they_are_not(tokenizer: Any) -> None:
    for text, more in (("It is 4042.", {}), ('call calculator {"sum": "1"}', {"tools": []}), ("call calculator {", {})):
        completion, answer = completed(tokenizer, text, **more)
        choice = completion.whole(answer)["choices"][0]
        assert (choice["finish_reason"], choice["message"]) == ("stop", {"role": "assistant", "content": text})


@pytest.mark.parametrize("more", [{}, {"parameters": {}}, {"description": "Does a.", "parameters": None}])
def test_a_tool_may_leave_its_description_and_its_parameters_out(tokenizer: Any, more: dict[str, Any]) -> None:
    asked = completions.Request.checked({**ASKED, "tools": [{"type": "function", "function": {"name": "do_a", **more}}]})
    assert "do_a" in tokenizer.decode(batch.encode(tokenizer, asked.prompt.messages, list(asked.prompt.tools)))


def test_what_a_tool_gave_is_read_by_the_next_turn(tokenizer: Any) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "calculator", "arguments": '{"sum": "47 * 86"}'}}
    later = [
        *ASKED["messages"], {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "name": "calculator", "content": "4042"},
    ]  # fmt: skip
    asked = completions.Request.checked({**ASKED, "messages": later})
    read = tokenizer.decode(batch.encode(tokenizer, asked.prompt.messages, list(asked.prompt.tools)))
    assert 'call calculator {"sum": "47 * 86"}' in read and "4042" in read
