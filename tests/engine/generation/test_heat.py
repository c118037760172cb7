"""How much likelier each token of an answer is under one model than under another."""

from pathlib import Path

import pytest

from engine.errors import BadInput
from engine.generation import ask
from engine.generation.answers import Address
from engine.generation.likelihood import log_likelihoods
from engine.generation.weights import speaking
from engine.methods import loading
from engine.samples import tokenizer
from tests.engine.generation.small_models import QUESTION, SENTENCES, World

ANSWER = "It leaves at nine. Ünder dem Brückenbogen."


def test_scores_are_those_of_each_model_by_itself_and_their_sum_is_the_implicit_reward(world: World, address: Address) -> None:
    found = ask.heat(world.home, "left", "base", QUESTION, ANSWER)
    assert "".join(found.tokens).startswith(ANSWER), "the pieces are the answer, and then the end of the turn"
    base, adapter = Path(world.model("base").path), Path(world.model("left").path)
    reader = loading.load_tokenizer(base)
    before = reader.apply_chat_template(QUESTION, tokenize=False, add_generation_prompt=True)
    read = reader(before, add_special_tokens=False)["input_ids"]
    said = reader(before + "".join(found.tokens), add_special_tokens=False)["input_ids"][len(read) :]
    for scores, weights in ((found.scores, speaking(base, adapter)), (found.base_scores, speaking(base, None))):
        assert sum(scores) == pytest.approx(log_likelihoods(weights, [read], [said])[0], abs=1e-3)
    assert found.gain == pytest.approx(sum(found.scores) - sum(found.base_scores))
    assert len(found.tokens) == len(found.scores) == len(found.base_scores) == len(said)


def test_a_model_compared_with_itself_gains_nothing(world: World, address: Address) -> None:
    found = ask.heat(world.home, "left", "left", QUESTION, ANSWER, ended=False)
    assert "".join(found.tokens) == ANSWER and found.gain == 0


def test_models_with_other_tokens_and_empty_answers_are_refused(world: World, address: Address) -> None:
    folder = Path(world.adapter("foreign-tongue", 71).path)
    tokenizer.train(SENTENCES, folder, vocabulary=300)
    with pytest.raises(BadInput, match="tokens of different kinds"):
        ask.heat(world.home, "foreign-tongue", "base", QUESTION, ANSWER)
    with pytest.raises(BadInput, match="answer takes a text of 1 to"):
        ask.heat(world.home, "left", "base", QUESTION, "")
    with pytest.raises(Exception, match="tokens and left takes 256"):
        ask.heat(world.home, "left", "base", QUESTION, ANSWER * 40)
