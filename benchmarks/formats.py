"""``python -m benchmarks.formats``: how often a small JSON object comes out right, by what is done about it.

Each model is asked alone, with a validator and retries, held to the schema while it writes, and both; then all of it once more with
every question paraphrased. Claimed: at least 99 % are valid where answers are held to the schema, for any model.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine import registry
from engine.evaluation.intervals import wilson
from engine.generation import batch
from engine.generation import fingerprint as prints
from engine.generation.answers import Sampling
from engine.generation.constraint import Grammar
from engine.generation.weights import speaking
from engine.methods import loading
from engine.prompting.guards import Guards, problems, retold
from engine.prompting.variants import variant
from storage.home import Home

POCKET = Path(__file__).resolve().parents[1] / "assets" / "pocket"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "kind": {"enum": ["person", "place"]},
        "age": {"type": "integer", "minimum": 0, "maximum": 999},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["name", "kind", "age", "tags"],
    "additionalProperties": False,
}
GUARDS = Guards.checked({"checks": [{"kind": "json_schema", "schema": SCHEMA}], "retries": 2})
ROOM, WARMTH, CLAIM = 96, 0.7, 0.99  # tokens of an answer, temperature, and the share that is claimed
WAYS = {"alone": (False, 0), "validators": (False, GUARDS.retries), "constrained": (True, 0), "both": (True, GUARDS.retries)}
PEOPLE = ("Mara", "Tomas", "Edda", "Ilan", "Ruth", "Bo", "Nele", "Oskar", "Pia", "Viktor")
PLACES = ("Oster", "Tell", "Haven", "Norrby", "Lindau", "Saltmere", "Fairwick", "Duneholm", "Birk", "Westry")
WORDS = ("bread", "boats", "lamps", "clay", "wool", "apples", "maps", "bells", "glass", "honey")


def questions(count: int, seed: int = 0) -> list[str]:
    """So many requests for an object about a person or a place."""
    return [question for question, _ in demonstrations(count, seed)]


def demonstrations(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """So many requests, each with the object that is asked for."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        name, (first, second) = chance.choice((*PEOPLE, *PLACES)), chance.sample(WORDS, 2)
        what, age = ("place" if name in PLACES else "person"), chance.randint(3, 99)
        question = (
            f"Write a JSON object with name, kind (person or place), age and tags (a list of words) for this: {name} is a {what}, "
            f"{age} years old, known for {first} and {second}."
        )
        told = {"name": name, "kind": what, "age": age, "tags": [first, second]}
        made.append((question, json.dumps(told, separators=(",", ":"))))
    return made


def share(model: Any, tokenizer: Any, asked: Sequence[str], constrained: bool, retries: int) -> list[bool]:
    """Whether each question got a valid object in the end."""
    grammar = Grammar.of({"json_schema": SCHEMA}, tokenizer, model.get_input_embeddings().num_embeddings) if constrained else None
    turns: list[list[dict[str, Any]]] = [[{"role": "user", "content": question}] for question in asked]
    live, valid = list(range(len(asked))), [False] * len(asked)
    for attempt in range(retries + 1):
        prompts = [batch.encode(tokenizer, turns[i]) for i in live]
        sampling = Sampling(max_tokens=ROOM, temperature=WARMTH, seed=attempt)
        done = batch.complete(model, tokenizer, prompts, sampling, constraints=[grammar] * len(live))
        failed = []
        for i, answer in zip(live, done, strict=True):
            found = problems(GUARDS, answer.text, {"prompt": asked[i]})
            valid[i] = not found and answer.ended
            if not valid[i]:
                reasons = found or ["The answer was too long."]
                turns[i] = [{"role": "user", "content": asked[i]}, *retold(answer.text[:300], reasons)]
                failed.append(i)
        live = failed
        if not live:
            break
    return valid


def _pocket() -> tuple[Any, Any]:
    return speaking(POCKET, None), loading.load_tokenizer(POCKET)


def _random(family: str, vocabulary: int) -> tuple[Any, Any]:
    """Random weights of a family; with a vocabulary of its own where it is not Pocket's."""
    import torch
    import transformers

    if vocabulary == 1024:
        tokenizer = loading.load_tokenizer(POCKET)
    else:
        from engine.samples import tokenizer as samples

        with tempfile.TemporaryDirectory() as folder:
            samples.train([*questions(200), json.dumps(SCHEMA)], Path(folder), vocabulary=vocabulary, context=1024)
            tokenizer = loading.load_tokenizer(folder)
    said: dict[str, Any] = {
        "vocab_size": vocabulary, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4,
        "max_position_embeddings": 1024, "eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 0, "initializer_range": 0.2,
        "tie_word_embeddings": False,
    }  # fmt: skip
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**said)
    return getattr(transformers, f"{family}ForCausalLM")(config).eval(), tokenizer


def _tuned(home: str, name: str) -> tuple[Any, Any]:
    there = Home.resolve(home)
    base, adapter = registry.places(there, registry.find(there, name))
    return speaking(base, adapter), loading.load_tokenizer(prints.tokenizer_folder(base, adapter))


@contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' progress bars."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    yield


def measure(name: str, made: Callable[[], tuple[Any, Any]], count: int) -> bool:
    """One model's table; whether the claim holds for it."""
    model, tokenizer = made()
    plain = questions(count)
    asked = {"as asked": plain, "paraphrased": [variant(question, "paraphrase", seed=1).question for question in plain]}
    holds = True
    for how, given in asked.items():
        for way, (constrained, retries) in WAYS.items():
            valid = share(model, tokenizer, given, constrained, retries)
            told = wilson(sum(valid), len(valid))
            holds = holds and (not constrained or told.value >= CLAIM)
            print(f"{name:<14} {how:<12} {way:<12} {told.value:7.1%}  [{told.low:.1%}, {told.high:.1%}]  n {told.n}", flush=True)
    return holds


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 1 where the claim does not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.formats", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--model", action="append", help="pocket, llama, neox or tuned; may be repeated; all by default")
    parser.add_argument("--count", type=int, default=200, help="how many questions")
    parser.add_argument("--home", help="the home of a tuned model that is measured too")
    parser.add_argument("--tuned", metavar="NAME", help="the name of that model in its home")
    parser.add_argument(
        "--write", metavar="FILE", help="write 2,000 demonstrations of other questions, to tune a model on, and end"
    )
    given = parser.parse_args(arguments)
    if given.write:
        known = set(questions(given.count))
        rows = [{"prompt": q, "completion": a} for q, a in demonstrations(2000, seed=1) if q not in known]
        Path(given.write).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return 0
    subjects: dict[str, Callable[[], tuple[Any, Any]]] = {
        "pocket": _pocket, "llama": lambda: _random("Llama", 1024), "neox": lambda: _random("GPTNeoX", 500),
    }  # fmt: skip
    if given.home and given.tuned:
        subjects["tuned"] = lambda: _tuned(given.home, given.tuned)
    else:
        print("A tuned model is left out: --home and --tuned name one.")
    if unknown := [name for name in given.model or () if name not in subjects]:
        print(f"There is no model {unknown[0]!r} here. There are: {', '.join(subjects)}.", file=sys.stderr)
        return 2
    with quiet():
        holds = [measure(name, subjects[name], given.count) for name in given.model or subjects]
    print(f"Valid in at least {CLAIM:.0%} of answers held to the schema: {'yes' if all(holds) else 'NO'}.")
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
