"""The verb that queues a bake-off, and what a worker does for one."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine import names
from engine.data import curate
from engine.deployments import setup as setups
from engine.deployments.setup import Setup
from engine.errors import BadInput
from engine.jobs import rewarded, submit
from engine.methods.method import Library, Reporter
from storage import datasets, runs
from storage.home import Home
from storage.records import Run

if TYPE_CHECKING:
    from engine.evaluation.grounding import Entails


def bake(
    home: Home,
    *,
    dataset: str,
    candidates: Sequence[Mapping[str, Any]],
    name: str | None = None,
    limit: int | None = None,
    max_tokens: int | None = None,
    variants: Sequence[str] = (),
    entailment: str = "",
    judge_address: str = "",
    judge: str = "",
    token: str | None = None,
) -> Run:
    """Queue a bake-off of ``candidates`` (each a name and a setup) on the questions of a data set, also asked in the ways ``variants``.

    Whether answers rest on their passages is decided by a rule about words, by the cross-encoder ``entailment``, or by the ``judge`` at
    ``judge_address``. Nothing is stored when anything about it is wrong; the same token queues only one.
    """
    from engine.evaluation import bakeoff, robustness

    data = curate.find(home, dataset)
    submit.check_measured(data, home, limit=limit, max_tokens=max_tokens)
    entered = bakeoff.candidates(home, candidates)
    for kind in variants:
        if kind not in robustness.KINDS:
            raise BadInput(f"There is no way {kind!r} to ask otherwise. There are: {', '.join(robustness.KINDS)}.")
    check_support(entailment, judge_address, judge)
    request = {
        "dataset_id": data.id,
        "candidates": [{"name": one.name, **setups.pinned(one.found).plain()} for one in entered],
        "limit": limit,
        "max_tokens": max_tokens,
        "variants": list(dict.fromkeys(variants)),
        "entailment": entailment,
        "judge_address": judge_address,
        "judge": judge,
    }
    called = names.check(name, "a bake-off") if name else names.made_from(f"{data.name} {len(entered)} ways")
    return runs.insert(home, kind="bakeoff", name=called, request=request, token=token)


def check_support(entailment: str, judge_address: str, judge: str) -> None:
    """BadInput where that cannot say what passages support."""
    if bool(judge_address) != bool(judge):
        raise BadInput("A judge needs its address and its name there. Give both or neither.")
    if judge and entailment:
        raise BadInput("Either an entailment model or a judge says what passages support. Name one of them.")
    if judge_address:
        rewarded.check_address(judge_address)


def support(request: Mapping[str, Any], library: Library) -> "Entails | None":
    """What decides whether a passage supports a claim; None is the rule about words."""
    from engine.evaluation import grounding

    if request.get("judge"):
        assert library.judge is not None
        return grounding.Judged(library.judge(request["judge_address"], request["judge"]))
    return grounding.entailment(request["entailment"]) if request["entailment"] else None


def work(home: Home, run: Run, reporter: Reporter, library: Library) -> dict[str, Any] | None:
    """Measure the candidates of a queued bake-off; its summary, or None when stopped."""
    from engine.evaluation import bakeoff, prompts
    from engine.generation.answers import MAX_TOKENS, Sampling

    request = run.request
    data = datasets.get(home, request["dataset_id"])
    if data is None:
        raise BadInput(f"The data set #{request['dataset_id']} is no longer there.")
    reporter.phase("reading")
    entails = support(request, library)  # first: a model that is not there is told before anything is asked
    found = bakeoff.bake(
        home, data, prompts.read(home, data, request["limit"]), bakeoff.candidates(home, request["candidates"]),
        sampling=Sampling.checked({"max_tokens": request["max_tokens"] or MAX_TOKENS}), reporter=reporter, run_id=run.id,
        limit=request["limit"], variants=request["variants"], entails=entails,
    )  # fmt: skip
    return found if found is None else {**found, "unread": getattr(entails, "unread", 0)}


def winner(run: Run, name: str) -> Setup:
    """The setup of one of a bake-off's candidates. BadInput names what there is."""
    there = {one["name"]: one for one in run.request.get("candidates", ())}
    if name not in there:
        raise BadInput(f"Run {run.id} has no candidate {name!r}. It has: {', '.join(there) or 'none'}.")
    return Setup.checked({key: value for key, value in there[name].items() if key != "name"})


def again(home: Home, run_id: int, token: str | None = None, **changes: Any) -> Run:
    """Queue a bake-off once more, with some of it changed: ``limit``, ``variants``, more ``candidates``."""
    run = submit.find(home, run_id)
    if run.kind != "bakeoff":
        raise BadInput(f"Run {run_id} is of the kind {run.kind}, not a bake-off.")
    told = {key: value for key, value in run.request.items() if key != "dataset_id"} | changes
    return bake(home, dataset=f"#{run.request['dataset_id']}", name=run.name, token=token, **told)
