"""Lists, look-ups and forms: short exercises in copying and selecting, which is what answering from a passage is made of."""

import json
import random

from engine.samples.facts import FOODS, GOODS, INSTRUMENTS, JOBS, PETS
from engine.samples.names import Pool

WORDS = tuple(sorted({word for words in (GOODS, JOBS, INSTRUMENTS, PETS, FOODS) for word in words}))
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def items(pool: Pool, rng: random.Random, low: int = 3, high: int = 6) -> list[str]:
    """Between ``low`` and ``high`` different words or names."""
    source = rng.choice((WORDS, WORDS, pool.people, pool.towns))
    return rng.sample(source, rng.randint(low, high))


def bullets(values: list[str]) -> str:
    return "\n".join(f"- {value}" for value in values)


def numbered(values: list[str]) -> str:
    return "\n".join(f"{i}. {value}" for i, value in enumerate(values, 1))


def exercise(pool: Pool, rng: random.Random) -> str:
    """A list and several things said about it, each on a line of its own."""
    values = items(pool, rng)
    place = rng.randrange(len(values))
    after = rng.randrange(len(values) - 1)
    lines = [
        f"first: {values[0]}",
        f"last: {values[-1]}",
        f"count: {len(values)}",
        f"{ORDINALS[place]}: {values[place]}",
        f"reversed: {', '.join(reversed(values))}",
        f"again: {', '.join(values)}",
        f"after {values[after]}: {values[after + 1]}",
        f"before {values[after + 1]}: {values[after]}",
        f"lines:\n{bullets(values)}",
        f"numbered:\n{numbered(values)}",
        f"without {values[place]}: {', '.join(v for v in values if v != values[place])}",
        f"json: {json.dumps(values)}",
    ]
    return f"List: {', '.join(values)}\n" + "\n".join(rng.sample(lines, rng.randint(4, 7)))


def lookup(pool: Pool, rng: random.Random) -> str:
    """Pairs of a key and a value, then the value of some keys and the key of some values."""
    keys = rng.sample(rng.choice((pool.people, pool.towns, WORDS)), rng.randint(3, 7))
    if rng.random() < 0.5:
        values = [str(n) for n in rng.sample(range(1, 1000 if rng.random() < 0.4 else 100), len(keys))]
    else:
        values = rng.sample(rng.choice((pool.people, pool.towns, WORDS)), len(keys))
    joint, between = rng.choice(((" = ", "; "), (": ", "\n"), (" -> ", ", "), (" has ", ". "), (" | ", "\n")))
    pairs = list(zip(keys, values, strict=True))
    text = between.join(f"{key}{joint}{value}" for key, value in pairs)
    asked = rng.sample(pairs, rng.randint(2, len(pairs)))
    return text + "\n" + "\n".join(f"{key}? {value}" if rng.random() < 0.8 else f"which {value}? {key}" for key, value in asked)


def form(values: dict[str, str | int], style: str) -> str:
    """``values`` as a form: ``json``, ``lines`` (``name: Tilda``) or ``csv`` (a header and a row)."""
    if style == "json":
        return json.dumps(values)
    if style == "lines":
        return "\n".join(f"{key}: {value}" for key, value in values.items())
    return ",".join(values) + "\n" + ",".join(str(value) for value in values.values())


def card(pool: Pool, rng: random.Random) -> tuple[str, dict[str, str | int]]:
    """A sentence about a person or a shop and the same facts as named values."""
    name, town, job, age = rng.choice(pool.people), rng.choice(pool.towns), rng.choice(JOBS), rng.randint(18, 90)
    goods, price = rng.choice(GOODS), rng.randint(2, 99)
    choice = rng.randrange(4)
    if choice == 0:
        return f"{name} is {age} years old and lives in {town}.", {"name": name, "age": age, "town": town}
    if choice == 1:
        return f"{name} from {town} works as a {job}.", {"name": name, "town": town, "job": job}
    if choice == 2:
        return f"In {town}, {name} sells {goods} for {price} coins.", {"name": name, "goods": goods, "price": price}
    return f"{name} is a {job} and {age} years old.", {"name": name, "job": job, "age": age}


def cards(pool: Pool, rng: random.Random) -> str:
    """A sentence and its facts in one or two kinds of form."""
    sentence, values = card(pool, rng)
    styles = rng.sample(("json", "json", "lines", "csv"), rng.randint(1, 2))
    return sentence + "\n" + "\n".join(f"as {style}:\n{form(values, style)}" for style in dict.fromkeys(styles))
