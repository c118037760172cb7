"""``runs list | show | log | stop | resume | again | wait | reorder``."""

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

from engine.commands import output
from engine.errors import BadInput, RunFailed, TryLater
from engine.jobs import health, submit, supervisor
from storage import events, models, runs
from storage.home import Home
from storage.records import LIVE, Run

LOOK = 0.2  # seconds between two looks at a run
SHOWN = ("reward", "eval_reward", "kl", "loss", "eval_loss", "token_accuracy", "preference_accuracy", "eval_preference_accuracy")
PATIENCE = 25  # looks without an engine until the waiting ends


class Patience:
    """How long somebody waits for what the engine does: an engine that crashed is started again, and one that was stopped ends it."""

    def __init__(self) -> None:
        self.missed = 0

    def look(self, home: Home, what: str) -> None:
        """Wait until the next look. TryLater, with ``what`` is not done yet, where no engine has been there for a while."""
        if supervisor.crashed(home):
            supervisor.ensure(home)
        # one that was stopped stays so; it may be on its way up, and a look at the wrong moment is no proof
        self.missed = 0 if health.engine(home).running else self.missed + 1
        if self.missed > PATIENCE:
            raise TryLater(
                f"The engine has ended, and {what}. `make run` or `python -m engine serve` starts it again, and it goes on."
            )
        time.sleep(LOOK)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("runs", help="look at runs, stop and resume them").add_subparsers(required=True, metavar="WHAT")
    listed = group.add_parser("list", parents=[common], help="runs, newest first")
    listed.add_argument("--limit", type=int, default=50)
    listed.set_defaults(command=_list)
    for name, act, text in (
        ("show", _show, "everything about a run"),
        ("log", _log, "what a run wrote"),
        ("stop", _stop, "ask a run to stop and keep a checkpoint"),
        ("resume", _resume, "continue an ended run from its newest whole checkpoint"),
        ("wait", _wait, "wait for a run's end; exit code 4 when it fails"),
    ):
        one = group.add_parser(name, parents=[common], help=text)
        one.add_argument("run")
        one.set_defaults(command=_of_run(act))
    metrics = group.add_parser("metrics", parents=[common], help="the figures of a run in the order of writing, for scripts")
    metrics.add_argument("run")
    metrics.add_argument("--since", type=int, default=0, help="the number up to which they are known already")
    metrics.set_defaults(command=_of_run(_metrics))
    again = group.add_parser("again", parents=[common], help="queue a run's recipe once more, with changes")
    again.add_argument("run")
    again.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    again.set_defaults(command=_of_run(_again))
    order = group.add_parser("reorder", parents=[common], help="put these queued runs first, in this order")
    order.add_argument("run", nargs="+")
    order.set_defaults(command=_of_run(_reorder))


def pairs(option: str, given: list[str]) -> dict[str, str]:
    """What was written as KEY=VALUE; BadInput for what was not."""
    found = {}
    for pair in given:
        key, sign, value = pair.partition("=")
        if not sign:
            raise BadInput(f"{option} takes KEY=VALUE, not {pair!r}.")
        found[key.strip()] = value.strip()
    return found


def _of_run(act: Callable[[Home, argparse.Namespace], int]) -> Callable[[Home, argparse.Namespace], int]:
    """The command with the runs it names as numbers."""

    def command(home: Home, given: argparse.Namespace) -> int:
        several = isinstance(given.run, list)
        numbers = [submit.number(home, run) for run in (given.run if several else [given.run])]
        given.run = numbers if several else numbers[0]
        return act(home, given)

    return command


def _again(home: Home, given: argparse.Namespace) -> int:
    return queued(home, submit.again(home, given.run, pairs("--set", given.set)), given)


def queued(home: Home, run: Run, given: argparse.Namespace) -> int:
    """See that an engine takes the run; wait for its end where that was asked for."""
    supervisor.ensure(home)
    if getattr(given, "wait", False):
        return _finish(home, run.id, given.json)
    _print(home, run, given.json)
    return 0


def wait(home: Home, run_id: int) -> Run:
    """Wait until a run has ended, telling its phases and steps on the way. Ctrl-C ends the waiting, not the run."""
    try:
        return _watch(home, run_id)
    except KeyboardInterrupt:
        output.note(f"Run {run_id} goes on. `runs wait {run_id}` waits for it again, `runs stop {run_id}` stops it.")
        raise


def _watch(home: Home, run_id: int) -> Run:
    told, patience = "", Patience()
    while True:
        run = submit.find(home, run_id)
        if run.status not in LIVE:
            return run
        view = health.view(home, run)
        text = f"run {run_id} {run.status}: {view.phase or 'waiting'}" + (
            f", step {view.step} of {view.steps}" if view.steps else ""
        )
        if text != told and (view.phase != "training" or view.step % 10 == 0):
            output.note(text)
            told = text
        patience.look(home, f"run {run_id} is still {run.status}")


def raise_if_failed(run: Run) -> None:
    """RunFailed, with the reason and what to do next, for a run that ended badly."""
    if run.status != "succeeded":
        raise RunFailed(f"Run {run.id} {run.status}: {run.reason} {run.next_step or ''}".strip(), run.failure or "killed")


def _finish(home: Home, run_id: int, as_json: bool) -> int:
    run = wait(home, run_id)
    _print(home, run, as_json)
    raise_if_failed(run)
    return 0


def _describe(home: Home, run: Run) -> dict[str, Any]:
    view, made = health.view(home, run), models.of_run(home, run.id)
    return {
        **output.plain(run),
        "status": view.status,
        "alive": view.alive,
        "stalled": view.stalled,
        "phase": view.phase,
        "step": view.step,
        "steps": view.steps,
        "latest": {series: value for series, (_, value) in events.latest(home, run.id).items()},
        "model": made.name if made else None,
        "checkpoints": [c.step for c in events.checkpoints(home, run.id)],
        "history": runs.history(home, run.id),
    }


def _print(home: Home, run: Run, as_json: bool) -> None:
    body = _describe(home, run)
    if as_json:
        output.as_json(body)
        return
    print(f"run {run.id} {run.name}: {body['status']}" + (f", step {body['step']} of {body['steps']}" if body["steps"] else ""))
    for key in ("reason", "next_step", "model"):
        if body[key]:
            print(f"  {key.replace('_', ' ')}: {body[key]}")
    for series in SHOWN:
        if series in body["latest"]:
            value = body["latest"][series]
            print(f"  {series}: " + ("not a number" if value is None else f"{value:.4f}"))
    for line in _outcome(run.summary):
        print(f"  {line}")


def _outcome(found: Mapping[str, Any]) -> list[str]:
    """What a run came to, beside its figures while it trained."""
    lines = []
    if test := found.get("trust"):
        right, longer = (
            f"{test[key]['value']:.1%} ({test[key]['low']:.1%} to {test[key]['high']:.1%})" for key in ("accuracy", "longer")
        )
        verdict = "beats the rules of length" if test["beats_length"] else "does not beat the rules of length"
        lines.append(f"trust test: right on {right} of {test['accuracy']['n']} pairs, the longer answer on {longer}; {verdict}")
    if "held_out_reward" in found:
        lines.append(f"reward of greedy answers to {found['held_out_prompts']} held-out prompts: {found['held_out_reward']:.3f}")
    if "kl_answer" in found:
        lines.append(
            f"moved from its start: {found['kl_answer']:.2f} nats an answer, standard error {found['kl_answer_error']:.2f}"
        )
    if "forgotten" in found:
        lines.append(f"loss on the old text: {found['old_loss_before']:.3f} before, {found['old_loss_after']:.3f} after")
    return lines


def _list(home: Home, given: argparse.Namespace) -> int:
    if given.limit < 1:
        raise BadInput(f"--limit takes a whole number of at least 1, not {given.limit}.")
    views = [health.view(home, run) for run in runs.page(home, given.limit)]
    if given.json:
        output.as_json([{**output.plain(v.run), "status": v.status, "step": v.step, "steps": v.steps} for v in views])
    else:
        rows = [
            (v.run.id, v.run.kind, v.run.name, v.status, f"{v.step}/{v.steps}" if v.steps else "", v.run.created_at[:16])
            for v in views
        ]
        output.table(rows, ("run", "kind", "name", "status", "step", "queued"))
    return 0


def _show(home: Home, given: argparse.Namespace) -> int:
    _print(home, submit.find(home, given.run), given.json)
    return 0


def _log(home: Home, given: argparse.Namespace) -> int:
    submit.find(home, given.run)
    log = home.run(given.run) / "log.txt"
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if given.json:
        output.as_json({"run": given.run, "log": text})
    else:
        print(text, end="")
    return 0


def _metrics(home: Home, given: argparse.Namespace) -> int:
    submit.find(home, given.run)
    found = events.metrics_since(home, given.run, given.since)
    if given.json:
        output.as_json(found)
    else:
        output.table([(m.seq, m.series, m.step, m.value) for m in found], ("number", "series", "step", "value"))
    return 0


def _stop(home: Home, given: argparse.Namespace) -> int:
    _print(home, submit.stop(home, given.run), given.json)
    return 0


def _resume(home: Home, given: argparse.Namespace) -> int:
    return queued(home, submit.resume(home, given.run), given)


def _wait(home: Home, given: argparse.Namespace) -> int:
    submit.find(home, given.run)
    return _finish(home, given.run, given.json)


def _reorder(home: Home, given: argparse.Namespace) -> int:
    queue = submit.reorder(home, given.run)
    if given.json:
        output.as_json([run.id for run in queue])
    else:
        print("queue: " + (", ".join(str(run.id) for run in queue) or "empty"))
    return 0
