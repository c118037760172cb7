"""Pairs whose answers models write themselves: any one or two voices, each with its own weights, decoding and system prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import registry
from engine.errors import BadInput
from engine.evaluation import prompts
from engine.generation import fingerprint as prints
from engine.generation.answers import Sampling
from engine.generation.weights import speaking
from engine.methods import loading
from engine.methods.method import Reporter
from engine.preferences.pairs import NewPair
from engine.preferences.values import topic
from engine.rewards import samples
from engine.rewards.samples import Drawing
from storage.home import Home
from storage.records import Dataset, Model

LONGEST_SYSTEM = 20_000


@dataclass(frozen=True)
class Voice:
    """Who answers, and how."""

    model: Model
    sampling: Sampling
    system: str = ""

    def stored(self) -> dict[str, Any]:
        """As a run's request holds it."""
        s = self.sampling
        drawn = {"seed": s.seed, "temperature": s.temperature, "top_p": s.top_p, "max_tokens": s.max_tokens}
        return {"name": self.model.name, "model_id": self.model.id, "sampling": drawn, "system": self.system}

    def origin(self, run_id: int | None, fingerprint: str) -> dict[str, Any]:
        """What a pair keeps of who wrote an answer; ``fingerprint`` is that of the files that spoke."""
        return {**self.stored(), "fingerprint": fingerprint, "run_id": run_id}


def read(home: Home, stored: Mapping[str, Any]) -> Voice:
    """The voice that a run's request holds; NotFound where its model, or the checkpoint it named, is gone. A checkpoint has a name
    and no number."""
    model = registry.speaker(home, f"#{stored['model_id']}" if stored["model_id"] else stored["name"])
    return Voice(model, Sampling.checked(stored["sampling"]), stored["system"])


def voices(home: Home, models: Sequence[str], given: Sequence[Mapping[str, Any]], systems: Sequence[str]) -> tuple[Voice, Voice]:
    """The two voices of a sampling from one or two models; the second draws with another seed where nothing else differs.

    ``given`` and ``systems`` are the decoding and the system prompt of each, or one for both. BadInput where both would always
    say the same.
    """
    for what, those in (("models", models), ("decodings", given), ("system prompts", systems)):
        if not 1 <= len(those) <= 2:
            raise BadInput(f"A pair has two answers: name one or two {what}, not {len(those)}.")
    found = []
    for place in range(2):
        model = registry.speaker(home, models[min(place, len(models) - 1)])
        sampling = Sampling.checked({"temperature": 1.0, **given[min(place, len(given) - 1)]})
        system = systems[min(place, len(systems) - 1)].strip()
        if len(system) > LONGEST_SYSTEM:
            raise BadInput(f"A system prompt has at most {LONGEST_SYSTEM:,} characters, not {len(system):,}.")
        found.append(Voice(model, sampling, system))
    first, second = found
    if (first.model.path, first.system, first.sampling) == (second.model.path, second.system, second.sampling):
        if second.sampling.temperature == 0:
            raise BadInput("At temperature 0 both answers to a prompt are the same. Take a higher one, or two models.")
        again = Sampling.checked({**second.stored()["sampling"], "seed": second.sampling.seed + 1})
        second = Voice(second.model, again, second.system)
    return first, second


def draw(
    home: Home, asked: tuple[Voice, Voice], dataset: Dataset, limit: int | None, folder: Path, reporter: Reporter, run_id: int | None = None
) -> tuple[list[NewPair], int] | None:  # fmt: skip
    """Answers of both voices to each prompt as pairs, and how many were the same and are none; None when stopped.

    What was drawn lies in ``folder``, so a run that was ended goes on where it was.
    """
    rows = prompts.asked(home, dataset, limit)
    told, origins = [], []
    for place, voice in enumerate(asked):
        system = [{"role": "system", "content": voice.system}] if voice.system else []
        questions = [
            {**row, "prompt": [*system, *(t for t in row["prompt"] if not system or t["role"] != "system")]} for row in rows
        ]
        base, adapter = registry.places(home, voice.model)
        tokenizer = loading.load_tokenizer(prints.tokenizer_folder(base, adapter))
        marked = prints.fingerprint(base, adapter, prints.template_of(base, adapter).text, voice.model.dtype)
        origins.append(voice.origin(run_id, marked))
        own = folder / f"voice-{place + 1}"
        reporter.log(f"{voice.model.name} answers {len(rows)} prompts.")
        if not samples.draw(
            Drawing(questions, 1, voice.sampling), lambda base=base, adapter=adapter: speaking(base, adapter), tokenizer, own, reporter
        ):  # fmt: skip
            return None
        told.append(samples.read(own)["text"].to_list())
    # a system prompt that both had belongs to the question
    shared = [{"role": "system", "content": asked[0].system}] if asked[0].system == asked[1].system != "" else []
    pairs = [
        NewPair([*shared, *row["prompt"]], first, second, {"first": origins[0], "second": origins[1]}, topic(row))
        for row, first, second in zip(rows, *told, strict=True)
        if first.strip() != second.strip()
    ]
    return pairs, len(rows) - len(pairs)
