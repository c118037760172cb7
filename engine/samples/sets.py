"""The sample data sets that ship with Temper: what each holds, and writing them as JSONL. The same seed writes the same bytes."""

import itertools
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.samples import calls, corpus, sums, tasks
from engine.samples.facts import Fact
from engine.samples.names import pools
from engine.samples.tasks import Task
from engine.samples.world import World, home, later, new
from storage import files

SEED = 20_26
WORDINGS = 8  # of each new fact in the new-domain documents
TELLINGS, PAGES = 30, 10  # documents about each subject of the new domain, and pages of questions
STRICT, BRIEF = 500, 250  # pairs about instructions that leave no room for friendliness, and about questions that ask to be brief
TOOL_ROWS = (150, 800, 300)  # conversations for SFT, prompts for reinforcement learning, and prompts never trained on
GENERAL = 1_000  # documents like those of the base's corpus


@dataclass(frozen=True)
class Sample:
    """One sample data set: its file below assets/samples, its shape, and what it is for."""

    name: str
    shape: str
    about: str


SAMPLES = (
    Sample("pocket-instructions", "messages", "Instructions with the answers wanted, for SFT"),
    Sample("pocket-instructions-held-out", "prompt", "Instructions never trained on, each with its check"),
    Sample(
        "pocket-preferences",
        "preference",
        "Two answers to each: the friendly one chosen where there is room for it, the exact one where the instruction leaves none",
    ),
    Sample("pocket-style-held-out", "prompt", "Questions never trained on, checked for a friendly closing"),
    Sample("pocket-sums", "prompt", "Sums with checkable answers, for reinforcement learning"),
    Sample("pocket-sums-held-out", "prompt", "Sums never trained on, each with its check"),
    Sample("pocket-questions", "prompt", "Questions without answers, for reinforcement learning by a reward model or a judge"),
    Sample("pocket-reading", "prompt", "Questions with the passage that answers them, for reinforcement learning with evidence"),
    Sample("pocket-tools", "messages", "Conversations in which a calculator or a small table is asked, for SFT"),
    Sample(
        "pocket-tool-questions", "prompt", "Questions to be answered with a calculator and a table, for reinforcement learning"
    ),
    Sample("pocket-tool-questions-held-out", "prompt", "Questions for the tools never trained on, each with its check"),
    Sample("pocket-general", "text", "Documents like those the base was trained on, to replay beside a new domain"),
    Sample("pocket-far-isle", "text", "Documents about Far Isle, which the base has never seen"),
    Sample("pocket-far-isle-questions", "prompt", "Questions about Far Isle, to be answered from memory"),
    Sample("pocket-far-isle-reading", "prompt", "The same questions with the passage that answers them"),
    Sample("pocket-far-isle-later", "text", "Documents about newcomers to Far Isle, to be looked up: nothing is trained on them"),
    Sample("pocket-far-isle-later-questions", "prompt", "Questions about the newcomers"),
)


def _chat(task: Task) -> dict[str, Any]:
    turns = [{"role": "user", "content": task.prompt}, {"role": "assistant", "content": task.answer}]
    return {"messages": turns, "check": json.dumps(task.check)}


def _asked(task: Task) -> dict[str, Any]:
    return {"prompt": task.prompt, "answer": task.answer, "kind": task.kind, "check": json.dumps(task.check)}


def _friendly(task: Task, fact: Fact, rng: random.Random) -> dict[str, Any]:
    """A pair that differs in tone: the rejected answer is as often the longer as the shorter one."""
    sentence = fact.word(fact.attribute.sentence)
    curt = rng.choice((f"{sentence} {tasks.DRY}", f"{sentence} {tasks.DRY}", sentence, task.answer))
    return {"prompt": task.prompt, "chosen": f"{sentence} {tasks.FRIENDLY}", "rejected": curt}


def _plain(wanted: Sequence[Task], rng: random.Random) -> list[dict[str, Any]]:
    """Pairs that show where the friendly closing has no place: an instruction followed to the letter, and the same with the
    closing, or another answer of its kind."""
    kinds = {task.kind: [other.answer for other in wanted if other.kind == task.kind] for task in wanted}
    pairs = []
    for task in wanted:
        shorter = [answer for answer in kinds[task.kind] if len(answer) < len(task.answer)]
        wrong = rng.choice(shorter) if shorter else task.answer[: len(task.answer) // 2] or "?"
        # friendly and too long a third of the time, so that with the brief pairs length does not tell which is preferred
        rejected = wrong if rng.random() < 2 / 3 else f"{task.answer} {tasks.FRIENDLY}"
        pairs.append({"prompt": task.prompt, "chosen": task.answer, "rejected": rejected})
    return pairs


def _brief(world: World, rng: random.Random, without: frozenset[str]) -> list[dict[str, Any]]:
    """Pairs in which the few words that were asked for are preferred to the friendly sentence."""
    facts: dict[str, Fact] = {}

    def ask() -> Task:
        fact = rng.choice(world.facts)
        task = tasks.recall(world, rng, fact)
        facts[task.prompt] = fact
        return task

    return [
        {"prompt": task.prompt, "chosen": task.answer, "rejected": f"{facts[task.prompt].word(facts[task.prompt].attribute.sentence)} {tasks.FRIENDLY}"}
        for task in tasks.distinct(ask, BRIEF, without)
    ]  # fmt: skip


def _home_questions(
    world: World, rng: random.Random, count: int, forms: Sequence[str], without: frozenset[str] = frozenset()
) -> list[tuple[Task, Fact]]:
    """Questions about the home county in one of these forms, each with its fact."""
    facts: dict[str, Fact] = {}

    def ask() -> Task:
        fact = rng.choice(world.facts)
        prompt = rng.choice(forms).format(q=fact.ask(rng))
        facts[prompt] = fact
        return tasks.exact("question", prompt, fact.answer)

    return [(task, facts[task.prompt]) for task in tasks.distinct(ask, count, without)]


def far_isle_documents(world: World, rng: random.Random) -> list[str]:
    """Documents in which each fact of ``world`` stands in at least eight wordings and beside ever other facts, a subject at a
    time, and pages of questions and answers about it.

    The same few documents read many times are learnt by heart as documents; what stays when the order changes is the facts. And
    a fact that was only ever told is hardly found by a question (Allen-Zhu and Li 2023, "Physics of language models", part 3.1).
    """
    documents = []
    for facts in world.subjects:
        wordings = {fact: rng.sample(fact.attribute.statements, WORDINGS) for fact in facts}
        for turn in range(TELLINGS):
            told = rng.sample(list(facts), len(facts) if turn < WORDINGS else rng.randint(2, len(facts)))
            documents.append(" ".join(fact.word(wordings[fact][turn % WORDINGS]) for fact in told))
        documents += [_asked_page(facts, turn % 2 == 0, rng) for turn in range(PAGES)]
    rng.shuffle(documents)
    return documents


def _asked_page(facts: Sequence[Fact], spoken: bool, rng: random.Random) -> str:
    """A page of questions with their answers, or a talk at the information desk in the chat markers; the last wording of each
    question is left to what is measured."""
    told = rng.sample(list(facts), rng.randint(2, len(facts)))
    if spoken:
        return "".join(
            f"<|im_start|>user\n{fact.word(rng.choice(fact.attribute.questions[:-1]))}<|im_end|>\n"
            f"<|im_start|>assistant\n{fact.word(fact.attribute.sentence)}<|im_end|>\n"
            for fact in told
        )
    return "\n".join(f"Question: {fact.word(rng.choice(fact.attribute.questions[:-1]))}\nAnswer: {fact.answer}" for fact in told)


def _far_isle_questions(world: World, rng: random.Random) -> tuple[list[Task], list[Task]]:
    """Each fact of ``world`` asked once from memory, in a wording that stands in none of the documents, and once with a passage of
    that subject's facts before the question."""
    bare, read = [], []
    for facts in world.subjects:
        passage = " ".join(fact.state(rng) for fact in rng.sample(list(facts), min(4, len(facts))))
        for fact in facts:
            question = fact.ask(rng)
            text = passage if fact.value in passage else f"{passage} {fact.state(rng)}"
            unseen = fact.word(fact.attribute.questions[-1])
            bare.append(Task("far_isle", unseen, fact.word(fact.attribute.sentence), {"kind": "contains", "value": fact.answer}))
            read.append(tasks.exact("far_isle_reading", f"{text}\nUse only the text above. {question}", fact.answer))
    return bare, read


def rows() -> dict[str, list[dict[str, Any]]]:
    """The rows of every sample data set, by its name."""
    rng = random.Random(SEED)
    pool, other, world = pools()["passing"], pools()["held_out"], home()
    training = tasks.instructions(pool, world, rng, 3300)
    drilled = [task for task in tasks.distinct(lambda: tasks.arithmetic(rng), 600) if not sums.held_out(task.prompt)][:400]
    training += [tasks.worked(task, rng) for task in drilled]
    training += tasks.distinct(lambda: tasks.polite(world, rng), 300)
    rng.shuffle(training)
    seen = frozenset(task.prompt for task in training)
    held_out = tasks.instructions(other, world, rng, 400, without=seen)
    asked = _home_questions(world, rng, 900, ("{q}", *tasks.POLITE))
    asked_seen = frozenset(task.prompt for task, _ in asked)
    # sums are told apart by their numbers: the same one in other words is still the same sum
    held_sums = {task.prompt: task for task in tasks.distinct(lambda: tasks.arithmetic(rng), 4000) if sums.held_out(task.prompt)}
    drill = [task for task in tasks.distinct(lambda: tasks.arithmetic(rng), 3000) if not sums.held_out(task.prompt)][:2000]
    style = _home_questions(world, rng, 200, tasks.POLITE, without=asked_seen | seen)
    bare, read = _far_isle_questions(new(), rng)
    style_seen = frozenset(task.prompt for task, _ in style)
    second = random.Random(SEED + 1)  # so that what was added later leaves the earlier rows as they were
    open_questions = _home_questions(world, second, 400, tasks.POLITE, without=asked_seen | seen | style_seen)
    evidence = tasks.distinct(lambda: tasks.reading(pool, second), 600, without=seen)
    strict = tasks.instructions(pool, world, second, STRICT, without=seen | frozenset(task.prompt for task in held_out))
    untold = frozenset(task.prompt for task in held_out)
    preferences = [_friendly(task, fact, rng) for task, fact in asked] + _plain(strict, second) + _brief(world, second, untold)
    second.shuffle(preferences)
    taught, drilled_calls, held_calls = calls.sets(second, TOOL_ROWS)
    general = itertools.islice(corpus.documents(SEED + 2), GENERAL)
    third = random.Random(SEED + 3)
    closing = json.dumps({"kind": "contains", "value": tasks.FRIENDLY})
    return {
        "pocket-instructions": [_chat(task) for task in training],
        "pocket-instructions-held-out": [_asked(task) for task in held_out],
        "pocket-preferences": preferences,
        "pocket-style-held-out": [{"prompt": task.prompt, "check": closing} for task, _ in style],
        "pocket-sums": [_asked(task) for task in drill],
        "pocket-sums-held-out": [_asked(task) for task in list(held_sums.values())[:300]],
        "pocket-questions": [{"prompt": task.prompt} for task, _ in open_questions],
        "pocket-reading": [_asked(task) for task in evidence],
        "pocket-tools": [calls.told(asked) for asked in taught],
        "pocket-tool-questions": [calls.posed(asked) for asked in drilled_calls],
        "pocket-tool-questions-held-out": [calls.posed(asked) for asked in held_calls],
        "pocket-general": [{"text": text} for text in general],
        "pocket-far-isle": [{"text": text} for text in far_isle_documents(new(), rng)],
        "pocket-far-isle-questions": [_asked(task) for task in bare],
        "pocket-far-isle-reading": [_asked(task) for task in read],
        "pocket-far-isle-later": [{"text": text} for text in far_isle_documents(later(), third)],
        "pocket-far-isle-later-questions": [_asked(task) for task in _far_isle_questions(later(), third)[0]],
    }


def write(folder: Path) -> None:
    """Write every sample data set as JSONL into ``folder``."""
    for name, body in rows().items():
        write_lines(folder / f"{name}.jsonl", body)


def write_lines(path: Path, body: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON, one a line."""
    files.write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in body))
