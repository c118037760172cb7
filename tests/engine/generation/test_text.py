"""Text that grows token by token."""

from typing import Any

import pytest

from engine.generation.text import Text
from engine.methods import loading
from engine.samples import tokenizer as samples
from tests.engine.generation.small_models import SENTENCES


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokenizer")
    samples.train(SENTENCES, folder, vocabulary=270)
    return loading.load_tokenizer(folder)


def spell(tokenizer: Any, text: str, *stop: str) -> tuple[Text, list[str]]:
    """What was shown after each token of ``text``."""
    growing, shown = Text(tokenizer, stop), []
    for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
        growing.push(token)
        shown.append(growing.shown)
    return growing, shown


@pytest.mark.parametrize("text", [*SENTENCES, "naïve 東京 🙂🙃 end", " leads with a space", "𝔘𝔫𝔦"])
def test_text_only_grows_and_ends_as_what_was_said(tokenizer: Any, text: str) -> None:
    growing, shown = spell(tokenizer, text)
    assert growing.finish() == text
    assert all(text.startswith(part) for part in shown)
    assert all("\ufffd" not in part for part in shown)


def test_half_a_character_is_shown_only_at_the_end(tokenizer: Any) -> None:
    growing = Text(tokenizer, ())
    for token in tokenizer("ok 東", add_special_tokens=False)["input_ids"][:-1]:
        growing.push(token)
    assert growing.shown == "ok "
    assert growing.finish().startswith("ok ") and len(growing.shown) > 3


def test_a_stop_string_ends_the_text_before_it_even_across_tokens(tokenizer: Any) -> None:
    growing, shown = spell(tokenizer, "one two three four", " three")
    assert growing.stopped and growing.finish() == "one two"
    assert all("one two".startswith(part) for part in shown)


def test_the_beginning_of_a_stop_string_is_shown_once_it_is_something_else(tokenizer: Any) -> None:
    growing, _ = spell(tokenizer, "one two thread", " three", "zzz")
    assert not growing.stopped and growing.finish() == "one two thread"


def test_the_first_of_several_stop_strings_counts(tokenizer: Any) -> None:
    growing, _ = spell(tokenizer, "a b c d", "d", "c", "b c")
    assert growing.finish() == "a "


def test_special_tokens_are_not_shown(tokenizer: Any) -> None:
    growing = Text(tokenizer, ())
    for token in tokenizer("<|im_start|>hello<|im_end|>", add_special_tokens=False)["input_ids"]:
        growing.push(token)
    assert growing.finish() == "hello"
