"""``models list | show | get | keep | offers | token | export | delete``."""

import argparse
import sys
from pathlib import Path

from engine import hub, machine, names, registry
from engine.commands import output, runs
from engine.jobs import submit
from engine.offers import OFFERS, WORKS, fits
from storage import evaluations, files, models
from storage.home import Home


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("models", help="the registry of weights").add_subparsers(required=True, metavar="WHAT")
    listed = group.add_parser("list", parents=[common], help="every model")
    listed.set_defaults(command=_list)
    show = group.add_parser("show", parents=[common], help="a model, its lineage and its scores")
    show.add_argument("model")
    show.set_defaults(command=_show)
    get = group.add_parser("get", parents=[common], help="register a local folder as a base model, or fetch one from the hub")
    get.add_argument(
        "source", help="a local folder with config.json and .safetensors weights, or a hub id such as Qwen/Qwen3-0.6B"
    )
    get.add_argument("--name", help="name in the registry; the folder's or the id's by default")
    get.add_argument("--wait", action="store_true", help="wait for the end of a download")
    get.set_defaults(command=_get)
    keep = group.add_parser("keep", parents=[common], help="make a model of a checkpoint of a run")
    keep.add_argument("run", help="number or name")
    keep.add_argument("--step", type=int, help="the newest checkpoint by default")
    keep.add_argument("--name", help="name in the registry; the run's with the step by default")
    keep.set_defaults(command=_keep)
    offers = group.add_parser("offers", parents=[common], help="models to start from, or one hub id, and whether they fit here")
    offers.add_argument("id", nargs="?", help="any hub id, looked up before anything large is fetched")
    offers.set_defaults(command=_offers)
    token = group.add_parser("token", help="keep the token for gated models; it is read from standard input")
    token.add_argument("--remove", action="store_true", help="forget the token instead")
    token.set_defaults(command=_token)
    export = group.add_parser("export", parents=[common], help="write a model as a folder")
    export.add_argument("model")
    export.add_argument("folder", type=Path)
    export.add_argument("--merged", action="store_true", help="merge an adapter into its base; the logits are checked")
    export.set_defaults(command=_export)
    delete = group.add_parser("delete", parents=[common], help="take a model out; says first what rests on it")
    delete.add_argument("model")
    delete.set_defaults(command=_delete)


def _list(home: Home, given: argparse.Namespace) -> int:
    found = models.all(home)
    if given.json:
        output.as_json(found)
    else:
        names = {m.id: m.name for m in found}
        rows = [
            (f"#{m.id}", m.name, m.kind, names.get(m.base_id or 0, ""), f"{m.parameters / 1e6:.1f}M", m.fingerprint[:12])
            for m in found
        ]
        output.table(rows, ("id", "model", "kind", "base", "weights", "fingerprint"))
    return 0


def _show(home: Home, given: argparse.Namespace) -> int:
    model = registry.find(home, given.model)
    resting = [m.name for m in models.dependents(home, model.id)]
    output.as_json(
        {
            **output.plain(model),
            "dependents": resting,
            "evaluations": [output.plain(e) for e in evaluations.of_model(home, model.id)],
        }
    )
    return 0


def _get(home: Home, given: argparse.Namespace) -> int:
    folder = files.place(given.source).resolve()
    if not folder.is_dir():
        return runs.queued(home, submit.download(home, given.source, given.name), given)
    model = registry.register_folder(home, folder, given.name or names.made_from(folder.name), str(folder))
    output.as_json(model)
    return 0


def _keep(home: Home, given: argparse.Namespace) -> int:
    run = submit.find(home, submit.number(home, given.run))
    output.as_json(registry.keep_checkpoint(home, run, given.step, given.name))
    return 0


def _offers(home: Home, given: argparse.Namespace) -> int:
    here = machine.look(home)
    found = [(o, fits(o.parameters, here)) for o in ([hub.look_up(home, given.id)] if given.id else OFFERS)]
    if given.json:
        output.as_json([{**output.plain(offer), "fits": labels} for offer, labels in found])
    else:
        rows = [
            (o.id, f"{o.parameters / 1e6:,.0f}M", f"{o.bytes / 1e9:.1f} GB", o.license, str(o.context), *labels.values())
            for o, labels in found
        ]
        output.table(rows, ("model", "weights", "download", "licence", "context", *WORKS))
    return 0


def _token(home: Home, given: argparse.Namespace) -> int:
    hub.save_token(home, "" if given.remove else sys.stdin.readline())
    output.note("The token is forgotten." if given.remove else f"The token is kept in {hub.token_file(home)}, for you alone.")
    return 0


def _export(home: Home, given: argparse.Namespace) -> int:
    folder = registry.export(home, registry.find(home, given.model), files.place(given.folder).resolve(), given.merged)
    output.as_json({"model": given.model, "folder": str(folder), "merged": given.merged})
    return 0


def _delete(home: Home, given: argparse.Namespace) -> int:
    registry.delete(home, registry.find(home, given.model).id)
    output.as_json({"deleted": given.model})
    return 0
