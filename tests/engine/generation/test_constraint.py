"""Answers held to a grammar: random models of several families, random logits, batches, failures, and the running host."""

import json
import random
from typing import Any

import pytest

from engine.errors import BadInput
from engine.evaluation import patterns, schemas
from engine.generation import batch as batches
from engine.generation import constraint as constraints
from engine.generation.answers import Address, Sampling
from engine.generation.constraint import Constraint, Grammar, checked, choose_within
from engine.generation.decoding import Batch, Row
from engine.generation.sampling import generator
from engine.generation.weights import Voice, Weights
from engine.methods import loading
from tests.engine.generation.asking import client, complete
from tests.engine.generation.small_models import QUESTION, World
from tests.engine.generation.test_batch import QUESTIONS, make

POCKET = "assets/pocket"
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "kind": {"enum": ["person", "place"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["name", "age", "kind", "tags"],
}
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["value", "kids"],
        }
    },
    "$ref": "#/$defs/node",
}
MAILS = {
    "type": "array", "minItems": 1,
    "items": {"type": "object", "properties": {"at": {"type": "string", "pattern": "^.*@.*\\.com$"}, "n": {"type": "number"}}, "required": ["at", "n"]},
}  # fmt: skip
DATED = {
    "type": "object",
    "properties": {"on": {"type": "string", "format": "date"}, "to": {"type": "string", "format": "email"}},
    "required": ["on"],
}
SCHEMAS = {"person": PERSON, "any object": {"type": "object"}, "anything": {}, "tree": TREE, "mails": MAILS, "dated": DATED}
ENDS = frozenset({0, 2})


@pytest.fixture(scope="module")
def pocket() -> Any:
    return loading.load_tokenizer(POCKET)


@pytest.fixture(scope="module")
def tokenizer(world: World) -> Any:
    return loading.load_tokenizer(world.model("base").path)


def said_by_chance(held: Constraint, seed: int, temperature: float, vocabulary: int, room: int) -> list[int]:
    """Tokens by logits that mean nothing."""
    import torch

    source, draw = torch.Generator().manual_seed(seed), generator(seed)
    while not held.ended and len(held.said) < room:
        logits = torch.randn(1, vocabulary, generator=source) * 3
        token = choose_within(logits, [Sampling(temperature=temperature)], [draw], [held])[0]
        assert token is not None
        held.take(token)
    return held.said


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("room", [64, 128])
def test_whatever_the_logits_a_document_is_whole_and_valid_within_its_room(name: str, room: int, pocket: Any) -> None:
    grammar = Grammar.of({"json_schema": SCHEMAS[name]}, pocket, 1024)
    for seed in range(12):
        held = grammar.begin(room, ENDS)
        ids = said_by_chance(held, seed, float(seed % 2), 1024, room)
        assert held.ended and ids[-1] in ENDS and len(ids) <= room
        assert schemas.is_valid(SCHEMAS[name], json.loads(pocket.decode(ids[:-1])))


@pytest.mark.parametrize("pattern", [r"[A-Z]{3}-\d{4}", r"(.|\n)*", r"\w+@\w+\.com", "(a|b)*c", "[а-я]+", "^yes|no$", "a/b{2,}"])
def test_whatever_the_logits_a_text_matches_its_pattern_within_its_room(pattern: str, pocket: Any) -> None:
    grammar = Grammar.of({"regex": pattern}, pocket, 1024)
    for seed in range(10):
        held = grammar.begin(32, ENDS)
        ids = said_by_chance(held, seed, float(seed % 2), 1024, 32)
        assert held.ended and patterns.matches(pattern.removeprefix("^").removesuffix("$"), pocket.decode(ids[:-1]))


def test_an_end_is_allowed_exactly_where_the_document_may_end(pocket: Any) -> None:
    import torch

    held = Grammar.of({"json_schema": {"type": "integer"}}, pocket, 1024).begin(20, ENDS)
    plain = torch.zeros(1024)

    def ends() -> list[bool]:
        return [bool(torch.isfinite(held.masked(plain)[end])) for end in sorted(ENDS)]

    assert ends() == [False, False]
    for sign, may in (("-", False), ("4", True), ("2", True)):
        held.take(pocket.convert_tokens_to_ids(sign))
        assert ends() == [may, may]
    assert not torch.isfinite(held.masked(plain)[1])  # the beginning of a turn is no text
    held.take(2)
    assert held.ended


def test_what_cannot_fit_is_refused_before_the_first_token(pocket: Any) -> None:
    grammar = Grammar.of({"json_schema": PERSON}, pocket, 1024)
    with pytest.raises(BadInput, match="fits into 9 tokens"):
        grammar.begin(9, ENDS)
    endless = {
        "$defs": {"a": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]}},
        "$ref": "#/$defs/a",
    }
    with pytest.raises(BadInput):
        Grammar.of({"json_schema": endless}, pocket, 1024).begin(64, ENDS)


@pytest.mark.parametrize(
    ("constrain", "said"),
    [
        ({"json_schema": {"type": "array", "uniqueItems": True}}, "uniqueItems"),
        ({"json_schema": {"type": "foo"}}, "not a JSON Schema"),
        ({"json_schema": {"$ref": "http://elsewhere/schema"}}, "Only references to a part"),
        ({"json_schema": True}, "is an object"),
        ({"regex": "(?=a)b"}, "look-around"),
        ({"regex": ""}, "not empty"),
        ({"grammar": "x"}, "constrain takes"),
        ({}, "constrain takes"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_words(constrain: dict[str, Any], said: str, pocket: Any) -> None:
    with pytest.raises(BadInput, match=said):
        Grammar.of(constrain, pocket, 1024)


@pytest.mark.parametrize("schema", [{"not": {}}, {"type": "array", "uniqueItems": True}])
def test_a_schema_that_no_answer_can_be_held_to_is_refused_before_any_model_is_asked(schema: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="cannot be held to this schema"):
        checked({"json_schema": schema})


def test_a_grammar_is_made_once_for_a_tokenizer(pocket: Any, tokenizer: Any) -> None:
    first = Grammar.of({"json_schema": PERSON}, pocket, 1024)
    assert Grammar.of({"json_schema": dict(PERSON)}, pocket, 1024) is first
    assert Grammar.of({"json_schema": PERSON}, tokenizer, 400) is not first


def test_parts_that_shut_each_other_out_are_not_closed() -> None:
    both = {"allOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {"type": "integer"}}}]}
    assert constraints._closed(both) == both
    assert constraints._closed({"properties": {"a": {"properties": {}}}}) == {
        "additionalProperties": False,
        "properties": {"a": {"properties": {}, "additionalProperties": False}},
    }
    said = {"properties": {}, "additionalProperties": {"type": "string"}}
    assert constraints._closed(said) == said


def test_scores_that_are_no_numbers_stay_so(pocket: Any) -> None:
    import torch

    held = Grammar.of({"regex": "a+"}, pocket, 1024).begin(8, ENDS)
    assert choose_within(torch.full((1, 1024), float("nan")), [Sampling()], [generator(0)], [held]) == [None]


@pytest.mark.parametrize("family", ["Qwen3", "Llama", "Gemma3Text"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_random_models_of_several_families_say_valid_json_in_a_batch(family: str, temperature: float, tokenizer: Any) -> None:
    model = make(family)
    model.generation_config.eos_token_id = [2]
    grammar = Grammar.of({"json_schema": PERSON}, tokenizer, 400)
    prompts = [batches.encode(tokenizer, question) for question in QUESTIONS]
    every = [grammar if place % 3 else None for place in range(len(prompts))]
    sampling = Sampling(max_tokens=90, temperature=temperature, seed=5)
    done = batches.complete(model, tokenizer, prompts, sampling, constraints=every)
    free = batches.complete(model, tokenizer, prompts, sampling)
    for place, (answer, other) in enumerate(zip(done, free, strict=True)):
        if place % 3:
            assert answer.ended and schemas.is_valid(PERSON, json.loads(answer.text))
        else:
            assert answer.ids == other.ids  # its neighbours are held, and it does not notice
    assert done[1].text != done[2].text or temperature == 0


def test_a_prompt_that_leaves_no_room_is_named(tokenizer: Any) -> None:
    grammar = Grammar.of({"json_schema": PERSON}, tokenizer, 400)
    prompts = [batches.encode(tokenizer, QUESTION)] * 2
    with pytest.raises(BadInput, match="Prompt 2: No document"):
        batches.complete(make("Llama"), tokenizer, prompts, Sampling(max_tokens=5), constraints=[None, grammar])


def held_row(weights: Weights, name: str, tokenizer: Any, seed: int) -> Row:
    ends = batches.end_tokens(weights.model, tokenizer)
    held = Grammar.of({"json_schema": PERSON}, tokenizer, weights.vocabulary).begin(80, ends)
    return Row(batches.encode(tokenizer, QUESTION), name, Sampling(seed=seed, temperature=0.8), constraint=held)


def run(weights: Weights, row: Row, fails_at: frozenset[int] = frozenset()) -> list[int]:
    """The row's tokens to its end; a batch that has said as many as ``fails_at`` is lost, after its token was chosen."""
    batch, steps = Batch(weights, [row]), 0
    while not (row.held() and row.constraint and row.constraint.ended):
        if steps in fails_at:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(batch, "_append", lambda tokens: (_ for _ in ()).throw(RuntimeError("lost")))
                with pytest.raises(RuntimeError, match="lost"):
                    while True:
                        batch.step()
            batch, row.draw = Batch(weights, [row]), row.draw
        batch.step()
        steps += 1
    return row.ids[row.read :]


def test_a_row_that_is_tried_again_goes_on_in_its_document(world: World) -> None:
    weights = Weights(Voice.find(world.home, "base"))
    attached = weights.attach(Voice.find(world.home, "base"))
    row = held_row(weights, attached.name, attached.tokenizer, 3)
    said = run(weights, row, frozenset({1, 4, 9}))
    assert schemas.is_valid(PERSON, json.loads(attached.tokenizer.decode(said[:-1])))


def test_a_state_is_built_anew_from_what_was_said(pocket: Any) -> None:
    grammar = Grammar.of({"json_schema": PERSON}, pocket, 1024)
    held = grammar.begin(70, ENDS)
    ids = list(said_by_chance(held, 1, 1.0, 1024, 70))
    for length in random.Random(0).sample(range(len(ids)), 10):
        held.follow(ids[:length])
        assert held.said == ids[:length] and not held.ended
        fresh = grammar.begin(70, ENDS)
        fresh.follow(ids[:length])
        assert fresh.fits(ids[length]) and held.fits(ids[length])


FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}


@pytest.mark.parametrize("model", ["base", "left", "endless"])
def test_the_host_answers_in_the_format_that_a_request_asks_for(model: str, address: Address) -> None:
    reply = complete(address, model, response_format=FORMAT, max_tokens=90).json()
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert schemas.is_valid(PERSON, json.loads(reply["choices"][0]["message"]["content"]))
    said = complete(address, model, response_format={"type": "json_object"}, max_tokens=40, temperature=1, seed=2).json()
    assert isinstance(json.loads(said["choices"][0]["message"]["content"]), dict)


def test_a_stream_in_a_format_says_the_same_and_leaves_a_free_answer_as_it_was(address: Address) -> None:
    free = complete(address, "base").json()["choices"][0]["message"]["content"]
    whole = complete(address, "base", response_format=FORMAT, max_tokens=90).json()["choices"][0]["message"]["content"]
    lines: list[str] = []
    body = {"model": "base", "messages": QUESTION, "temperature": 0, "max_tokens": 90, "stream": True, "response_format": FORMAT}
    with client(address) as asking, asking.stream("POST", "/v1/chat/completions", json=body) as reply:
        lines = [line.removeprefix("data: ") for line in reply.iter_lines() if line.startswith("data: {")]
    assert "".join(json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines) == whole
    assert complete(address, "base", response_format={"type": "text"}).json()["choices"][0]["message"]["content"] == free


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"response_format": {"type": "xml"}}, "response_format takes"),
        ({"response_format": "json"}, "response_format takes"),
        ({"response_format": {"type": "json_schema"}}, "is an object"),
        ({"response_format": FORMAT, "tools": [{"type": "function", "function": {"name": "f"}}]}, "exclude each other"),
        ({"response_format": FORMAT, "max_tokens": 6}, "fits into 6 tokens"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}}, "cannot be held"),
    ],
)
def test_the_host_refuses_a_format_that_it_cannot_keep(asked: dict[str, Any], said: str, address: Address) -> None:
    reply = complete(address, "base", **asked)
    assert reply.status_code == 400 and said in reply.json()["error"]["message"]
