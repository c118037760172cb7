"""Many questions answered inside a worker, round by round: all are put at once, and those whose answers did not pass are put again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from engine.deployments.answering import Question
from engine.errors import BadInput
from engine.generation import batch
from engine.generation.answers import Sampling

MARGIN = 8  # tokens that are left free beside prompt and answer


def answer(
    model: Any,
    tokenizer: Any,
    questions: Sequence[Question],
    sampling: Sampling,
    *,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
    called: Callable[[int], str] = lambda place: f"Question {place + 1}",
) -> None:
    """Answer every question, in place. Raises as ``batch.complete`` does."""
    from engine.generation.constraint import Grammar

    most = room(batch.context(model) or 0, sampling.max_tokens)

    def count(turns: list[dict[str, Any]]) -> int:
        return len(batch.encode(tokenizer, turns))

    for question in questions:
        question.put(most, count)
    live = list(range(len(questions)))
    while live:
        asked = [questions[i] for i in live]
        prompts = [_encoded(tokenizer, question, called(i)) for i, question in zip(live, asked, strict=True)]
        wanted = asked[0].found.guards.constrain
        grammar = Grammar.of(wanted, tokenizer, model.config.get_text_config().vocab_size) if wanted else None
        # those that are not told why they are asked again are drawn anew
        drawn = asked[0].sampling(sampling)
        if any(not question.told for question in asked):
            drawn = replace(drawn, temperature=max(question.sampling(sampling).temperature for question in asked))
        said = batch.complete(
            model, tokenizer, prompts, drawn, progress=progress if not asked[0].tries else None, stop=stop,
            called=lambda k, live=live: called(live[k]), constraints=[grammar] * len(prompts) if grammar is not None else None,
        )  # fmt: skip
        for question, prompt, spoken in zip(asked, prompts, said, strict=True):
            question.prompt_tokens += len(prompt)
            question.hear(spoken.text, spoken.ended, spoken.tokens, most, count)
        live = [i for i in live if not questions[i].done]


def room(context: int, max_tokens: int) -> int | None:
    """How many tokens a prompt may have beside an answer in a model's context; None where that is not known (0)."""
    return max(context - max_tokens - MARGIN, context // 2) if context > 0 else None


def _encoded(tokenizer: Any, question: Question, name: str) -> list[int]:
    try:
        return batch.encode(tokenizer, question.turns)
    except BadInput as problem:
        raise BadInput(f"{name}: {problem}") from problem
