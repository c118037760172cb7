"""The answer of a deployment: passages are looked up, the model is asked, and asked again where its answer does not pass."""

import time
from collections.abc import AsyncGenerator, Callable
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
        if prompt is not None and (prompt.tools or prompt.settings or prompt.scores is not None):
            raise BadInput(
                f"{found.name} is asked conversations only, without tools, scores and settings of templates. Ask its model {found.model.name}."
            )
        title = found.deployment.title if found.deployment is not None else ""
        first = Answer(asked.model, base=found.model.name, sampling=asked.sampling, template=asked.template, deployment=title)
        super().__init__(asked, first)
        self._home, self._found, self._begin = home, found, begin
        self._wanted = prompt.constrain if prompt is not None else None

    async def _grown(self) -> AsyncGenerator[Answer, None]:
        yield replace(self.answer, waiting_for="the passages" if self._found.index is not None else "")
        question = await run_in_threadpool(self._question)
        before = replace(self.answer, waited=time.monotonic() - self.at)
        while not question.done:
            inner = self._asked_now(question)
            try:
                async with aclosing(changes(inner)) as growing:
                    async for answer in growing:
                        if not answer.ended:
                            yield self._told(before, answer, question)
            finally:
                inner.cancel()
            if inner.problem is not None:
                self.fail(inner.problem)
                return
            told = self._told(before, inner.answer, question)
            if inner.answer.status != "done":
                yield told
                return
            before, ended = told, inner.answer.finish == "stop"
            await run_in_threadpool(question.hear, inner.answer.text, ended, inner.answer.tokens, *self._room)
        yield replace(
            before, text=question.text, refused=question.refused, problems=tuple(question.problems),
            sources=_sources(question, question.text, not question.refused), finish="stop" if question.refused else before.finish,
        )  # fmt: skip

    def _asked_now(self, question: Question) -> Growing:
        """The next try, begun."""
        found, asked = self._found, self._asked
        put = Prompt(question.turns, template=asked.template, constrain=found.guards.constrain or self._wanted)
        again = Asked(found.reference_of_weights, question.turns, question.sampling(asked.sampling), asked.template)
        return self._begin(again, put)

    def _told(self, before: Answer, answer: Answer, question: Question) -> Answer:
        """A try as part of the answer, which has come to ``before`` without it; guards see a text before anybody else does."""
        return replace(
            answer, model=before.model, deployment=before.deployment, sources=_sources(question, "", False),
            text="" if self._found.guards.checks else answer.text, tries=question.tries + 1, tokens=before.tokens + answer.tokens,
            prompt_tokens=before.prompt_tokens + answer.prompt_tokens, sampling=self._asked.sampling,
            waited=before.waited + answer.waited, seconds=before.seconds + answer.seconds,
        )  # fmt: skip

    def _question(self) -> Question:
        """The question with its passages, put so that it fits into the model's context."""
        from engine.generation import batch, weights
        from engine.methods import loading

        weights.warm()  # this is a thread beside the one that loads models
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
