"""Many prompts to several models at once: asked once, written down when they end, and told from each other."""

import time
from dataclasses import replace

import pytest

from engine.errors import BadInput, NotFound
from engine.generation import ask, prompt_sets
from engine.generation.answers import Address, Sampling
from engine.generation.prompt_sets import PromptSet
from engine.generation.turns import Side
from tests.engine.generation.asking import text_of
from tests.engine.generation.small_models import QUESTION, World

SIDES = [Side("base"), Side("left", "Be brief.")]
SHORT = Sampling(max_tokens=5)


def prompts(count: int) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": f"What is {i} plus {i}?"}] for i in range(count)]


def ended(world: World, made: PromptSet) -> PromptSet:
    prompt_sets.send(world.home, made.id)
    end = time.monotonic() + 120
    while not (seen := prompt_sets.look(world.home, made.id)).ended:
        assert time.monotonic() < end
        time.sleep(0.05)
    return seen


def test_every_side_answers_every_prompt_as_it_would_by_itself(world: World, address: Address) -> None:
    seen = ended(world, prompt_sets.begin(world.home, SIDES, prompts(40), SHORT, "Sums"))
    assert seen.done == 80 and {answer.status for answer in seen.answers} == {"done"}
    assert prompt_sets.read(world.home, seen.id) == seen == prompt_sets.recent(world.home)[0]
    for place in (0, 17, 39):
        for side, answer in zip(SIDES, seen.row(place), strict=True):
            alone = ask.answers(world.home, [side.model], seen.messages(place, side), max_tokens=5)[0]
            assert (answer.text, answer.fingerprint) == (alone.text, alone.fingerprint)
    assert seen.messages(3, SIDES[1])[0] == {"role": "system", "content": "Be brief."}
    prompt_sets.delete(world.home, seen.id)
    with pytest.raises(NotFound):
        prompt_sets.read(world.home, seen.id)


def test_what_is_asked_twice_is_asked_once_and_who_asks_little_goes_first(world: World, address: Address) -> None:
    many = Sampling(max_tokens=90_000)
    made = prompt_sets.begin(world.home, [Side("endless")], prompts(60), many, "Endless", "set-1")
    assert prompt_sets.begin(world.home, [Side("endless")], prompts(60), many, "Endless", "set-1").id == made.id
    first = prompt_sets.send(world.home, made.id)
    assert prompt_sets.send(world.home, made.id).answer_set == first.answer_set
    time.sleep(1)
    assert text_of(address, "endless", max_tokens=4), "a chat is answered though the set fills the rows that it may"
    prompt_sets.stop(world.home, made.id)
    assert {answer.status for answer in ended(world, made).answers} == {"stopped"}


def test_answers_in_the_same_words_do_not_differ(world: World, address: Address) -> None:
    same = ended(world, prompt_sets.begin(world.home, [Side("base"), Side("base", seed=4)], [QUESTION], SHORT, "Same"))
    assert not same.differs(0)
    other = replace(same, answers=(same.answers[0], replace(same.answers[1], text="Other.")))
    assert other.differs(0)


@pytest.mark.parametrize(
    ("sides", "asked", "said"),
    [
        ([], [QUESTION], "1 to 4 different sides"),
        ([Side("base")] * 2, [QUESTION], "1 to 4 different sides"),
        ([Side("base")], [], "1 to 500 prompts"),
        ([Side("base")], [QUESTION] * 501, "1 to 500 prompts"),
        ([Side("base")], [QUESTION, [{"role": "user", "content": ""}]], "Prompt 2 has 0 characters"),
    ],
)
def test_sets_that_cannot_be_asked_are_refused(
    world: World, sides: list[Side], asked: list[list[dict[str, str]]], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        prompt_sets.begin(world.home, sides, asked, SHORT, "x")
