"""``deploy create | list | show | delete``: a model with prompt, index and guards around it, frozen and served under one name."""

import argparse
import json
from pathlib import Path
from typing import Any

from engine.commands import output
from engine.deployments import freeze
from engine.deployments.setup import Setup
from engine.errors import UnreadableFile
from engine.jobs import bakeoffs, submit
from engine.retrieval.search import WAYS
from storage import deployments, evaluations, models
from storage.home import Home
from storage.records import Deployment

PARTS = ("model", "prompt", "index", "by")


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("deploy", help="freeze a model with what stands around it").add_subparsers(
        required=True, metavar="WHAT"
    )
    create = group.add_parser("create", parents=[common], help="freeze the next version of a deployment")
    create.add_argument("name")
    create.add_argument("--model", help="a name or #number; the one before where a version is there")
    create.add_argument("--prompt", help="a prompt version: name, name@version or #id")
    create.add_argument("--index", help="documents to look passages up in: name or name@version")
    create.add_argument("--passages", type=int, help="how many stand before a question")
    create.add_argument("--by", choices=WAYS, help="how they are searched: both, words or meaning")
    create.add_argument("--guards", metavar="FILE", help="JSON with checks, retries, refusal, constrain")
    create.add_argument("--from-run", metavar="RUN", help="take a candidate of this bake-off")
    create.add_argument("--candidate", metavar="NAME", help="its name there")
    create.set_defaults(command=_create)
    listed = group.add_parser("list", parents=[common], help="every deployment and its versions")
    listed.set_defaults(command=_list)
    show = group.add_parser("show", parents=[common], help="what a deployment is made of, and its scores")
    show.add_argument("deployment", help="a name, or name@version")
    show.set_defaults(command=_show)
    delete = group.add_parser("delete", parents=[common], help="take one version away, with its scores")
    delete.add_argument("deployment", help="name@version")
    delete.set_defaults(command=_delete)


def guards_in(path: str) -> dict[str, Any]:
    """The guards that a JSON file holds. UnreadableFile where it holds none."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UnreadableFile(
            f'{path} cannot be read as JSON ({problem}). Write guards like {{"checks": [], "retries": 2}}.'
        ) from None
    if not isinstance(found, dict):
        raise UnreadableFile(f'{path} holds no object. Write guards like {{"checks": [], "retries": 2}}.')
    return found


def _create(home: Home, given: argparse.Namespace) -> int:
    before = deployments.find(home, given.name)
    body: dict[str, Any] = dict(before.body) if before is not None else {}
    if given.from_run:
        run = submit.find(home, submit.number(home, given.from_run))
        body = bakeoffs.winner(run, given.candidate or "").plain()
    body |= {name: getattr(given, name) for name in (*PARTS, "passages") if getattr(given, name) is not None}
    body |= {"guards": guards_in(given.guards)} if given.guards else {}
    made = freeze.freeze(home, given.name, Setup.checked(body))
    if given.json:
        output.as_json(made)
    else:
        print(f"{made.title} is frozen ({made.fingerprint[:12]}): {described(home, made)}. Ask it by its name.")
    return 0


def described(home: Home, one: Deployment) -> str:
    """What a deployment is made of, in words."""
    model = models.get(home, one.model_id)
    parts = [model.name if model is not None else f"model #{one.model_id}, which is gone"]
    parts += [f"prompt {one.body['prompt']}"] if one.body.get("prompt") else []
    parts += [f"{one.body['passages']} passages of {one.body['index']}"] if one.body.get("index") else []
    guards = one.body.get("guards") or {}
    parts += [f"{len(guards['checks'])} checks"] if guards.get("checks") else []
    return ", ".join(parts + (["constrained decoding"] if guards.get("constrain") else []))


def _list(home: Home, given: argparse.Namespace) -> int:
    found = deployments.all(home)
    if given.json:
        output.as_json(found)
    else:
        output.table(
            [[one.title, described(home, one), one.fingerprint[:12], one.created_at[:16]] for one in found],
            ["deployment", "made of", "fingerprint", "frozen at"],
        )
    return 0


def _show(home: Home, given: argparse.Namespace) -> int:
    one = freeze.deployed(home, given.deployment)
    scores = evaluations.of_deployment(home, one.id)
    if given.json:
        output.as_json({"deployment": one, "evaluations": scores})
        return 0
    print(f"{one.title}: {described(home, one)}")
    print(f"fingerprint {one.fingerprint}")
    print(json.dumps(one.body, ensure_ascii=False, indent=1))
    for score in scores:
        print(f"data set #{score.dataset_id}: {score.value:.3f} ({score.low:.3f} to {score.high:.3f}, n = {score.n})")
    freeze.opened(home, one)
    return 0


def _delete(home: Home, given: argparse.Namespace) -> int:
    one = freeze.deployed(home, given.deployment)
    deployments.delete(home, one.id)
    output.as_json({"deleted": one.title}) if given.json else print(f"{one.title} is deleted.")
    return 0
