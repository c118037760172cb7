"""``datasets add | list | show | export``."""

import argparse
from pathlib import Path

from engine.commands import output
from engine.data import curate
from engine.data.shapes import SHAPES
from engine.errors import BadInput
from storage import datasets
from storage.home import Home


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("datasets", help="bring data in, look at it, take it out").add_subparsers(
        required=True, metavar="WHAT"
    )
    add = group.add_parser("add", parents=[common], help="read a file, check every row and freeze a version")
    add.add_argument("file", type=Path)
    add.add_argument("--name", required=True, help="name of the data set; the same name again makes the next version")
    add.add_argument("--shape", choices=list(SHAPES), help="what the rows are; found out by itself when left out")
    add.add_argument(
        "--strict", action="store_true", help="refuse the file when any row has a problem, instead of keeping the good ones"
    )
    add.set_defaults(command=_add)
    listed = group.add_parser("list", parents=[common], help="every version")
    listed.set_defaults(command=_list)
    show = group.add_parser("show", parents=[common], help="the first rows and the problems of a version")
    show.add_argument("dataset", help="name, name@version or #id")
    show.add_argument("--limit", type=int, default=3)
    show.set_defaults(command=_show)
    export = group.add_parser("export", parents=[common], help="write a version as .jsonl, .csv or .parquet")
    export.add_argument("dataset")
    export.add_argument("file", type=Path)
    export.set_defaults(command=_export)


def _add(home: Home, given: argparse.Namespace) -> int:
    made = curate.add(home, given.file, given.name, shape=given.shape, keep_good=not given.strict)
    if given.json:
        keys = ("id", "name", "version", "shape", "rows", "sha256", "problems")
        output.as_json({key: getattr(made, key) for key in keys})
        return 0
    print(f"{made.title}: {made.rows} rows of the shape {made.shape}, #{made.id}, {made.sha256[:12]}")
    for problem in made.problems[:20]:
        print(f"  row {problem['row']}: {problem['message']}")
    if len(made.problems) > 20:
        print(f"  and {len(made.problems) - 20} more; `datasets show {made.title}` has them")
    return 0


def _list(home: Home, given: argparse.Namespace) -> int:
    found = datasets.all(home)
    if given.json:
        output.as_json(found)
    else:
        rows = [(f"#{d.id}", d.title, d.shape, d.rows, curate.set_aside(d), d.created_at[:16]) for d in found]
        output.table(rows, ("id", "data set", "shape", "rows", "set aside", "frozen"))
    return 0


def _show(home: Home, given: argparse.Namespace) -> int:
    found = curate.find(home, given.dataset)
    if given.limit < 0:
        raise BadInput(f"--limit takes a whole number of at least 0, not {given.limit}.")
    rows = curate.rows(home, found, 0, given.limit)
    output.as_json({"dataset": output.plain(found), "rows": rows})
    return 0


def _export(home: Home, given: argparse.Namespace) -> int:
    found = curate.find(home, given.dataset)
    output.must_be_new(given.file)
    curate.export(home, found, given.file)
    output.as_json({"dataset": found.title, "rows": found.rows, "file": str(given.file)})
    return 0
