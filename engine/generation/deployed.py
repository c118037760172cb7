"""The answer of a deployment: passages are looked up, the model is asked, and asked again where its answer does not pass."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool

from engine import registry
from engine.deployments import answering, rounds
from engine.deployments.answering import Question
from engine.deployments.setup import Found
from engine.errors import BadInput
from engine.evaluation import grounding
from engine.generation import fingerprint as prints
from engine.generation.answers import Answer, Asked, Prompt, Source
from engine.generation.letters import Letter
from engine.generation.tickets import Growing, changes
from storage.home import Home

Begin = Callable[[Asked, Prompt], Growing]  # one try, sent


class Deployed(Letter):
    """An answer that a model gives with a prompt, passages and guards around it. What guards still have to see is not shown."""

    def __init__(self, home: Home, found: Found, asked: Asked, prompt: Prompt | None, begin: Begin) -> None:
        """BadInput where ``prompt`` wants what does not go together with it."""
        if prompt is not None and (prompt.tools or prompt.scores is not None):
            raise BadInput(
                f"{found.name} is asked conversations only, without tools and scores. Ask its model {found.model.name}."
            )
        title = found.deployment.title if found.deployment is not None else ""
        first = Answer(asked.model, base=found.model.name, sampling=asked.sampling, template=asked.template, deployment=title)
        super().__init__(asked, first)
        self._home, self._found, self._begin = home, found, begin
        self._wanted = prompt.constrain if prompt is not None else None

    async def _grown(self) -> AsyncIterator[Answer]:
        found, asked, first = self._found, self._asked, self.answer
        yield replace(first, waiting_for="the passages" if found.index is not None else "")
        question = await run_in_threadpool(self._question)
        waited, begun, tokens, spent = time.monotonic() - self.at, time.monotonic(), 0, 0
        while True:
            sampling = question.sampling(asked.sampling)
            put = Prompt(question.turns, template=asked.template, constrain=found.guards.constrain or self._wanted)
            inner = self._begin(Asked(found.reference_of_weights, question.turns, sampling, asked.template), put)
            try:
                async with aclosing(changes(inner)) as growing:
                    async for answer in growing:
                        told = replace(
                            answer, model=first.model, deployment=first.deployment, sources=_sources(question, answer.text, False),
                            tries=question.tries + 1, tokens=tokens + answer.tokens, prompt_tokens=spent + answer.prompt_tokens,
                            sampling=asked.sampling, waited=waited + answer.waited, seconds=time.monotonic() - begun,
                        )  # fmt: skip
                        if not answer.ended:
                            yield replace(told, text="") if found.guards.checks else told
            finally:
                inner.cancel()
            if inner.problem is not None:
                self.fail(inner.problem)
                return
            if inner.answer.status != "done":
                yield replace(told, text="") if found.guards.checks else told
                return
            tokens, spent = told.tokens, told.prompt_tokens
            await run_in_threadpool(question.hear, answer.text, answer.finish == "stop", answer.tokens, *self._room)
            if question.done:
                yield replace(
                    told, text=question.text, refused=question.refused, problems=tuple(question.problems),
                    sources=_sources(question, question.text, not question.refused), finish="stop" if question.refused else told.finish,
                )  # fmt: skip
                return

    def _question(self) -> Question:
        """The question with its passages, put so that it fits into the model's context."""
        from engine.generation import batch
        from engine.methods import loading

        found = self._found
        question = answering.questions(self._home, found, [[dict(turn) for turn in self._asked.messages]])[0]
        places = registry.places(self._home, found.model)
        tokenizer = loading.load_tokenizer(prints.tokenizer_folder(*places))

        def count(turns: list[dict[str, Any]]) -> int:
            return len(batch.encode(tokenizer, turns))

        self._room = (rounds.room(found.model.context, self._asked.sampling.max_tokens), count)
        question.put(*self._room)
        return question


def _sources(question: Question, text: str, cited: bool) -> tuple[Source, ...]:
    """The passages that stand before a question, with those marked that its answer rests on."""
    passages = [hit.passage for hit in question.hits]
    used = grounding.sources(text, [passage.text for passage in passages]) if cited else ()
    return tuple(Source(n, one.document, one.heading, one.text, n in used) for n, one in enumerate(passages, 1))
