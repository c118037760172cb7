"""The pre-training corpus: documents of several kinds drawn in fixed shares from the invented world.

Nothing here follows an instruction: there are texts, texts with questions, exercises, sums, tables, letters and
small talk. Following instructions is what SFT is for.
"""

import random
from collections.abc import Callable, Iterator

from engine.samples import lists, sums, tables
from engine.samples.facts import Fact, facts_about, subject_of
from engine.samples.names import Pool, pools
from engine.samples.world import World, home

NOT_SAID = "it is not said"


def sentences(facts: list[Fact], rng: random.Random) -> str:
    """The facts in a random order, one sentence each."""
    return " ".join(fact.state(rng) for fact in rng.sample(facts, len(facts)))


def questions(facts: list[Fact], rng: random.Random, marks: tuple[str, str] = ("Question", "Answer")) -> str:
    """A question and its shortest answer for each fact, or now and then the answer as a sentence."""
    asked, answered = marks
    lines = []
    for fact in facts:
        if rng.random() < 0.15:
            lines.append(f"{asked}: {fact.ask(rng)}\n{answered} in a sentence: {fact.word(fact.attribute.sentence)}")
        else:
            lines.append(f"{asked}: {fact.ask(rng)}\n{answered}: {fact.answer}")
    return "\n".join(lines)


def passage(pool: Pool, rng: random.Random) -> tuple[str, list[Fact], Fact]:
    """A text about one to three subjects made up on the spot, the facts in it, and one that it does not tell."""
    facts: list[Fact] = []
    kind = rng.choice(("person", "place"))
    for _ in range(rng.choice((1, 2, 2, 3))):
        kind = kind if rng.random() < 0.7 else rng.choice(("person", "place"))
        facts += facts_about(subject_of(kind, pool, rng), kind, pool, rng, rng.randint(1, 3))
    told = facts[:-1] if len(facts) > 1 else facts
    missing = facts[-1] if len(facts) > 1 else facts_about(subject_of("person", pool, rng), "person", pool, rng, 1)[0]
    return sentences(told, rng), told, missing


def reading(pool: Pool, rng: random.Random) -> str:
    """A passage and questions that it answers, with now and then one that it does not."""
    text, told, missing = passage(pool, rng)
    asked = rng.sample(told, rng.randint(1, len(told)))
    body = questions(asked, rng)
    if rng.random() < 0.15:
        body += f"\nQuestion: {missing.ask(rng)}\nAnswer: {NOT_SAID}"
    return f"{text}\n{body}"


def guidebook(world: World, rng: random.Random) -> str:
    """One subject of a fixed world described, in one wording of many."""
    return sentences(list(rng.choice(world.subjects)), rng)


def quiz(world: World, rng: random.Random) -> str:
    """Questions about a fixed world with their answers, and no text to find them in."""
    return questions(rng.sample(world.facts, rng.randint(3, 6)), rng)


def letter(pool: Pool, rng: random.Random) -> str:
    """A short polite letter that passes on a fact or two."""
    writer, reader = rng.sample(pool.people, 2)
    kind = rng.choice(("person", "place"))
    facts = facts_about(subject_of(kind, pool, rng), kind, pool, rng, rng.randint(1, 2))
    opening = rng.choice(
        ("Thank you for your letter.", "Thank you for asking.", "It was good to hear from you.", "I am glad to help.")
    )
    closing = rng.choice(("I hope this helps you.", "Have a lovely day!", "Please write again soon.", "With kind wishes,"))
    return f"Dear {reader},\n{opening} {sentences(facts, rng)} {closing}\n{writer}"


SMALL_TALK = (
    ("Good morning!", "Good morning to you too."),
    ("Hello, how are you?", "I am well, thank you."),
    ("It is cold today.", "Yes, the wind comes from the sea."),
    ("What a fine day.", "It is, the sun is out at last."),
    ("I am going to the market.", "Do not forget your basket."),
    ("See you tomorrow.", "Until tomorrow, then."),
    ("Thank you.", "You are welcome."),
    ("I have a new hat.", "It suits you very well."),
    ("The bread is late again.", "The baker must have slept long."),
    ("Did you hear the bells?", "Yes, they rang for a long time."),
)


def small_talk(pool: Pool, rng: random.Random) -> str:
    """A few turns of chatter in the chat markers, so that their embeddings are not random when a method first needs them."""
    turns = []
    for said, replied in rng.sample(SMALL_TALK, rng.randint(1, 3)):
        if rng.random() < 0.4:
            said = f"{said} My name is {rng.choice(pool.people)}."
        turns.append(f"<|im_start|>user\n{said}<|im_end|>\n<|im_start|>assistant\n{replied}<|im_end|>\n")
    return "".join(turns)


KINDS: tuple[tuple[str, int], ...] = (
    ("reading", 34), ("exercise", 12), ("lookup", 10), ("cards", 6), ("sums", 12), ("compare", 3), ("stories", 4),
    ("tables", 5), ("guidebook", 7), ("quiz", 7), ("letter", 4), ("small_talk", 3),
)  # fmt: skip


def documents(seed: int) -> Iterator[str]:
    """Documents without end, the same for the same seed."""
    rng = random.Random(seed)
    pool, world = pools()["passing"], home()
    make: dict[str, Callable[[], str]] = {
        "reading": lambda: reading(pool, rng),
        "exercise": lambda: lists.exercise(pool, rng),
        "lookup": lambda: lists.lookup(pool, rng),
        "cards": lambda: lists.cards(pool, rng),
        "sums": lambda: sums.page(rng),
        "compare": lambda: sums.compare(rng),
        "stories": lambda: sums.stories(pool, rng),
        "tables": lambda: tables.page(pool, rng),
        "guidebook": lambda: guidebook(world, rng),
        "quiz": lambda: quiz(world, rng),
        "letter": lambda: letter(pool, rng),
        "small_talk": lambda: small_talk(pool, rng),
    }
    names, weights = zip(*KINDS, strict=True)
    while True:
        yield make[rng.choices(names, weights)[0]]()
