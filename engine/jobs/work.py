"""What a worker does for each kind of run: one literal table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import hub, keys, machine, names, registry
from engine.data import curate
from engine.errors import NotFound
from engine.generation import ask
from engine.jobs import bakeoffs, checkpoints, indexing, labelling
from engine.jobs.reporter import RunReporter
from engine.methods import METHODS, loading
from engine.methods.method import Library, Training, parse_settings
from storage import datasets, events, files, models
from storage.home import Home
from storage.records import Dataset, Model, Run

LITTLE_MEMORY = 2_000_000_000  # bytes
EXPORTED = "exported.json"  # in the run's folder: what an export has written, so that one that was ended goes on
SHOWN = 8  # answers that a run which only samples shows
EXACT = {("sft", "cpu")}  # methods and devices on which resumed losses and weights were measured equal (tests/engine/jobs)


@dataclass(frozen=True)
class Outcome:
    """How a piece of work came out: figures, and whether it was stopped on the way."""

    summary: dict[str, Any] = field(default_factory=dict)
    stopped: bool = False


def make_room(home: Home, reporter: RunReporter) -> None:
    """Ask chat for its memory where training needs it: on a GPU, or when the machine has little left. It comes back by itself."""
    seen = machine.look(home)
    if (seen.gpu or seen.memory_free < LITTLE_MEMORY) and ask.release(home).freed:
        reporter.log("Chat gave its memory to this run; its models load again with the next question.")


def begin(home: Home, run: Run, reporter: RunReporter) -> Path | None:
    """The checkpoint that this attempt goes on from, if there is one; what the run showed beyond it is forgotten."""
    newest = checkpoints.newest_whole(home, run.id)
    for step in newest.damaged:
        checkpoints.drop(home, run.id, step)  # or it would count as one of those that are kept
        reporter.log(f"The checkpoint of step {step} was damaged and is gone.")
    if newest.folder is not None:
        reporter.checkpoint(newest.step, newest.folder)  # a kill may have come between its folder and its row
        exact = how_exact(run.request["method"], loading.device().name)
        reporter.log(f"Resuming from the checkpoint of step {newest.step}; {exact}.")
    if run.attempt > 1:
        events.forget_after(home, run.id, newest.step)
    return newest.folder


def how_exact(method: str, device: str) -> str:
    """Whether a resumed run makes the very losses of an undisturbed one, in the words of the log."""
    if (method, device) in EXACT:
        return f"exact on this {device.upper()}: the losses are those of a run that was not disturbed"
    return f"continued, not exact: that {method} resumes to the same losses on {device} was not measured"


def train(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Train by the run's recipe, from the newest whole checkpoint where there is one, and register the result."""
    recipe = run.recipe
    method = METHODS[recipe.method]
    dataset, model = _inputs(home, run)
    resume_from = begin(home, run, reporter)
    reporter.phase("checking the data")
    curate.verify(home, dataset)
    base, adapter = registry.places(home, model)
    make_room(home, reporter)
    trained = method.train(
        Training(
            settings=parse_settings(method.settings, recipe.settings),
            base=base,
            adapter=adapter,
            data=datasets.path(home, dataset.sha256),
            shape=dataset.shape,
            seed=recipe.seed,
            dtype=recipe.dtype,
            folder=home.run(run.id),
            resume_from=resume_from,
            reporter=reporter,
            library=library(home),
        )
    )
    if trained.summary.get("stopped"):
        return Outcome(dict(trained.summary), stopped=True)
    made = registry.register_trained(home, run, model, trained)
    return Outcome({**trained.summary, **_got(made).summary})


def library(home: Home) -> Library:
    """Where data sets and models lie that the settings of a run refer to."""

    def data(reference: str) -> tuple[Path, str]:
        found = curate.find(home, reference)
        curate.verify(home, found)
        return datasets.path(home, found.sha256), found.shape

    def judge(address: str, name: str) -> Callable[[list[dict[str, str]]], str]:
        from engine.evaluation.judge import Client, Judge

        return Client(Judge(address, name, judge_key(home))).ask

    return Library(data, lambda reference: registry.places(home, registry.find(home, reference)), judge)


def judge_key(home: Home) -> str:
    """The judge's key, or none."""
    return keys.read(home, keys.JUDGE, keys.JUDGE_VARIABLE) or ""


def measure(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Score a model on a data set, and another beside it where one is named."""
    from engine.evaluation import measure as measuring

    request = run.request
    dataset, _ = _inputs(home, run)
    measured = measuring.measure(
        home, request.get("subject") or f"#{request['model_id']}", dataset, limit=request.get("limit"),
        max_tokens=request.get("max_tokens") or measuring.MAX_TOKENS, reporter=reporter, run_id=run.id,
        against=request.get("against") or (f"#{request['against_id']}" if request.get("against_id") else None),
    )  # fmt: skip
    return Outcome(measured.summary()) if measured is not None else Outcome(stopped=True)


def judge(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Let the model answer each prompt twice and a judge say which answer is better, or once and the judge revise the answer;
    the pairs or the revised answers become a data set."""
    from engine.evaluation import feedback, revision
    from engine.evaluation.judge import Judge
    from engine.generation.answers import Sampling

    request = run.request
    dataset, model = _inputs(home, run)
    asked = feedback.Feedback(
        model, dataset,
        Judge(request["address"], request["judge"], judge_key(home)),
        request["principles"], request["limit"], Sampling.checked(request["sampling"]),
    )  # fmt: skip
    make_room(home, reporter)
    if request.get("revise"):
        rows = revision.revisions(home, asked, home.run(run.id), reporter)
        if rows is None:
            return Outcome(stopped=True)
        made = revision.freeze(home, rows, run.name, home.run(run.id))
        seen = revision.counts(rows)
        reporter.log(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in seen.items()))
        return Outcome({**seen, "dataset": made.title, "dataset_id": made.id})
    given = feedback.pairs(home, asked, home.run(run.id), reporter)
    said = feedback.verdicts(asked, given, home.run(run.id), reporter) if given is not None else None
    if given is None or said is None:
        return Outcome(stopped=True)
    seen = feedback.counts(given, said, request["limit"] or dataset.rows)
    reporter.log(", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in seen.items()))
    made = feedback.freeze(home, asked, given, said, run.name, home.run(run.id))
    return Outcome({**seen, "dataset": made.title, "dataset_id": made.id})


def sample(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Let the model answer each prompt several times; what is kept of the answers becomes a data set."""
    from engine.evaluation import prompts
    from engine.generation import fingerprint
    from engine.generation.answers import Sampling
    from engine.generation.weights import speaking
    from engine.rewards import recipe, samples, sources

    request, folder = run.request, home.run(run.id)
    dataset, model = _inputs(home, run)
    base, adapter = registry.places(home, model)
    make_room(home, reporter)
    drawn_on = sources.context(request, library(home), loading.device().name)
    parts = recipe.parse(request["rewards"], drawn_on) if request["rewards"] else ()
    drawing = samples.Drawing(
        prompts.asked(home, dataset, request["limit"]), request["answers"], Sampling.checked(request["sampling"]), parts
    )
    tokenizer = loading.load_tokenizer(fingerprint.tokenizer_folder(base, adapter))
    if not samples.draw(drawing, lambda: speaking(base, adapter), tokenizer, folder, reporter):
        return Outcome(stopped=True)
    found = samples.read(folder)
    for row in found.unique("place", keep="first", maintain_order=True).head(SHOWN).iter_rows(named=True):
        reporter.sample(0, str(drawing.rows[row["place"]]["prompt"][-1]["content"]), row["text"])
    kept = samples.rows(drawing, found, request["keep"], request["least"])
    made = curate.made(home, kept, run.name, samples.shape(request["keep"]), folder)
    return Outcome({**samples.figures(found), "kept": len(kept), "dataset": made.title, "dataset_id": made.id})


def _inputs(home: Home, run: Run) -> tuple[Dataset, Model]:
    """The data set and the model that the run works with; NotFound when one was deleted since."""
    request = run.request
    dataset, model = datasets.get(home, request["dataset_id"]), models.get(home, request["model_id"])
    if dataset is None or model is None:
        raise NotFound(f"The data set #{request['dataset_id']} or the model #{request['model_id']} is no longer there.")
    return dataset, model


def export(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Write a model as a folder, merged into its base where that is asked for."""
    model = registry.find(home, f"#{run.request['model_id']}")
    reporter.phase("merging" if run.request["merged"] else "writing")
    folder = registry.export(home, model, Path(run.request["folder"]), run.request["merged"], home.run(run.id) / EXPORTED)
    found = {"folder": str(folder), "bytes": files.size(folder)}
    if run.request.get("register"):
        found |= _got(
            registry.register_folder(home, folder, run.request["register"], f"{model.name}, merged", model.license)
        ).summary
    return Outcome(found)


def download(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Fetch a model from the hub and register it."""
    id = run.request["id"]
    told = [0.0]

    def progress(share: float) -> None:
        if share - told[0] >= 0.01 or share >= 1:
            told[0] = share
            reporter.phase("downloading", share)

    known = registry.at(home, hub.folder_of(home, id))
    if known is not None:  # its weights are never overwritten: adapters rest on them
        reporter.log(f"{id} is here already, as {known.name}. Delete that model first to fetch it anew.")
        return _got(known)
    license = hub.look_up(home, id).license
    reporter.phase("downloading", 0.0)
    folder = hub.download(home, id, progress, reporter.stop_requested)
    if folder is None:
        return Outcome(stopped=True)
    name = run.request.get("name") or names.made_from(id.split("/")[-1].lower())
    return _got(registry.register_folder(home, folder, name, id, license))


def pairs(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Let one or two models answer prompts, as pairs of a project of labelling."""
    make_room(home, reporter)
    return _kept(labelling.write_pairs(home, run, reporter))


def label(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Let a judge vote on the pairs of a project."""
    return _kept(labelling.vote(home, run, reporter, judge_key(home)))


def order(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Let a reward model say which pairs of a project are to be labelled first."""
    make_room(home, reporter)
    return _kept(labelling.arrange(home, run, reporter, library(home), loading.device().name))


def index(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Bring documents into an index, or take some out."""
    return _kept(indexing.work(home, run, reporter))


def bakeoff(home: Home, run: Run, reporter: RunReporter) -> Outcome:
    """Measure several ways to the same end on the same questions."""
    make_room(home, reporter)
    return _kept(bakeoffs.work(home, run, reporter, library(home)))


def _kept(found: dict[str, Any] | None) -> Outcome:
    """An outcome of figures; where there are none, the run was stopped."""
    return Outcome(stopped=True) if found is None else Outcome(found)


def _got(model: Model) -> Outcome:
    return Outcome({"model": model.name, "model_id": model.id, "fingerprint": model.fingerprint})


WORK: dict[str, Callable[[Home, Run, RunReporter], Outcome]] = {
    "train": train,
    "measure": measure,
    "judge": judge,
    "sample": sample,
    "export": export,
    "download": download,
    "pairs": pairs,
    "label": label,
    "order": order,
    "index": index,
    "bakeoff": bakeoff,
}
