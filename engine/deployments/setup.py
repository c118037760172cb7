"""What is to answer: a model, and what is put around it. A setup is written down by a person; found, it is pinned to versions."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from engine import registry
from engine.errors import BadInput
from engine.prompting import versions
from engine.prompting.guards import Guards
from engine.prompting.templates import Body
from engine.retrieval import indexes
from engine.retrieval.search import WAYS
from storage.home import Home
from storage.records import Deployment, Index, Model, PromptVersion

MOST_PASSAGES = 50
# what a question is wrapped in where passages are looked up and no prompt version says how
PASSAGES_FIRST = Body(template="{passages}\nUse only the text above. {question}")
KINDS = ("base", "prompt", "guards", "retrieval", "tuned", "combined")  # from the cheapest on


@dataclass(frozen=True)
class Setup:
    """A model by name, and by name the prompt version, index and guards around it; "" and none mean that there is nothing."""

    model: str
    prompt: str = ""
    index: str = ""
    passages: int = 3
    by: str = "both"
    guards: Guards = field(default_factory=Guards)

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> "Setup":
        """A setup from JSON. BadInput names what it does not take."""
        known = {one.name for one in fields(cls)}
        if unknown := set(given) - known:
            raise BadInput(f"A candidate takes {', '.join(sorted(known))}, not {', '.join(sorted(unknown))}.")
        for name in ("model", "prompt", "index", "by"):
            if not isinstance(given.get(name, ""), str):
                raise BadInput(f"{name} takes a name, not {given[name]!r}.")
        if not given.get("model"):
            raise BadInput("A candidate needs a model. Name one, like model=pocket.")
        if given.get("by", cls.by) not in WAYS:
            raise BadInput(f"Passages are found by {', '.join(WAYS)}, not by {given['by']!r}.")
        passages = given.get("passages", cls.passages)
        if isinstance(passages, bool) or not isinstance(passages, int) or not 1 <= passages <= MOST_PASSAGES:
            raise BadInput(f"passages takes a whole number from 1 to {MOST_PASSAGES}, not {passages!r}.")
        guards = given.get("guards") or {}
        return cls(**{**given, "passages": passages, "guards": Guards.checked(guards) if isinstance(guards, Mapping) else guards})

    def plain(self) -> dict[str, Any]:
        """The setup as JSON can hold it."""
        return {**{k: v for k, v in asdict(self).items() if k != "guards"}, "guards": self.guards.plain()}


@dataclass(frozen=True)
class Found:
    """A setup with everything it names found, the index at one of its versions."""

    setup: Setup
    model: Model
    prompt: PromptVersion | None
    body: Body
    index: Index | None
    version: int | None
    deployment: Deployment | None = None

    @property
    def guards(self) -> Guards:
        return self.setup.guards

    @property
    def guarded(self) -> bool:
        """Whether answers are looked at before they are given, or written under a grammar."""
        return bool(self.guards.checks or self.guards.constrain)

    @property
    def bare(self) -> bool:
        """Whether there is nothing around the model."""
        return self.prompt is None and self.index is None and not self.guarded

    @property
    def kind(self) -> str:
        """One of KINDS: what it takes beside asking a base model."""
        tuned, around = self.model.run_id is not None, not self.bare
        if tuned:
            return "combined" if around else "tuned"
        if self.index is not None:
            return "retrieval"
        return "guards" if self.guarded else "prompt" if self.prompt is not None else "base"

    @property
    def name(self) -> str:
        """What it is called where nobody gave it a name."""
        if self.deployment is not None:
            return self.deployment.title
        parts = [self.model.name]
        parts += [self.prompt.title] if self.prompt is not None else []
        parts += [self.index.name] if self.index is not None else []
        return " + ".join(parts + (["guards"] if self.guarded else []))

    @property
    def reference(self) -> str:
        """What names it so that it stays the same: the deployment's version, or the model's #id."""
        return self.deployment.title if self.deployment is not None else self.reference_of_weights

    @property
    def reference_of_weights(self) -> str:
        """What names the model alone."""
        return f"#{self.model.id}" if self.model.id else self.model.name

    @property
    def fingerprint(self) -> str:
        """A SHA-256 in hexadecimal over all that decides an answer: weights, prompt, the passages there are, how they are searched, and
        the guards."""
        facts = {
            "weights": self.model.fingerprint,
            "prompt": self.prompt.sha256 if self.prompt is not None else None,
            "index": [self.index.sha256, self.version, self.setup.passages, self.setup.by] if self.index is not None else None,
            "guards": self.guards.plain(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def find(home: Home, setup: Setup, deployment: Deployment | None = None) -> Found:
    """What a setup names; NotFound says what is missing and what there is."""
    prompt = versions.find(home, setup.prompt) if setup.prompt else None
    there, version = index(home, setup.index) if setup.index else (None, None)
    if prompt is not None:
        body = Body.checked(prompt.body)
    else:
        body = PASSAGES_FIRST if there is not None else Body()
    return Found(setup, registry.speaker(home, setup.model), prompt, body, there, version, deployment)


def pinned(found: Found) -> Setup:
    """The setup with what it names by version, so that later ones do not change it."""
    return replace(
        found.setup,
        model=found.reference_of_weights,
        prompt=found.prompt.title if found.prompt is not None else "",
        index=f"{found.index.name}@{found.version}" if found.index is not None else "",
    )


def index(home: Home, reference: str) -> tuple[Index, int]:
    """The index that ``name`` or ``name@version`` means, as it stands or stood at that version, and the version."""
    name, at, version = reference.rpartition("@")
    found = indexes.find(home, name if at and version.isdecimal() else reference)
    number = int(version) if at and version.isdecimal() else found.version
    return indexes.at(home, found, number), number
