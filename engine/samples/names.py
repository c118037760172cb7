"""Invented names, split into pools that never mix, so that "never seen" is a property of the name and not of luck.

A name is a beginning and an ending ("Mar" + "lis"); every pair exists exactly once and belongs to one pool by its
place in a fixed shuffle. The tokenizer learns the beginnings and endings, so a new name is made of known tokens.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

PERSON_BEGINNINGS = (
    "Al An Ar Ba Be Bri Ca Cor Da Del Do Ed El Em Fa Fen Ga Gil Ha Hel Il In Jo Jul Ka Ker La Len Lo Ma Mar Mi Na Nor "
    "Ol Or Pa Per Ra Rol Sa Sel Ta Tor Ul Va Wil Za"
).split()
PERSON_ENDINGS = (
    "bin bert cas da dan den dor dra fred gan go la lan lia lin lis lo lon ma mir mond na nan nel ner nia ra ran ric rin "
    "ro rus sa sen so ta tan ter vin wen"
).split()
TOWN_BEGINNINGS = (
    "Ald Ash Bar Birch Black Brook Carl Clay Crow Dun East Elm Fair Fern Glen Gold Grey Hart Hay Hazel Kel King Lang Lin "
    "Long Mill Moss New North Oak Pen Red Rose Sand Silver Stone Thorn West White Wolf"
).split()
TOWN_ENDINGS = "bridge burn bury by combe dale field ford gate ham holm mere more ness port stead ton well wick wood".split()

# share of all names that a pool takes, in order; the rest is "passing": names for passages that are made once and forgotten
POOL_SHARES = {"home": 0.10, "new": 0.06, "held_out": 0.10}


@dataclass(frozen=True)
class Pool:
    """The person and town names that one part of the data may use."""

    people: tuple[str, ...]
    towns: tuple[str, ...]


def _split(beginnings: Sequence[str], endings: Sequence[str], seed: int) -> dict[str, tuple[str, ...]]:
    names = [beginning + ending for beginning in beginnings for ending in endings]
    random.Random(seed).shuffle(names)
    pools, start = {}, 0
    for pool, share in POOL_SHARES.items():
        stop = start + int(share * len(names))
        pools[pool] = tuple(names[start:stop])
        start = stop
    pools["passing"] = tuple(names[start:])
    return pools


def pools() -> dict[str, Pool]:
    """The pools by name: ``home`` (the world the base knows), ``new`` (facts it never saw), ``held_out`` (evaluation
    passages), ``passing`` (training passages). No name is in two pools."""
    people = _split(PERSON_BEGINNINGS, PERSON_ENDINGS, seed=11)
    towns = _split(TOWN_BEGINNINGS, TOWN_ENDINGS, seed=12)
    return {pool: Pool(people[pool], towns[pool]) for pool in people}
