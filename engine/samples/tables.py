"""Small tables and short SQL about them."""

import random

from engine.samples.facts import FOODS, GOODS, JOBS
from engine.samples.names import Pool

TABLES = {
    "people": ("name", "town", "job", "age"),
    "shops": ("name", "town", "goods", "price"),
    "guests": ("name", "food", "age", "room"),
    "trades": ("goods", "town", "price", "year"),
}
NUMERIC = ("age", "price", "room", "year")


def _value(column: str, pool: Pool, rng: random.Random) -> str:
    words = {"town": pool.towns, "job": JOBS, "goods": GOODS, "food": FOODS, "name": pool.people}
    return rng.choice(words[column])


def query(pool: Pool, rng: random.Random) -> tuple[str, str, str]:
    """A table's declaration, a request in English and the SQL that answers it."""
    table, columns = rng.choice(list(TABLES.items()))
    head = f"{table}({', '.join(columns)})"
    shown = rng.choice([c for c in columns if c not in NUMERIC])
    if rng.random() < 0.5:
        column = rng.choice([c for c in columns if c not in NUMERIC and c != shown])
        value = _value(column, pool, rng)
        condition, words = f"{column} = '{value}'", f"{column} is {value}"
    else:
        column = rng.choice([c for c in columns if c in NUMERIC])
        number = rng.randint(2, 99)
        sign, word = rng.choice(((">", "more than"), ("<", "less than")))
        condition, words = f"{column} {sign} {number}", f"{column} is {word} {number}"
    if rng.random() < 0.25:
        return head, f"how many {table} where {words}", f"SELECT COUNT(*) FROM {table} WHERE {condition};"
    return head, f"the {shown} of {table} where {words}", f"SELECT {shown} FROM {table} WHERE {condition};"


def page(pool: Pool, rng: random.Random) -> str:
    """Two or three requests with their SQL."""
    written = [query(pool, rng) for _ in range(rng.randint(2, 3))]
    return "\n".join(f"{head}\n-- {request}\n{sql}" for head, request, sql in written)
