"""The nouns: what is stored, as frozen dataclasses. Times are UTC text in ISO 8601."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LIVE = ("queued", "running")
ENDED = ("succeeded", "failed", "stopped", "interrupted")
STATUSES = LIVE + ENDED
KINDS = ("train", "measure", "judge", "sample", "export", "download", "pairs", "label", "order", "index", "bakeoff")


@dataclass(frozen=True)
class Dataset:
    """One frozen version of rows. ``steps`` says what made it, ``problems`` what was left out and why."""

    id: int
    name: str
    version: int
    shape: str
    rows: int
    sha256: str
    parent_id: int | None
    steps: list[dict[str, Any]]
    problems: list[dict[str, Any]]
    bytes: int
    created_at: str

    @property
    def title(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Recipe:
    """All that decides a training, and nothing else may."""

    method: str
    model_id: int
    dataset_id: int
    settings: Mapping[str, Any]
    seed: int = 0
    dtype: str = "auto"
    where: str = "local"


@dataclass(frozen=True)
class Run:
    """One go at a piece of work and its life. ``request`` holds what its kind of work needs (a train run's is its recipe)."""

    id: int
    kind: str
    name: str
    status: str
    attempt: int  # how often a worker has had it; 0 before the first
    request: dict[str, Any]
    stop_requested: bool
    reason: str | None
    failure: str | None
    next_step: str | None
    summary: dict[str, Any]
    parent_id: int | None
    priority: float
    created_at: str
    started_at: str | None
    ended_at: str | None

    @property
    def recipe(self) -> Recipe:
        return Recipe(**self.request)


@dataclass(frozen=True)
class Chain:
    """Several stages on one road. ``waived`` names the stages whose bar need not be met."""

    id: int
    name: str
    request: dict[str, Any]
    status: str  # live, held (by a bar that was not met, or by what cannot be), stopped, done
    reason: str | None
    waived: tuple[str, ...]
    created_at: str
    held_by: str | None  # bar, input or other; None for one that is not held, or was held before this was kept


@dataclass(frozen=True)
class Metric:
    """The value of one series of a run at one step; ``seq`` rises with every write of the run."""

    series: str
    step: int
    value: float
    seq: int


@dataclass(frozen=True)
class Event:
    """Something that happened in a run: a phase, a log line, a sample, a checkpoint."""

    seq: int
    run_id: int
    at: str
    kind: str
    step: int | None
    body: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint of a run on disk."""

    run_id: int
    step: int
    path: str
    bytes: int
    created_at: str


@dataclass(frozen=True)
class Model:
    """Weights on disk and where they come from. An ``adapter`` speaks only together with its base."""

    id: int
    name: str
    kind: str  # "model" or "adapter"
    path: str
    base_id: int | None
    run_id: int | None
    fingerprint: str
    parameters: int
    bytes: int
    dtype: str
    context: int
    license: str | None
    template: str  # where the chat template comes from: "own" or "standard"
    source: str
    created_at: str
    task: str  # "language", or "reward" for one that gives answers a number


@dataclass(frozen=True)
class Interval:
    """A measured value with its 95 % interval and the number of items it rests on."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Evaluation:
    """One subject's score on one data set; its items are kept one by one. A subject is a model or a deployment of it."""

    id: int
    model_id: int
    dataset_id: int
    run_id: int | None
    value: float
    low: float
    high: float
    n: int
    settings: dict[str, Any] = field(default_factory=dict)
    created_at: str = ""
    deployment_id: int | None = None  # what was measured, where it was more than the model alone


@dataclass(frozen=True)
class PromptVersion:
    """One frozen wording of what stands around a question. ``body`` is engine/prompting's Body as JSON."""

    id: int
    name: str
    version: int
    parent_id: int | None
    sha256: str
    note: str
    created_at: str
    body: dict[str, Any]

    @property
    def title(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Index:
    """Documents cut into passages that can be searched. ``version`` rises with every change; older versions can still be searched."""

    id: int
    name: str
    settings: dict[str, Any]
    version: int
    documents: int
    passages: int
    sha256: str  # of the passages of this version and the settings
    created_at: str
    changed_at: str

    @property
    def title(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Passage:
    """A piece of a document: ``position`` counts from 0 within it, ``heading`` is the last one above it."""

    id: int
    document: str
    position: int
    heading: str
    text: str


@dataclass(frozen=True)
class Deployment:
    """A model with what stands around it, frozen: a prompt version, an index at one version, and in ``body`` the guards and how
    passages are searched. ``fingerprint`` hashes all of it, the weights' own fingerprint among it."""

    id: int
    name: str
    version: int
    model_id: int
    prompt_id: int | None
    index_id: int | None
    index_version: int | None
    fingerprint: str
    created_at: str
    body: dict[str, Any]

    @property
    def title(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Advice:
    """What the rubric advised on these answers; ``rubric`` is the hash of its rules. What was measured since hangs on its runs."""

    id: int
    rubric: str
    created_at: str
    answers: dict[str, Any]
    body: dict[str, Any]


@dataclass(frozen=True)
class Project:
    """A task of labelling: what is asked for, of whom how much, and the pairs below it."""

    id: int
    name: str
    settings: dict[str, Any]
    created_at: str


@dataclass(frozen=True)
class Pair:
    """A prompt (turns) with two answers. ``origin`` says for "first" and "second" who wrote them, with which weights and settings.

    ``raters`` people shall see it, ``missing`` of them have not yet; one with a known answer (``gold``) is shown to everybody.
    ``chosen_by`` says what put it into its place in the queue (engine/preferences/order.py), None where nothing did.
    """

    id: int
    project_id: int
    digest: str
    prompt: list[dict[str, Any]]
    first: str
    second: str
    origin: dict[str, Any]
    extra: dict[str, Any]
    gold: str | None
    raters: int
    missing: int
    place: float
    chosen_by: dict[str, Any] | None
    created_at: str


@dataclass(frozen=True)
class Showing:
    """A pair that is before a labeller, or the next one. ``flipped``: the second answer stands on the left.

    ``token`` names the one vote that can come of it; ``round`` is 0, or above where the labeller sees the pair again.
    """

    token: str
    project_id: int
    pair_id: int
    labeller: str
    round: int
    flipped: bool
    rank: float
    claimed_at: str
    displayed_at: str | None


@dataclass(frozen=True)
class Vote:
    """One labeller's choice between the two answers of a pair.

    ``choice`` is first, second, tie, bad (both are) or skip; ``strength`` 1 (slightly) or 2 (clearly); ``preference`` a number
    from 1 (the first) to 2 (the second) where it came with one; ``criteria`` the same choice for single respects; ``edited`` a
    better text of the chosen answer. ``kind`` is person or judge. ``round`` is -1 for a vote that decides between others.
    """

    seq: int
    token: str
    project_id: int
    pair_id: int
    labeller: str
    kind: str
    round: int
    flipped: bool | None
    choice: str
    strength: int | None
    preference: float | None
    criteria: dict[str, str]
    reason: str
    edited: str | None
    seconds: float | None
    source: str
    extra: dict[str, Any]
    at: str
    undone_at: str | None
