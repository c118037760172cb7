"""Small sums, written bare and as stories. Numbers are spelled digit by digit by the tokenizer."""

import hashlib
import random
import re
from dataclasses import dataclass

from engine.samples.facts import GOODS
from engine.samples.names import Pool


@dataclass(frozen=True)
class Sum:
    """An expression of whole numbers and what it comes to."""

    expression: str
    value: int


def held_out(text: str) -> bool:
    """Whether the sum in ``text`` is kept for measuring: a tenth of all, told by their numbers and sign in any order.

    Such a sum stands nowhere in what Pocket is trained on: not in the corpus, not in the rows for SFT or RL. Products are
    not measured: seven times eight does not follow from other products, it has to be told.
    """
    if "*" in text:
        return False
    numbers, signs = sorted(map(int, re.findall("[0-9]+", text))), sorted(c for c in text if c in "+-")
    return hashlib.sha256(f"{numbers} {signs}".encode()).digest()[0] < 26


def drill(rng: random.Random) -> Sum:
    """A sum that may be trained on."""
    while held_out((drawn := draw(rng)).expression):
        pass
    return drawn


def draw(rng: random.Random) -> Sum:
    """A sum of two or three numbers below 100, a difference that is not negative, or a product of digits."""
    kind = rng.choices(("small", "add", "subtract", "multiply", "three"), (2, 5, 4, 2, 2))[0]
    if kind == "small":
        a, b = rng.randint(0, 9), rng.randint(0, 9)
        return Sum(f"{a} + {b}", a + b)
    if kind == "multiply":
        a, b = rng.randint(2, 9), rng.randint(2, 9)
        return Sum(f"{a} * {b}", a * b)
    a, b = rng.randint(10, 99), rng.randint(2, 99)
    if kind == "add":
        return Sum(f"{a} + {b}", a + b)
    if kind == "subtract":
        a, b = max(a, b), min(a, b)
        return Sum(f"{a} - {b}", a - b)
    c = rng.randint(2, 30)
    return Sum(f"{a} + {b} + {c}", a + b + c)


BARE = ("{e} = {v}", "{e} = {v}", "{e} is {v}", "{e} makes {v}")
POSED = ("Find {e}: {e} = {v}", "The next is {e}. {e} = {v}", "To do: {e}\n{e} = {v}", "And {e}? {e} = {v}")


def page(rng: random.Random) -> str:
    """A page of sums, one after another: half of the pages pose each sum first and then write it out."""
    posed = rng.random() < 0.5
    sums = [drill(rng) for _ in range(rng.randint(1, 9) if posed else rng.randint(10, 18))]
    form = rng.choice(POSED if posed else BARE)
    return "\n".join(form.format(e=s.expression, v=s.value) for s in sums)


def compare(rng: random.Random) -> str:
    """Pairs of numbers with the larger and the smaller named, and short lists put in order."""
    lines = []
    for _ in range(rng.randint(3, 6)):
        a, b = rng.sample(range(1, 200), 2)
        lines.append(rng.choice((f"{a} or {b}, the larger: {max(a, b)}", f"{a} or {b}, the smaller: {min(a, b)}")))
    numbers = rng.sample(range(1, 100), rng.randint(3, 4))
    lines.append(f"{', '.join(map(str, numbers))} in order: {', '.join(map(str, sorted(numbers)))}")
    return "\n".join(lines)


def story(pool: Pool, rng: random.Random) -> tuple[str, str, int]:
    """A story, its question and the number that answers it."""
    name, other = rng.sample(pool.people, 2)
    goods, grows = rng.choice(GOODS), rng.random() < 0.5
    while held_out(f"{(a := rng.randint(3, 60))} {'+' if grows else '-'} {(b := rng.randint(2, 39))}"):
        pass
    if grows:
        text = rng.choice((f"{name} has {a} {goods} and buys {b} more.", f"{name} has {a} {goods}. {other} brings {b} {goods}."))
        return text, f"How many {goods} does {name} have now?", a + b
    a, b = max(a, b), min(a, b)
    text = rng.choice((f"{name} has {a} {goods} and sells {b}.", f"{name} has {a} {goods} and gives {b} to {other}."))
    return text, f"How many {goods} does {name} have now?", a - b


def stories(pool: Pool, rng: random.Random) -> str:
    """Two to four stories with question and answer."""
    told = [story(pool, rng) for _ in range(rng.randint(2, 4))]
    return "\n".join(f"{text}\nQuestion: {question}\nAnswer: {value}" for text, question, value in told)
