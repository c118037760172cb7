"""What goes between the host and those who ask it. Plain facts, light to import; nothing here computes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import BadInput

MAX_TOKENS = 256  # of an answer, where nothing is said
ROLES = ("system", "developer", "user", "assistant", "tool")
BOUNDS = {  # of what a sampling may ask for, both ends included
    "seed": (-(2**63), 2**63 - 1),
    "temperature": (0.0, 10.0),
    "top_p": (0.0, 1.0),
    "max_tokens": (1, 10_000_000),
}
MOST_STOPS = 16
MOST_SIDES = 4  # of one comparison
ENDED = ("done", "stopped", "failed")
OWN = ""  # the chat template that a model brings with it; TEMPLATES names the others
TEMPLATES = ("standard", "plain")


@dataclass(frozen=True)
class Address:
    """Where the host listens and the secret that opens it."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. Temperature 0 takes the likeliest; the text ends before the first of the ``stop`` strings."""

    seed: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = MAX_TOKENS
    stop: tuple[str, ...] = ()

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> "Sampling":
        """A sampling from what was asked for; what is missing or null takes its default. BadInput names the value that is off."""
        values: dict[str, Any] = {}
        for name, (low, high) in BOUNDS.items():
            value = given.get(name)
            if value is None:
                continue
            whole = name in ("seed", "max_tokens")
            number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not number or not low <= value <= high:
                bounds = f"whole number from {low:,} to {high:,}" if whole else f"number from {low:g} to {high:g}"
                raise BadInput(f"{name} takes a {bounds}, not {value!r}.")
            values[name] = value
        stop = given.get("stop") or ()
        stop = (stop,) if isinstance(stop, str) else stop
        if not isinstance(stop, list | tuple) or len(stop) > MOST_STOPS or not all(isinstance(s, str) and s for s in stop):
            raise BadInput(f"stop takes up to {MOST_STOPS} texts that are not empty, not {stop!r}.")
        return cls(**values, stop=tuple(stop))


@dataclass(frozen=True)
class Prompt:
    """What a model goes on from: the turns of a conversation, with the tools that may be called in it, or a text, or tokens.

    ``scores`` asks for the log-probability of each token that is said, beside so many alternatives; with ``echo`` also of each
    token that is read. ``constrain`` holds the answer to a grammar: ``{"json_schema": {...}}`` or ``{"regex": "..."}``.
    """

    messages: Sequence[Mapping[str, Any]] = ()
    tools: Sequence[Any] = ()
    text: str | None = None
    ids: Sequence[int] | None = None
    scores: int | None = None
    echo: bool = False
    template: str = OWN
    constrain: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # what the chat template is told beside the conversation


@dataclass(frozen=True)
class Asked:
    """What one model is to answer, and how: BadInput where ``template`` is none of TEMPLATES."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    sampling: Sampling = Sampling()
    template: str = OWN
    index: str = ""  # looked up before it answers: name or name@version

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Asked":
        """What ``dataclasses.asdict`` made ``body`` of, every value checked."""
        model, template, index = body.get("model"), body.get("template", OWN), body.get("index", "")
        if not isinstance(model, str) or not isinstance(body.get("sampling", {}), Mapping):
            raise BadInput("Each answer is asked for with model (a name), messages and sampling.")
        if template not in (OWN, *TEMPLATES):
            raise BadInput(f"template takes nothing, for the model's own, or {' or '.join(TEMPLATES)}, not {template!r}.")
        if not isinstance(index, str):
            raise BadInput(f"index takes the name of an index, not {index!r}.")
        return cls(model, checked_messages(body.get("messages")), Sampling.checked(body.get("sampling", {})), template, index)


@dataclass(frozen=True)
class Source:
    """A passage that stood before a question, by its number there; ``cited`` where the answer names it or rests on it."""

    number: int
    document: str
    heading: str
    text: str
    cited: bool = False


@dataclass(frozen=True)
class Answer:
    """One model's answer as it stands now, and which weights give it.

    ``model`` is what was asked; ``adapter`` the LoRA adapter that speaks on top of ``base``, or None where whole weights do.
    Times are seconds since the model began to read the prompt; ``waited`` are those before that, for its turn or its loading.
    """

    model: str
    adapter: str | None = None
    fingerprint: str = ""
    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    first_token_seconds: float | None = None
    status: str = "queued"  # queued, running, done, stopped or failed
    error: str | None = None
    base: str = ""
    dtype: str = ""  # what it was computed in
    prompt_tokens: int = 0
    finish: str | None = None  # stop or length, once it is done
    waited: float = 0.0
    waiting_for: str = ""  # in words, while queued
    sampling: Sampling = Sampling()
    differs: float | None = None  # an adapter from its base, in nats a token on a fixed text
    cached_tokens: int | None = 0  # of the prompt, not read again; None where these weights' cache cannot be kept
    template: str = OWN  # another one than the fingerprint tells
    outside: str = ""  # the address that gave it, where no weights of this home did: nothing proves what spoke there
    unheeded: tuple[str, ...] = ()  # of the sampling, what that address did not take
    deployment: str = ""  # name@version of what stood around the model
    sources: tuple[Source, ...] = ()  # the passages that it was given
    tries: int = 1
    refused: bool = False  # no try kept to what the deployment asks of answers
    problems: tuple[str, ...] = ()  # what was wrong with the last try

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Answer":
        """The answer that ``dataclasses.asdict`` made ``body`` of."""
        sampling = Sampling(**{**body["sampling"], "stop": tuple(body["sampling"]["stop"])})
        lists = {name: tuple(body.get(name, ())) for name in ("unheeded", "problems")}
        return cls(**{**body, **lists, "sampling": sampling, "sources": tuple(Source(**one) for one in body.get("sources", ()))})


@dataclass(frozen=True)
class Heat:
    """The tokens of an answer as texts, and the log-probability in nats of each under two models that read the same before it."""

    tokens: tuple[str, ...]
    scores: tuple[float, ...]
    base_scores: tuple[float, ...]

    @property
    def gain(self) -> float:
        """By how many nats the whole answer is likelier under the first model: DPO's implicit reward is beta times this (Rafailov
        et al. 2023, equation 5, without the part that is the same for all answers to a prompt)."""
        return sum(self.scores) - sum(self.base_scores)

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Heat":
        """The heat that ``dataclasses.asdict`` made ``body`` of."""
        return cls(*(tuple(body[name]) for name in ("tokens", "scores", "base_scores")))


@dataclass(frozen=True)
class Histogram:
    """``counts[i]`` rows lie in ``edges[i] <= length < edges[i + 1]``."""

    edges: tuple[int, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Preview:
    """A data set as one model's tokens. Where only ``sampled`` of its rows were read, cut and total_tokens are scaled up."""

    lengths: Histogram
    cut: int  # rows longer than the maximum length
    rows: int
    sampled: int
    total_tokens: int
    longest: int
    examples: list[list[tuple[str, bool]]]  # the first row, both sides of a pair, in runs of text and whether it carries loss
    template: str  # where the chat template comes from: own or standard

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Preview":
        """The preview that ``dataclasses.asdict`` made ``body`` of."""
        lengths = Histogram(tuple(body["lengths"]["edges"]), tuple(body["lengths"]["counts"]))
        return cls(
            **{**body, "lengths": lengths, "examples": [[(text, loss) for text, loss in side] for side in body["examples"]]}
        )


@dataclass(frozen=True)
class Released:
    """What the host gave back: bytes of weights now, and the bases that follow when the answers in progress end."""

    freed: int
    later: tuple[str, ...] = ()


def checked_messages(given: Any) -> list[dict[str, Any]]:
    """The turns of a conversation, each with a role and its text. BadInput says which turn is off and how."""
    if not isinstance(given, list) or not given:
        raise BadInput("There is nothing to answer: messages takes a list of at least one turn with role and content.")
    turns = []
    for n, turn in enumerate(given, 1):
        if not isinstance(turn, Mapping) or turn.get("role") not in ROLES:
            role = turn.get("role") if isinstance(turn, Mapping) else turn
            raise BadInput(f"Turn {n} has the role {role!r}. The roles are: {', '.join(ROLES)}.")
        content, more = turn.get("content"), _checked_calls(turn, n)
        if content is None and more.get("tool_calls"):
            content = ""
        if isinstance(content, list) and all(isinstance(p, Mapping) and p.get("type") == "text" for p in content):
            content = "".join(str(part.get("text", "")) for part in content)
        if not isinstance(content, str):
            raise BadInput(f"Turn {n} has no text: content is {type(content).__name__}. Only text can be answered.")
        turns.append({"role": turn["role"], "content": content, **more})
    return turns


def _checked_calls(turn: Mapping[str, Any], n: int) -> dict[str, Any]:
    """The calls of tools in a turn, their arguments read, and whose result it is."""
    kept = {name: turn[name] for name in ("name", "tool_call_id") if isinstance(turn.get(name), str)}
    if not turn.get("tool_calls"):
        return kept
    calls = []
    for call in turn["tool_calls"] if isinstance(turn["tool_calls"], list) else [None]:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise BadInput(f"Turn {n} calls a tool without a function's name: {str(call)[:100]}.")
        arguments = function.get("arguments") or {}
        try:
            arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        except ValueError:
            raise BadInput(f"Turn {n} calls {function['name']} with arguments that are not JSON: {arguments[:100]}.") from None
        calls.append({"type": "function", "function": {"name": function["name"], "arguments": arguments}})
    return {**kept, "tool_calls": calls}
