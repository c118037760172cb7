"""Questions that Pocket cannot answer by itself but a tool can: sums too large for it, and a table that it has never seen."""

import itertools
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.evaluation.queries import Tables
from engine.samples import sums
from engine.samples.facts import GOODS
from engine.tools.calculator import calculate
from engine.tools.table import TOOLS

SUM = re.compile(r"\d+ [-+*] \d+")
TABLE = "Table stock(item, price, number)."


@dataclass(frozen=True)
class Question:
    """What is asked, the call that answers it, what that gives, and the statements that make the table where there is one."""

    prompt: str
    tool: str
    argument: str
    answer: str
    database: str | None = None


def question(rng: random.Random) -> Question:
    """A sum for the calculator, or a question about a small table. No sum that is measured elsewhere stands in it."""
    if rng.random() < 0.5:
        return _table(rng)
    while any(map(sums.held_out, SUM.findall((drawn := _sum(rng)).argument))):
        pass
    return drawn


def _sum(rng: random.Random) -> Question:
    a, b, c = rng.randint(11, 99), rng.randint(11, 99), rng.randint(101, 999)
    goods = rng.choice(GOODS)
    expression, forms = rng.choice(
        (
            (f"{a} * {b}", ("What is {e}?", "Work out {e}.", f"A crate holds {a} {goods}. How many {goods} are in {b} crates?")),
            (f"{c} * {a}", ("What is {e}?", "Work out {e}.", f"One of {a} boats brings {c} {goods}. How many do all bring?")),
            (f"({a} + {b}) * {c}", ("What is {e}?", "Work out {e}.")),
            (f"{c} - {a} - {b}", ("What is {e}?", f"Of {c} {goods}, {a} are sold and {b} are lost. How many are left?")),
        )
    )
    return Question(rng.choice(forms).format(e=expression), "calculator", expression, calculate(expression))


def _table(rng: random.Random) -> Question:
    goods = rng.sample(GOODS, rng.randint(3, 6))
    rows = list(zip(goods, rng.sample(range(2, 99), len(goods)), rng.sample(range(2, 99), len(goods)), strict=True))
    values = ", ".join(f"('{item}', {price}, {number})" for item, price, number in rows)
    database = f"CREATE TABLE stock (item TEXT, price INTEGER, number INTEGER); INSERT INTO stock VALUES {values};"
    item, price, _ = rng.choice(rows)
    (sign, word), bound = rng.choice(((">", "above"), ("<", "below"))), rng.randint(20, 80)
    asked, query = rng.choice(
        (
            (f"How many {item} are there?", f"SELECT number FROM stock WHERE item = '{item}';"),
            (f"What is the price of {item}?", f"SELECT price FROM stock WHERE item = '{item}';"),
            (f"Which item has the price {price}?", f"SELECT item FROM stock WHERE price = {price};"),
            (f"How many items have a price {word} {bound}?", f"SELECT COUNT(*) FROM stock WHERE price {sign} {bound};"),
            (f"What are all the {item} worth together?", f"SELECT price * number FROM stock WHERE item = '{item}';"),
        )
    )
    return Question(f"{TABLE} {asked}", "lookup", query, _found(database, query), database)


def _found(database: str, query: str) -> str:
    tables = Tables(database)
    try:
        return str(tables.rows(query)[0][0])
    finally:
        tables.close()


def told(asked: Question) -> dict[str, Any]:
    """A conversation in which the question is answered by the call, for SFT."""
    tool = TOOLS[asked.tool]
    call = {"type": "function", "function": {"name": tool.name, "arguments": {next(iter(tool.parameters)): asked.argument}}}
    turns = [
        {"role": "user", "content": asked.prompt},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": tool.name, "content": asked.answer},
        {"role": "assistant", "content": asked.answer},
    ]
    return {"messages": turns, "tools": list(TOOLS)}


def posed(asked: Question) -> dict[str, Any]:
    """The question with its tools, table and check, for reinforcement learning and measuring."""
    row = {
        "prompt": asked.prompt,
        "tools": list(TOOLS),
        "answer": asked.answer,
        "check": json.dumps({"kind": "exact", "value": asked.answer}),
    }
    return row | {"database": asked.database}


def sets(rng: random.Random, sizes: Sequence[int]) -> list[list[Question]]:
    """So many sets of questions, of these sizes; no sum, and no query of the same table, stands in them twice."""
    found: dict[str, Question] = {}
    while len(found) < sum(sizes):
        made = question(rng)
        found.setdefault(f"{made.argument} {made.database}", made)
    every = iter(found.values())
    return [list(itertools.islice(every, size)) for size in sizes]
