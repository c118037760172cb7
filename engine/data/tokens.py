"""Rows as tokens: what the model reads and which of it carries loss. The trainer, the preview, the length histogram
and the predicted memory all use this one rendering."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.data.shapes import restored
from engine.errors import BadInput, WrongShape

IGNORED = -100  # the label of a token that carries no loss


@dataclass(frozen=True)
class Encoded:
    """One row. ``labels[i]`` is ``input_ids[i]`` where the token carries loss, else IGNORED."""

    input_ids: list[int]
    labels: list[int]


def document_begin(tokenizer: Any) -> list[int]:
    """The token that the tokenizer puts before a text, where its model has always seen it; empty where it puts none."""
    first = tokenizer.bos_token_id
    return [first] if first is not None and tokenizer("")["input_ids"][:1] == [first] else []


def document_end(tokenizer: Any) -> int:
    """The token that ends a document: ``<|endoftext|>`` where there is one, else the end-of-sequence token."""
    return tokenizer.get_vocab().get("<|endoftext|>", tokenizer.eos_token_id)


def end_of_turn(tokenizer: Any) -> int:
    """The token that ends an assistant's turn in the chat template; BadInput where the template has none."""
    turns = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "reply"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    tail = tokenizer(text[text.rindex("reply") + len("reply") :], add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids) | set(tokenizer.get_added_vocab().values())
    for token in tail:
        if token in special:
            return token
    raise BadInput(
        "The chat template ends an answer without a special token, so the model could never learn to stop. "
        "Choose a tokenizer whose template ends turns with its end-of-sequence token."
    )


def _labelled(tokenizer: Any, text: str, spans: list[tuple[int, int]]) -> Encoded:
    """``text`` as tokens; those that begin inside one of the character ``spans`` carry loss."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    labels, span = [], 0
    for token, (start, stop) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        while span < len(spans) and start >= spans[span][1]:
            span += 1
        inside = span < len(spans) and start >= spans[span][0] and stop > start
        labels.append(token if inside else IGNORED)
    return Encoded(encoded["input_ids"], labels)


def _common_prefix(a: str, b: str) -> int:
    length = min(len(a), len(b))
    return next((i for i in range(length) if a[i] != b[i]), length)


def encode_chat(tokenizer: Any, messages: list[dict[str, Any]], stop: str, tools: Any = None, after: int = 0) -> Encoded:
    """A conversation rendered by the chat template, with loss on what the assistant says and the end of its turn.

    Only assistant turns from index ``after`` on carry loss. ``stop`` is the text of the end-of-turn token; it lies
    inside the loss, or the model would not learn to stop. Where a template rewrites what came before an answer once a later
    turn follows (system text that moves to the last question), that answer carries none: it was never given to that text.
    WrongShape when no answer is left.
    """

    def render(turns: list[dict[str, Any]], prompt: bool = False) -> str:
        return tokenizer.apply_chat_template(turns, tools=tools, tokenize=False, add_generation_prompt=prompt)

    whole = render(messages)
    spans = []
    for i, message in enumerate(messages):
        if message["role"] != "assistant" or i < after:
            continue
        opened = render(messages[:i], prompt=True) if i else ""
        start = len(opened)
        if not whole.startswith(opened):  # the template opens an answer in other words than it writes one
            before = render(messages[:i])
            if not whole.startswith(before):
                continue
            start = max(len(before), _common_prefix(whole, opened))
        until = whole if i + 1 == len(messages) else render(messages[: i + 1])
        # a template may shorten an earlier answer (thinking that is left out): then its end is the first one that follows
        end = whole.rfind(stop, start, len(until)) if whole.startswith(until) else whole.find(stop, start)
        if end < 0:
            raise WrongShape(
                f"The end-of-turn token {stop} does not follow answer {i + 1}, so the model would never learn to stop."
            )
        spans.append((start, end + len(stop)))
    if not spans:
        raise WrongShape(
            "The model's chat template rewrites what comes before each answer of this conversation, so none of them can be "
            "learnt from. Bring it in as rows of one question and one answer each."
        )
    return _labelled(tokenizer, whole, spans)


def turns(row: Mapping[str, Any], shape: str) -> list[dict[str, Any]]:
    """A row of a ``messages`` or ``prompt_completion`` data set, as ``shapes.restored`` gives it, as a conversation.

    A plain pair is a conversation of one turn each, so that the tuned model can be talked to.
    """
    if shape == "messages":
        return list(row["messages"])
    prompt, completion = row["prompt"], row["completion"]
    before = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    return before + ([{"role": "assistant", "content": completion}] if isinstance(completion, str) else list(completion))


def encode_row(tokenizer: Any, row: Mapping[str, Any], shape: str, stop: str | None = None) -> Encoded:
    """A row of a ``text``, ``prompt_completion`` or ``messages`` data set as tokens and labels.

    ``stop`` is the text of the end-of-turn token; whoever encodes many rows looks it up once with ``stop_text``.
    """
    if shape == "text":
        ids = [
            *document_begin(tokenizer),
            *tokenizer(row["text"], add_special_tokens=False)["input_ids"],
            document_end(tokenizer),
        ]
        return Encoded(ids, list(ids))
    row, asked = restored(row, shape), 0
    if shape == "prompt_completion":
        asked = 1 if isinstance(row["prompt"], str) else len(row["prompt"])
    return encode_chat(tokenizer, turns(row, shape), stop or stop_text(tokenizer), row.get("tools"), after=asked)


def encode_answer(tokenizer: Any, prompt: Any, answer: Any, stop: str, tools: Any = None) -> Encoded:
    """``answer`` (text or turns) to ``prompt`` (text or turns) as tokens, up to the end of its last turn.

    Its tokens from the first that carries loss to the last are what the model says; what stands before is what it reads.
    """
    row = {"prompt": prompt, "completion": answer}
    before = 1 if isinstance(prompt, str) else len(prompt)
    whole = encode_chat(tokenizer, turns(row, "prompt_completion"), stop, tools, after=before)
    last = max(i for i, label in enumerate(whole.labels) if label != IGNORED)
    return Encoded(whole.input_ids[: last + 1], whole.labels[: last + 1])


def stop_text(tokenizer: Any) -> str:
    """The end-of-turn token as text."""
    return tokenizer.decode([end_of_turn(tokenizer)])


def encode_sides(tokenizer: Any, row: Mapping[str, Any], shape: str, stop: str) -> tuple[Encoded, ...]:
    """A row as what a trainer computes with: both answers of a pair, a labelled answer, a prompt alone, or the row itself."""
    if shape in ("preference", "unpaired", "prompt"):
        row = restored(row, shape)
        if shape == "prompt":
            ids = _asked(tokenizer, row)
            return (Encoded(ids, [IGNORED] * len(ids)),)
        sides = ("chosen", "rejected") if shape == "preference" else ("completion",)
        return tuple(encode_answer(tokenizer, row["prompt"], row[side], stop, row.get("tools")) for side in sides)
    return (encode_row(tokenizer, row, shape, stop),)


def _asked(tokenizer: Any, row: Mapping[str, Any]) -> list[int]:
    turns = [{"role": "user", "content": row["prompt"]}] if isinstance(row["prompt"], str) else row["prompt"]
    text = tokenizer.apply_chat_template(turns, tools=row.get("tools"), tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def encode_texts(tokenizer: Any, texts: Iterable[str], batch: int = 1000) -> Iterator[list[int]]:
    """Documents as tokens, each with its begin, where the tokenizer has one, and its end, many at a time."""
    begin, end = document_begin(tokenizer), document_end(tokenizer)
    held: list[str] = []
    for text in texts:
        held.append(text)
        if len(held) == batch:
            yield from ([*begin, *ids, end] for ids in tokenizer(held, add_special_tokens=False)["input_ids"])
            held = []
    if held:
        yield from ([*begin, *ids, end] for ids in tokenizer(held, add_special_tokens=False)["input_ids"])
