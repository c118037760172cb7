"""Which tokens of a conversation carry loss, under templates that hub models bring."""

from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from engine.data import tokens
from engine.errors import WrongShape
from engine.generation import fingerprint, reading
from engine.generation.answers import Prompt
from engine.methods import loading
from engine.samples import pocket

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# thinking stays in the last answer only, as Qwen3's template has it
THINKING = (
    "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}{% set c = m.content %}"
    "{% if m.role == 'assistant' and loop.index0 < ns.last and '</think>' in c %}{% set c = c.split('</think>')[1] %}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' + c + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# the system text stands in the last question, as in Mistral's later templates
MOVING = (
    "{% set ns = namespace(system='', last=-1) %}{% for m in messages %}{% if m.role == 'system' %}{% set ns.system = m.content %}"
    "{% elif m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}"
    "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' }}{% if ns.system and loop.index0 == ns.last %}{{ ns.system + ' ' }}"
    "{% endif %}{{ m.content + '[/INST]' }}{% elif m.role == 'assistant' %}{{ ' ' + m.content + '<|im_end|>' }}{% endif %}{% endfor %}"
)
STOP = "<|im_end|>"


def learnt(template: str, *turns: tuple[str, str], after: int = 0) -> list[str]:
    """The stretches of text that carry loss."""
    tokenizer = AutoTokenizer.from_pretrained(pocket.POCKET)
    tokenizer.chat_template = template
    encoded = tokens.encode_chat(tokenizer, [{"role": r, "content": c} for r, c in turns], STOP, after=after)
    found: list[list[int]] = [[]]
    for token, label in zip(encoded.input_ids, encoded.labels, strict=True):
        if label == tokens.IGNORED:
            found.append([])
        else:
            found[-1].append(token)
    decode: Any = tokenizer.decode
    return [decode(part) for part in found if part]


def test_the_answers_and_their_ends_carry_loss_and_nothing_else() -> None:
    turns = (("system", "Be brief."), ("user", "One?"), ("assistant", "Yes."), ("user", "Two?"), ("assistant", "No."))
    assert learnt(CHATML, *turns) == ["Yes.<|im_end|>", "No.<|im_end|>"]
    assert learnt(CHATML, *turns, after=3) == ["No.<|im_end|>"]


def test_an_answer_that_holds_the_stop_as_text_is_learnt_to_its_own_end() -> None:
    turns = (("user", "Which mark?"), ("assistant", "It is <|im_end|> indeed."), ("user", "Sure?"), ("assistant", "Yes."))
    assert learnt(CHATML, *turns) == ["It is <|im_end|> indeed.<|im_end|>", "Yes.<|im_end|>"]


@pytest.mark.parametrize("thought", ["so", "a long thought that is longer than the second question and its answer together"])
def test_thinking_that_the_template_leaves_out_moves_no_loss_to_the_next_question(thought: str) -> None:
    turns = (
        ("user", "One?"), ("assistant", f"<think>{thought}</think>Yes."),
        ("user", "Two?"), ("assistant", f"<think>{thought}</think>No."),
    )  # fmt: skip
    assert learnt(THINKING, *turns) == ["Yes.<|im_end|>", f"<think>{thought}</think>No.<|im_end|>"]


def test_where_the_template_moves_the_system_text_only_the_last_answer_is_learnt() -> None:
    turns = (("system", "Be brief."), ("user", "One?"), ("assistant", "Yes."), ("user", "Two?"), ("assistant", "No."))
    assert learnt(MOVING, *turns) == [" No.<|im_end|>"]
    assert learnt(MOVING, *turns[1:]) == [" Yes.<|im_end|>", " No.<|im_end|>"]
    with pytest.raises(WrongShape, match="one question and one answer"):
        learnt(MOVING, *turns[:3], ("user", "And?"))


def test_a_text_begins_as_the_tokenizer_begins_it(tmp_path: Path) -> None:
    plain = AutoTokenizer.from_pretrained(pocket.POCKET)
    assert tokens.document_begin(plain) == [], "this one begins with nothing"
    plain.bos_token = "<|endoftext|>"
    assert tokens.document_begin(plain) == [], "it has such a token and does not put it there"
    first = plain.bos_token_id
    plain.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", first)]
    )
    plain.chat_template = None
    plain.save_pretrained(tmp_path)
    tokenizer = loading.load_tokenizer(tmp_path)
    assert tokens.document_begin(tokenizer) == [first]
    ids = next(tokens.encode_texts(tokenizer, ["One."]))
    assert ids[0] == first and ids[1:-1] == tokenizer("One.", add_special_tokens=False)["input_ids"]
    assert tokens.encode_row(tokenizer, {"text": "One."}, "text").input_ids == ids
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "One?"}], tokenize=False)
    assert asked.startswith("<|endoftext|>user:") and fingerprint.template_of(tmp_path).source == "standard"
    for chosen in ("standard", "plain"):
        prompt = Prompt(({"role": "user", "content": "One?"},), template=chosen)
        reader = reading.Reader(lambda: None)
        assert reader.read(tokenizer, prompt).result()[0] == first, "also where one of ours is chosen over the model's own"
        reader.close()
