"""Scores of tokens, plain completions and turns that go on, over HTTP, against the plainest computation there is."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from engine.generation import batch as batches
from engine.generation import completions
from engine.generation.answers import Address, Answer, Sampling
from engine.generation.decoding import Row, Score
from engine.generation.tickets import Growing
from engine.methods import loading
from tests.engine.generation.asking import client, complete, text_of
from tests.engine.generation.small_models import QUESTION, World
from tests.engine.generation.test_decoding import plainly, prepare

TEXT = "Mara keeps a bakery beside the old bridge in Tell."


def post(address: Address, **body: Any) -> Any:
    with client(address) as asking:
        return asking.post("/v1/completions", json={"temperature": 0, **body})


def test_each_token_said_has_its_score_and_the_likeliest_beside_it(world: World, address: Address) -> None:
    tokenizer = loading.load_tokenizer(world.model("base").path)
    prompt = batches.encode(tokenizer, QUESTION)
    for name in ("base", "left"):
        body = complete(address, name, logprobs=True, top_logprobs=3, temperature=0.7, seed=5, max_tokens=8).json()
        told = body["choices"][0]["logprobs"]["content"]
        assert len(told) == body["usage"]["completion_tokens"]
        ids = list(prompt)
        for each in told:
            expected = plainly(world, name, ids)[-1]
            best = expected.topk(3)
            assert [top["logprob"] for top in each["top_logprobs"]] == pytest.approx(best.values.tolist(), abs=1e-4)
            assert [top["token"] for top in each["top_logprobs"]] == [tokenizer.decode([i]) for i in best.indices.tolist()]
            token = next(i for i in range(len(expected)) if math.isclose(float(expected[i]), each["logprob"], abs_tol=1e-5))
            assert tokenizer.decode([token]) == each["token"] and bytes(each["bytes"]).decode() == each["token"]
            ids.append(token)


@pytest.mark.parametrize("cut", [False, True])
def test_a_stream_tells_the_scores_of_a_whole_answer(address: Address, cut: bool) -> None:
    stop = {"stop": text_of(address, "left")[4:7]} if cut else {}
    whole = complete(address, "left", logprobs=True, **stop).json()["choices"][0]["logprobs"]["content"]
    streamed = complete(address, "left", logprobs=True, stream=True, **stop).text
    pieces = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    told = [
        score for piece in pieces for choice in piece["choices"] if choice["logprobs"] for score in choice["logprobs"]["content"]
    ]
    assert [score["token"] for score in told] == [score["token"] for score in whole]
    assert [score["logprob"] for score in told] == pytest.approx([score["logprob"] for score in whole], abs=1e-4)
    assert complete(address, "left").json()["choices"][0]["logprobs"] is None


def test_what_is_read_is_scored_as_evaluation_suites_ask_for_it(world: World, address: Address) -> None:
    tokenizer = loading.load_tokenizer(world.model("base").path)
    texts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (TEXT, TEXT * 3, "A b")]
    for name in ("base", "right"):
        body = post(address, model=name, prompt=texts, max_tokens=1, logprobs=2, echo=True, seed=1).json()
        assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
        for ids, choice in zip(texts, body["choices"], strict=True):
            told, expected = choice["logprobs"], plainly(world, name, ids)
            wanted = [float(expected[i, token]) for i, token in enumerate(ids[1:])]
            assert told["token_logprobs"][0] is None and told["top_logprobs"][0] is None
            assert told["token_logprobs"][1 : len(ids)] == pytest.approx(wanted, abs=1e-4)
            assert len(told["tokens"]) == len(ids) + 1 and choice["text"].startswith(tokenizer.decode(ids))
            assert told["token_logprobs"][-1] == pytest.approx(float(expected[-1].max()), abs=1e-4)
            for i, best in enumerate(told["top_logprobs"][1 : len(ids)]):
                assert max(best.values()) == pytest.approx(float(expected[i].max()), abs=1e-4)
        nothing = post(address, model=name, prompt=TEXT, max_tokens=0, logprobs=1, echo=True).json()["choices"][0]
        read = tokenizer(TEXT)["input_ids"]
        assert len(nothing["logprobs"]["token_logprobs"]) == len(read) and nothing["text"] == tokenizer.decode(read)


def test_a_long_prompt_that_is_read_in_parts_is_scored_the_same(
    world: World, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.generation import decoding
    from engine.generation.answers import Sampling

    weights, (left,) = prepare(world, "left")
    tokenizer = loading.load_tokenizer(world.model("base").path)
    rows = [decoding.Row(tokenizer(text)["input_ids"], left, Sampling(), 1, True) for text in (TEXT * 4, TEXT)]
    asked = [list(row.ids) for row in rows]
    monkeypatch.setattr(decoding, "SCORED", 20)
    batch = decoding.Batch(weights, rows)
    while batch.step() is None:
        continue
    for ids, row in zip(asked, rows, strict=True):
        expected = plainly(world, "left", ids)
        assert [score.token for score in row.scores[:-1]] == ids[1:]
        assert [s.logprob for s in row.scores[:-1]] == pytest.approx(
            [float(expected[i, t]) for i, t in enumerate(ids[1:])], abs=1e-4
        )


def test_a_text_is_gone_on_with_as_it_is_and_in_pieces(address: Address) -> None:
    whole = post(address, model="base", prompt=TEXT, max_tokens=10).json()
    assert whole["object"] == "text_completion" and whole["choices"][0]["text"]
    assert whole["usage"]["completion_tokens"] <= 10
    streamed = post(address, model="base", prompt=TEXT, max_tokens=10, stream=True).text
    pieces = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    assert "".join(choice["text"] for piece in pieces for choice in piece["choices"]) == whole["choices"][0]["text"]
    assert streamed.endswith("data: [DONE]\n\n")
    assert all(piece["choices"] and piece["system_fingerprint"] for piece in pieces), "tokens are told to who asks for them"


def test_a_text_gone_on_with_in_pieces_has_the_scores_of_the_whole_and_tells_its_tokens(address: Address) -> None:
    asked = {"model": "base", "prompt": TEXT, "max_tokens": 10, "temperature": 0, "logprobs": 2}
    whole = post(address, **asked).json()
    streamed = post(address, **asked, stream=True, stream_options={"include_usage": True}).text
    pieces = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    told = [choice["logprobs"] for piece in pieces for choice in piece["choices"] if choice["logprobs"]]
    for name, values in whole["choices"][0]["logprobs"].items():
        assert [value for each in told for value in each[name]] == values, name
    assert pieces[-1]["usage"] | {"prompt_tokens_details": None} == whole["usage"] | {"prompt_tokens_details": None}


def test_a_stream_that_cannot_begin_has_a_status_of_its_own(address: Address) -> None:
    refused = post(address, model="base", prompt=[10**9], stream=True)
    assert refused.status_code == 400 and "knows" in refused.json()["error"]["message"]


def test_what_is_only_read_says_no_token(address: Address) -> None:
    read = post(address, model="base", prompt=TEXT, max_tokens=0, echo=True, logprobs=0).json()
    assert read["usage"]["completion_tokens"] == 0 and read["choices"][0]["text"] == TEXT
    assert read["usage"]["total_tokens"] == read["usage"]["prompt_tokens"] == len(read["choices"][0]["logprobs"]["tokens"])


@pytest.mark.parametrize(
    ("body", "said"),
    [({"prompt": TEXT, "stream": "false"}, "stream takes true or false, not 'false'"), ({"prompt": TEXT, "top_k": 1}, "top_k"),
     ({"prompt": TEXT, "echo": 1}, "echo"), ({"prompt": TEXT, "response_format": {"type": "json_object"}}, "response_format"),
     ({"prompt": ""}, "none of them empty"), ({"prompt": []}, "none of them empty"), ({"prompt": [[]]}, "none of them empty"),
     ({"prompt": [1, "x"]}, "none of them empty"), ({"prompt": [-1]}, "none of them empty"), ({"prompt": TEXT, "logprobs": 99}, "logprobs"),
     ({"prompt": TEXT, "best_of": 3}, "best_of"), ({"prompt": [TEXT, TEXT], "stream": True}, "one prompt"), ({"prompt": [10**9]}, "knows"),
     ({"prompt": TEXT, "max_tokens": 0}, "max_tokens")],
)  # fmt: skip
def test_a_completion_that_cannot_be_is_told_so(address: Address, body: dict[str, Any], said: str) -> None:
    refused = post(address, model="base", **body)
    assert refused.status_code == 400 and said in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("more", "said"),
    [({"top_logprobs": 21}, "top_logprobs"), ({"top_logprobs": 2}, "takes logprobs as well"), ({"logprobs": 1}, "true or false"),
     ({"guided_json": {}}, "guided_json"), ({"function_call": {"name": "f"}}, "function_call"),
     ({"tools": [{"type": "function", "function": {"name": "f", "parameters": 3}}]}, "parameters of the tool f"),
     ({"tools": [{"x": 1}]}, "tools takes"), ({"tools": "x"}, "tools takes"),
     ({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"}, "cannot be forced")],
)  # fmt: skip
def test_scores_and_tools_that_cannot_be_are_told_so(address: Address, more: dict[str, Any], said: str) -> None:
    refused = complete(address, "base", **more)
    assert refused.status_code == 400 and said in refused.json()["error"]["message"]


def test_the_next_turn_of_a_conversation_tells_how_much_it_did_not_read_again(world: World, address: Address) -> None:
    tokenizer = loading.load_tokenizer(world.model("base").path)
    turns = [{"role": "user", "content": TEXT + " Where?"}]
    before: list[int] = []
    for number in range(4):
        body = complete(address, "left", messages=turns, max_tokens=6).json()
        used, prompt = body["usage"], batches.encode(tokenizer, turns)
        cached = used["prompt_tokens_details"]["cached_tokens"]
        assert used["prompt_tokens"] == len(prompt)
        if number:
            assert cached >= len(before), "what was read in the turn before is not read again"
        before = prompt
        turns += [
            {"role": "assistant", "content": body["choices"][0]["message"]["content"]},
            {"role": "user", "content": f"And {number}?"},
        ]


def test_a_token_that_there_is_not_is_told_so(world: World, address: Address) -> None:
    reply = post(address, model="left", prompt=[5, 10**9], max_tokens=2)
    assert (
        reply.status_code == 400
        and reply.json()["error"]["message"] == "There is no token 1000000000: left knows 400, from 0 on."
    )


def test_an_echo_tells_the_prompt_also_where_no_scores_are_asked_for(address: Address) -> None:
    plain = post(address, model="base", prompt=TEXT, max_tokens=6).json()["choices"][0]["text"]
    echoed = post(address, model="base", prompt=TEXT, max_tokens=6, echo=True).json()["choices"][0]["text"]
    assert echoed == TEXT + plain
    assert post(address, model="base", prompt=TEXT, max_tokens=0, echo=True).json()["choices"][0]["text"] == TEXT


def test_a_piece_never_tells_more_scores_than_its_answer_has_tokens() -> None:
    asked = completions.Request.checked({"model": "base", "messages": QUESTION, "logprobs": True, "stream": True})
    ticket = Growing(Answer("base", tokens=1, text="a"), asked.prompt)
    ticket.row, ticket.tokenizer = Row([1, 2, 3], "base", Sampling()), Spelt()
    ticket.row.scores = [Score(2, -1.0, ()), Score(3, -2.0, ())]  # of the second the answer does not know yet
    completion = completions.Completion(asked, ticket)
    answers = [(ticket.answer, "a"), (replace(ticket.answer, tokens=2, text="ab"), "b"), (replace(ticket.answer, tokens=2), None)]
    told = [json.loads(completion.piece(answer, text)[6:])["choices"][0]["logprobs"] for answer, text in answers]
    assert [[score["logprob"] for score in each["content"]] for each in told[:2]] == [[-1.0], [-2.0]] and told[2] is None


class Spelt:
    """A tokenizer that spells a token by its number."""

    def decode(self, ids: list[int]) -> str:
        return "".join(map(str, ids))
