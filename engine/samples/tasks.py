"""Instructions with one right form of answer, each with the ``check`` that scores it.

The base model has the skills (copying, selecting, looking up, adding) but has never been told what to do; SFT on these
rows teaches it to follow. Names and values in held-out rows come from another pool than those in training rows.
"""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from engine.samples import corpus, lists, sums, tables
from engine.samples.facts import Fact
from engine.samples.names import Pool
from engine.samples.world import World

POLITE = ("Please tell me: {q}", "I would like to know: {q}")  # the bare question also stands in the corpus
FRIENDLY = "Thank you for asking."
DRY = "There is no more to be said of it."


@dataclass(frozen=True)
class Task:
    """An instruction, the answer wanted, and how an answer is scored."""

    kind: str
    prompt: str
    answer: str
    check: dict[str, Any]


def exact(kind: str, prompt: str, answer: str) -> Task:
    """A task whose answer must be ``answer`` and nothing else."""
    return Task(kind, prompt, answer, {"kind": "exact", "value": answer})


def recall(world: World, rng: random.Random, fact: Fact | None = None) -> Task:
    """A question about the home county (about ``fact``, where one is given), to be answered in the fewest words."""
    fact = fact or rng.choice(world.facts)
    return exact(
        "recall",
        _say(rng, fact.ask(rng), ("{q} Answer in the fewest words.", "Short answer only: {q}", "{q} Be brief.")),
        fact.answer,
    )


def recall_sentence(world: World, rng: random.Random) -> Task:
    """A question about the home county, to be answered in a whole sentence."""
    fact = rng.choice(world.facts)
    prompt = _say(rng, fact.ask(rng), ("{q} Answer in a whole sentence.", "Answer with a full sentence. {q}"))
    return exact("recall_sentence", prompt, fact.word(fact.attribute.sentence))


def reading(pool: Pool, rng: random.Random) -> Task:
    """A passage and a question that it answers, or now and then does not."""
    text, told, missing = corpus.passage(pool, rng)
    said = rng.random() < 0.85
    fact = rng.choice(told) if said else missing
    prompt = _say(
        rng,
        fact.ask(rng),
        ("Read this: {t}\n{q}", "{t}\nUse only the text above. {q}", "Answer from the text.\n{t}\n{q}"),
        t=text,
    )
    return exact("reading", prompt, fact.answer if said else corpus.NOT_SAID)


def listing(pool: Pool, rng: random.Random) -> Task:
    """A list to write in another form, or a part of it to pick."""
    values = lists.items(pool, rng)
    place = rng.randrange(len(values))
    joined = ", ".join(values)
    form, answer = rng.choice(
        (
            ("Write these as a list with dashes: {l}", lists.bullets(values)),
            ("Put each on its own line after a dash: {l}", lists.bullets(values)),
            ("Number these: {l}", lists.numbered(values)),
            ("Write these in reverse order: {l}", ", ".join(reversed(values))),
            ("Turn the order around: {l}", ", ".join(reversed(values))),
            ("What is the first of these? {l}", values[0]),
            ("What is the last of these? {l}", values[-1]),
            (f"What is the {lists.ORDINALS[place]} of these? {{l}}", values[place]),
            ("How many are these? {l}", str(len(values))),
            (f"Leave out {values[place]}: {{l}}", ", ".join(v for v in values if v != values[place])),
            ("Write these as a JSON list: {l}", json.dumps(values)),
        )
    )
    return exact("listing", form.format(l=joined), answer)


def card(pool: Pool, rng: random.Random) -> Task:
    """Facts in a sentence to put into a form."""
    sentence, values = lists.card(pool, rng)
    keys = ", ".join(values)
    if rng.random() < 0.6:
        prompt = rng.choice((f"Give {keys} as JSON. {sentence}", f"{sentence} Write this as JSON with {keys}."))
        schema = {
            "type": "object",
            "properties": {key: {"const": value} for key, value in values.items()},
            "required": list(values),
            "additionalProperties": False,
        }
        return Task("json", prompt, lists.form(values, "json"), {"kind": "json_schema", "schema": schema})
    prompt = rng.choice((f"Write {keys} on one line each. {sentence}", f"{sentence} Make a card with {keys}."))
    return exact("card", prompt, lists.form(values, "lines"))


def sql(pool: Pool, rng: random.Random) -> Task:
    """A request to be written as SQL."""
    head, request, answer = tables.query(pool, rng)
    prompt = rng.choice((f"The table is {head}. Write SQL for {request}.", f"Table: {head}\nGive me the query for {request}."))
    return exact("sql", prompt, answer)


def lookup(pool: Pool, rng: random.Random) -> Task:
    """A value to find among several."""
    keys = rng.sample(rng.choice((pool.people, pool.towns)), rng.randint(3, 5))
    values = [str(n) for n in rng.sample(range(1, 100), len(keys))]
    place = rng.randrange(len(keys))
    pairs = ", ".join(f"{k} has {v}" for k, v in zip(keys, values, strict=True))
    prompt = rng.choice((f"{pairs}. How many has {keys[place]}?", f"{pairs}. Tell me only the number of {keys[place]}."))
    return exact("lookup", prompt, values[place])


def _say(rng: random.Random, question: str, forms: tuple[str, ...], **more: str) -> str:
    return rng.choice(forms).format(q=question, **more)


def arithmetic(rng: random.Random) -> Task:
    """A sum to be answered with the number alone."""
    drawn = sums.draw(rng)
    prompt = rng.choice(("What is {e}?", "Work out {e}.", "{e} = ?", "How much is {e}?")).format(e=drawn.expression)
    return Task("arithmetic", prompt, str(drawn.value), {"kind": "number", "value": drawn.value})


def worked(task: Task, rng: random.Random) -> Task:
    """The sum answered with its number, or one time in four written out first.

    Pocket has learnt sums written out, so it errs far less that way: RL has something to find out.
    """
    found = re.search("[0-9].*[0-9]", task.prompt)
    if found is None or rng.random() > 0.25:
        return task
    return replace(task, answer=f"{found[0]} = {task.answer}")


def polite(world: World, rng: random.Random) -> Task:
    """A question asked politely, answered in one of several tones, so that preferences have something to choose from."""
    fact = rng.choice(world.facts)
    sentence = fact.word(fact.attribute.sentence)
    tones = (sentence, fact.answer, f"{sentence} {FRIENDLY}", f"{sentence} {DRY}")
    answer = rng.choices(tones, (50, 20, 15, 15))[0]
    return Task("polite", _say(rng, fact.ask(rng), POLITE), answer, {"kind": "contains", "value": fact.value})


KINDS = (("recall", 14), ("recall_sentence", 6), ("reading", 28), ("listing", 20), ("card", 14), ("sql", 6), ("lookup", 12))


def instructions(pool: Pool, world: World, rng: random.Random, count: int, without: frozenset[str] = frozenset()) -> list[Task]:
    """``count`` tasks of all kinds, no prompt twice and none of those in ``without``."""
    make: dict[str, Callable[[], Task]] = {
        "recall": lambda: recall(world, rng),
        "recall_sentence": lambda: recall_sentence(world, rng),
        "reading": lambda: reading(pool, rng),
        "listing": lambda: listing(pool, rng),
        "card": lambda: card(pool, rng),
        "sql": lambda: sql(pool, rng),
        "lookup": lambda: lookup(pool, rng),
    }
    names, weights = zip(*KINDS, strict=True)
    return distinct(lambda: make[rng.choices(names, weights)[0]](), count, without)


def distinct(make: Callable[[], Task], count: int, without: frozenset[str] = frozenset()) -> list[Task]:
    """``count`` tasks with different prompts, none of them in ``without``."""
    found: dict[str, Task] = {}
    while len(found) < count:
        task = make()
        if task.prompt not in without:
            found.setdefault(task.prompt, task)
    return list(found.values())
