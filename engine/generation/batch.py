"""Many prompts answered at once inside a worker: for measuring, and for the samples of a run.

Prompts are sorted by length, padded on the left, and computed in batches; a row leaves its batch as soon as it has ended.
Nothing is streamed here and no model is shared between requests: that is the host's work.
"""

import inspect
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.data import tokens
from engine.errors import BadInput, RunFailed
from engine.generation.answers import Sampling
from engine.generation.constraint import Constraint, Grammar, choose_within
from engine.generation.problems import TooLong
from engine.generation.sampling import generator

MOST_ROWS = 256  # beyond it a step only gets longer
MEMORY_SHARE = 0.25  # of the free memory, for what a batch remembers of its tokens


class Stopped(Exception):
    """The stop callback said so; what was answered until then is not handed out, since it is only the easy share."""


@dataclass(frozen=True)
class Completion:
    """One answer: its text without special tokens, all its tokens, and whether the model ended it or it was cut off."""

    text: str
    ids: list[int]
    ended: bool

    @property
    def tokens(self) -> int:
        return len(self.ids)


def generate(
    model: Any,
    tokenizer: Any,
    conversations: Sequence[Sequence[Mapping[str, Any]]],
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[str]:
    """The model's answer to each conversation, in their order. Raises Stopped when ``stop`` says so."""
    prompts = [encode(tokenizer, conversation) for conversation in conversations]
    sampling = Sampling.checked({"max_tokens": max_tokens, "temperature": temperature, "seed": seed})
    return [c.text for c in complete(model, tokenizer, prompts, sampling, batch_size=batch_size, stop=stop)]


def encode(tokenizer: Any, messages: Sequence[Mapping[str, Any]], tools: Any = None) -> list[int]:
    """A conversation as the tokens after which the assistant speaks. BadInput when the chat template refuses it."""
    return tokenizer(rendered(tokenizer, messages, tools), add_special_tokens=False)["input_ids"]


def rendered(
    tokenizer: Any,
    messages: Sequence[Mapping[str, Any]],
    tools: Any = None,
    template: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """A conversation as the text after which the assistant speaks, by the tokenizer's own chat template or another one.

    ``settings`` are what the template may ask for beside it. BadInput where it refuses, or one of them is none of the template's.
    """
    from jinja2 import TemplateError

    if settings:
        own = {"messages", *inspect.signature(tokenizer.apply_chat_template).parameters} & settings.keys()
        if own:
            raise BadInput(f"{', '.join(sorted(own))} cannot be set for a chat template.")
    try:
        return tokenizer.apply_chat_template(
            list(messages), tools=tools, chat_template=template, tokenize=False, add_generation_prompt=True, **settings or {}
        )
    except TemplateError as problem:
        raise BadInput(f"The model's chat template refuses the conversation: {problem}") from problem


def complete(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[list[int]],
    sampling: Sampling,
    *,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    called: Callable[[int], str] = lambda place: f"Prompt {place + 1}",
    constraints: Sequence[Grammar | None] | None = None,
) -> list[Completion]:
    """An answer to each prompt of tokens, in their order.

    Each row draws from a source of its own, made of the seed and its place, so its answer does not depend on the batch it is
    computed in. ``progress`` hears how many of how many are done, ``stop`` is asked before every token and makes this raise
    Stopped. TooLong when a prompt, which ``called`` names by its place, leaves no room to answer; stop strings are not looked for.
    ``constraints`` hold answers to a grammar, each its own; BadInput where a prompt leaves too little room for that.
    """
    rooms = [_room(model, prompt, sampling.max_tokens, called(i)) for i, prompt in enumerate(prompts)]
    ends, done = end_tokens(model, tokenizer), 0
    held = _held(constraints or [None] * len(prompts), rooms, ends, called)
    written: dict[int, list[int]] = {}
    with answering(model):
        # longest first: where memory does not suffice it shows at once, and not after an hour
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        while order:
            size = batch_size or rows_at_once(model, len(prompts[order[0]]), sampling.max_tokens)
            rows, order = order[:size], order[size:]
            for row, ids in _answer(model, {i: prompts[i] for i in rows}, rooms, ends, sampling, held, stop):
                written[row] = ids
                done += 1
                if progress:
                    progress(done, len(prompts))
    return [_completion(tokenizer, written[i], ends) for i in range(len(prompts))]


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end an answer: those the model names, the end of a turn in the chat template, the end of a document."""
    named = model.generation_config.eos_token_id if model.generation_config is not None else None
    ends: set[int | None] = {named} if isinstance(named, int) else set(named or ())
    ends.add(tokens.document_end(tokenizer))
    try:
        ends.add(tokens.end_of_turn(tokenizer))
    except BadInput:
        # a base model whose vocabulary has no such token can be asked all the same: its answers end by the others
        ends.add(None)
    return frozenset(end for end in ends if end is not None)


def name_ends(model: Any, tokenizer: Any) -> None:
    """Have the model itself name what ends its answers: TRL and other programs end them there, and many base models name only the
    end of a document."""
    if model.can_generate():
        model.generation_config.eos_token_id = sorted(end_tokens(model, tokenizer))


def context(model: Any) -> int | None:
    """How many tokens prompt and answer may have together, where the model's configuration says so."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None) or None


def rows_at_once(model: Any, prompt: int, room: int) -> int:
    """How many rows of ``prompt`` tokens and answers up to ``room`` fit into a quarter of the free memory, at most MOST_ROWS."""
    import psutil
    import torch

    config, size = model.config.get_text_config(), model.dtype.itemsize
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    # keys and values are copied when a token is added, so those of a layer are there twice for a moment
    cache = 2 * (config.num_hidden_layers + 1) * heads * width * size * (prompt + room)
    # reading the prompt: what one layer computes, and the mask of who sees whom
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    reading = prompt * (8 * config.hidden_size + 3 * inner) * size + 8 * prompt * prompt
    scores = 8 * 4 * config.vocab_size  # of the next token, in float64 and sorted when it is drawn
    free = torch.cuda.mem_get_info()[0] if model.device.type == "cuda" else psutil.virtual_memory().available
    return max(1, min(MOST_ROWS, int(free * MEMORY_SHARE / (cache + reading + scores))))


def _room(model: Any, prompt: list[int], wanted: int, name: str) -> int:
    if not prompt:
        raise BadInput(f"{name} is empty: there is nothing to answer.")
    longest = context(model)
    if longest is not None and len(prompt) >= longest:
        raise TooLong(
            f"{name} has {len(prompt):,} tokens, and the model takes {longest:,} together with its answer. "
            "Shorten it, or choose a model with a longer context."
        )
    return wanted if longest is None else min(wanted, longest - len(prompt))


def _held(
    constraints: Sequence[Grammar | None], rooms: Sequence[int], ends: frozenset[int], called: Callable[[int], str]
) -> dict[int, Constraint]:
    """What the answers in their places are held to, where they are held to anything."""
    held: dict[int, Constraint] = {}
    for place, grammar in enumerate(constraints):
        if grammar is not None:
            try:
                held[place] = grammar.begin(rooms[place], ends)
            except BadInput as problem:
                raise BadInput(f"{called(place)}: {problem}") from None
    return held


@contextmanager
def answering(model: Any) -> Iterator[None]:
    """The model set to answering, without gradients, and set back as it was: a training run samples in between."""
    import torch

    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def _answer(
    model: Any,
    prompts: Mapping[int, list[int]],
    rooms: Sequence[int],
    ends: frozenset[int],
    sampling: Sampling,
    held: Mapping[int, Constraint],
    stop: Callable[[], bool] | None,
) -> Iterator[tuple[int, list[int]]]:
    """Each row of one batch with the tokens of its answer, as soon as it has ended."""
    import torch
    from transformers import DynamicCache

    ids, mask = _padded(list(prompts.values()), model.device)
    places = (mask.cumsum(-1) - 1).clamp(min=0)
    cache: Any = DynamicCache(config=model.config)
    live, written = list(prompts), {row: [] for row in prompts}
    draws = {row: generator(random.Random(f"{sampling.seed}:{row}").getrandbits(63)) for row in prompts}
    while True:
        if stop and stop():
            raise Stopped
        scores = model(
            input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True, logits_to_keep=1
        ).logits[:, -1].float()  # fmt: skip
        chosen = choose_within(scores, [sampling] * len(live), [draws[row] for row in live], [held.get(row) for row in live])
        stay = []
        for k, (row, token) in enumerate(zip(live, chosen, strict=True)):
            if token is None:
                raise RunFailed("The model's weights give no numbers any more (NaN), so there is no next token.", "not a number")
            written[row].append(token)
            if row in held:
                held[row].take(token)
            if token in ends or len(written[row]) == rooms[row] or (row in held and held[row].ended):
                yield row, written[row]
            else:
                stay.append(k)
        if not stay:
            return
        if len(stay) < len(live):
            live = [live[k] for k in stay]
            kept = torch.tensor(stay, dtype=torch.long, device=model.device)
            # reorder_cache and not batch_select_indices: layers with linear attention have only the former
            cache.reorder_cache(kept)
            mask, places = mask[kept], places[kept]
        ids = torch.tensor([written[row][-1:] for row in live], device=model.device)
        places = places[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)


def _padded(prompts: list[list[int]], device: Any) -> tuple[Any, Any]:
    """Prompts as one tensor, padded on the left, and the mask of what is no padding."""
    import torch

    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    return ids, mask


def _completion(tokenizer: Any, ids: list[int], ends: frozenset[int]) -> Completion:
    ended = ids[-1] in ends
    text = tokenizer.decode(ids[:-1] if ended else ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Completion(text, ids, ended)
