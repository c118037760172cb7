"""Answers with calls of tools, by a model that says what it is told to: what is run, what it hears, which tokens are its own."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from engine.data import tokens
from engine.errors import BadInput
from engine.evaluation import measure
from engine.generation import batch
from engine.generation.answers import Sampling
from engine.methods import loading
from engine.samples import pocket as lab
from engine.tools import talk
from engine.tools.table import TOOLS
from storage import datasets
from storage.home import Home
from tests.engine.methods import small

ALL = [tool.specification for tool in TOOLS.values()]
QUESTION = [{"role": "user", "content": "What is 47 * 86?"}]
END = "<|im_end|>"


def call(argument: Any, name: str = "calculator") -> str:
    return f"call {name} {json.dumps(argument)}{END}"


SUM = call({"sum": "47 * 86"})


class Scripted(nn.Module):
    """Says its lines one after another, whatever it is told in between; rows of a batch have to say lines of one length."""

    def __init__(self, lines: list[list[int]], config: Any, vocabulary: int) -> None:
        super().__init__()
        self.lines, self.config, self.vocabulary = lines, config, vocabulary
        self.generation_config, self.device, self.dtype = None, torch.device("cpu"), torch.float32
        self.heard: list[list[int]] = []
        self.saying: list[list[int]] = []
        self.place = 0

    def forward(self, input_ids: Any, **_: Any) -> Any:
        if input_ids.shape[1] > 1:  # prompts
            self.saying, self.place = self.lines[len(self.heard) :][: len(input_ids)], 0
            self.heard += input_ids.tolist()
        scores = torch.zeros(len(input_ids), 1, self.vocabulary)
        for row, line in enumerate(self.saying):
            scores[row, 0, line[self.place]] = 1.0
        self.place += 1
        return type("Output", (), {"logits": scores})


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return loading.load_tokenizer(lab.POCKET)


@pytest.fixture
def said(tokenizer: Any) -> Callable[..., tuple[talk.Talk, Scripted]]:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(lab.POCKET)

    def say(*lines: str, max_tokens: int = 400, row: dict[str, Any] | None = None) -> tuple[talk.Talk, Scripted]:
        ids = [tokenizer(line, add_special_tokens=False)["input_ids"] for line in lines]
        model = Scripted(ids, config, len(tokenizer))
        row = {"tools": ALL, **(row or {})}
        prompt = batch.encode(tokenizer, QUESTION, row["tools"])
        return talk.complete(model, tokenizer, [prompt], [row], Sampling(max_tokens=max_tokens))[0], model

    return say


def test_a_call_is_run_and_told_and_its_result_is_not_the_models_own(said: Any, tokenizer: Any) -> None:
    answer, model = said(SUM, f"It is 4042.{END}")
    assert (answer.text, answer.ended, answer.calls, answer.failures) == ("It is 4042.", True, 1, 0)
    assert answer.transcript == "→ calculator(47 * 86)\n← 4042\nIt is 4042."
    own = [token for token, chosen in zip(answer.ids, answer.chosen, strict=True) if chosen]
    assert tokenizer.decode(own) == f"{SUM}It is 4042.{END}" and answer.tokens == len(own)
    told = [token for token, chosen in zip(answer.ids, answer.chosen, strict=True) if not chosen]
    assert tokenizer.decode(told) == f"\n<|im_start|>tool\n4042{END}\n<|im_start|>assistant\n"
    turns = [*QUESTION, *answer.turns]
    whole = tokenizer.apply_chat_template(turns, tools=ALL, tokenize=False)
    assert tokenizer.decode(model.heard[0] + answer.ids) + "\n" == whole, "it has to hear what training on the talk would show"


def test_what_goes_wrong_is_told_and_the_model_may_try_again(said: Any) -> None:
    answer, _ = said(call({"sum": "47 ** 86"}), call({}, "abacus"), call({"total": "47"}), SUM, f"4042{END}")
    assert (answer.text, answer.calls, answer.failures, answer.ended) == ("4042", 4, 3, True)
    heard = [turn["content"] for turn in answer.turns if turn["role"] == "tool"]
    assert "is not a sum" in heard[0] and heard[1] == "Error: there is no tool abacus, only calculator, lookup"
    assert heard[2] == "Error: calculator takes sum" and heard[3] == "4042"


def test_a_query_reads_the_rows_own_table(said: Any) -> None:
    row = {"database": "CREATE TABLE stock (item TEXT, price INTEGER); INSERT INTO stock VALUES ('lamps', 12);"}
    answer, _ = said(call({"statement": "SELECT price FROM stock"}, "lookup"), f"12{END}", row=row)
    assert answer.transcript == "→ lookup(SELECT price FROM stock)\n← 12\n12"


def test_calls_without_end_are_stopped(said: Any) -> None:
    answer, model = said(*[SUM] * 9, max_tokens=900)
    assert len(model.heard) == talk.ROUNDS + 1 and not answer.ended and answer.text == ""


def test_what_a_tool_gives_is_not_told_where_no_answer_would_fit(said: Any, tokenizer: Any) -> None:
    room = len(tokenizer(SUM)["input_ids"])
    answer, model = said(SUM, f"4042{END}", max_tokens=room + 3)
    assert len(model.heard) == 1 and len(answer.ids) == room and not answer.ended and all(answer.chosen)
    answer, _ = said(SUM, f"It is 4042, and that is a lot.{END}", max_tokens=room + 20)
    assert len(answer.ids) == room + 20 and not answer.ended and answer.text.startswith("It is")


def test_a_call_that_is_cut_off_or_cannot_be_read_is_an_answer_like_any(said: Any) -> None:
    answer, _ = said("call calculator {47}" + END)
    assert answer.calls == 0 and answer.ended and "{47" in answer.text
    answer, _ = said(SUM, max_tokens=9)
    assert answer.calls == 0 and not answer.ended


def test_rows_without_tools_are_answered_as_ever(said: Any, tokenizer: Any) -> None:
    answer, model = said(SUM, row={"tools": None})
    assert (answer.text + END, answer.ended, answer.calls, len(model.heard)) == (SUM, True, 0, 1)
    prompt, rows = batch.encode(tokenizer, QUESTION), [{"tools": None}, {"tools": ALL}]
    model = Scripted([tokenizer(line)["input_ids"] for line in (SUM, SUM, f"4042{END}")], model.config, len(tokenizer))
    plain, called = talk.complete(model, tokenizer, [prompt, prompt], rows, Sampling(max_tokens=400))
    assert (plain.text + END, plain.calls) == (SUM, 0) and (called.text, called.calls) == ("4042", 1)


def test_training_sees_the_calls_as_the_models_own_and_the_results_as_what_it_reads(tokenizer: Any) -> None:
    calls = [{"type": "function", "function": {"name": "calculator", "arguments": '{"sum": "47 * 86"}'}}]
    turns = [*QUESTION, {"role": "assistant", "content": "", "tool_calls": calls}]
    turns += [{"role": "tool", "name": "calculator", "content": "4042"}, {"role": "assistant", "content": "4042"}]
    row = {"messages": turns, "tools": json.dumps(ALL)}
    encoded = tokens.encode_row(tokenizer, row, "messages")
    learnt = tokenizer.decode([label for label in encoded.labels if label != tokens.IGNORED])
    assert learnt == f"{SUM}4042{END}"
    assert "calculator(sum)" in tokenizer.decode(encoded.input_ids)


def test_a_model_that_cannot_write_calls_is_refused() -> None:
    known = loading.load_tokenizer(lab.POCKET)
    template = known.chat_template
    known.chat_template = loading.STANDARD_TEMPLATE
    with pytest.raises(BadInput, match="cannot write calls of tools"):
        talk.Speech(known)
    known.response_template, known.chat_template = None, template + "{# another #}"
    with pytest.raises(BadInput, match="has no response_template"):
        talk.Speech(known)


def test_measuring_runs_the_tools_and_shows_the_calls(pocket: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = datasets.find(pocket, "pocket-tool-questions-held-out")
    assert dataset is not None

    def answered(model: Any, tokenizer: Any, prompts: Any, rows: Any, sampling: Any, **_: Any) -> list[talk.Talk]:
        talks = []
        for row in rows:
            made = talk.Talk(calls=1, ended=True, text=json.loads(row["check"])["value"])
            made.turns = [{"role": "tool", "name": "lookup", "content": made.text}, {"role": "assistant", "content": made.text}]
            assert [tool["function"]["name"] for tool in row["tools"]] == ["calculator", "lookup"]
            talks.append(made)
        return talks

    monkeypatch.setattr(talk, "complete", answered)
    measured = measure.measure(pocket, "pocket", dataset, limit=5, max_tokens=8, reporter=small.Silent())
    assert measured is not None and measured.subject.score.value == 1.0
    assert all(item.answer.startswith("← ") for item in measured.subject.items)
