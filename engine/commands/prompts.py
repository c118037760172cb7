"""``prompts``: versions of what stands around a question, what differs between them, and how they look to a model."""

import argparse
import json
import sys
from typing import Any, TypeAlias

from engine.commands import output, runs
from engine.errors import BadInput
from engine.prompting import templates, versions
from storage import prompts
from storage.home import Home
from storage.records import Passage, PromptVersion

Parsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_to(commands: Parsers, common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("prompts", help="keep prompts in versions, compare them, see what a model gets to read")
    what = group.add_subparsers(required=True, metavar="WHAT")
    save = _command(what, common, "save", _save, "keep the next version of a prompt")
    save.add_argument("name", help="name of the prompt; the same name again makes the next version")
    save.add_argument("--file", metavar="FILE", help="the whole prompt as a JSON object; - reads it from standard input")
    save.add_argument(
        "--template", metavar="TEXT", help="what the user's turn becomes, with {question}, {passages} and variables"
    )
    save.add_argument("--system", metavar="TEXT", help="the system text, as it stands")
    save.add_argument("--absent", metavar="TEXT", help="what to say when the passages do not hold the answer")
    save.add_argument(
        "--variable", metavar="NAME=VALUE", action="append", default=[], help="a variable of the template; may be repeated"
    )
    save.add_argument("--examples", metavar="DATASET", help="a data set of questions with answers to show as earlier turns")
    save.add_argument("--count", type=int, help="how many examples")
    save.add_argument("--by", choices=templates.BY, help="the same examples always, or those nearest to the question")
    save.add_argument("--seed", type=int, help="of the choice of fixed examples")
    save.add_argument("--note", default="", metavar="TEXT", help="why it was changed, for people")
    _command(what, common, "list", _list, "every version of every prompt")
    show = _command(what, common, "show", _show, "one version, and those before it")
    show.add_argument("prompt", help="name, name@version or #id")
    diff = _command(what, common, "diff", _diff, "what differs between two versions")
    diff.add_argument("prompt", nargs=2, help="name, name@version or #id")
    tried = _command(what, common, "try", _try, "the turns that a model would get to read")
    tried.add_argument("prompt", help="name, name@version or #id")
    tried.add_argument("--question", required=True, metavar="TEXT")
    tried.add_argument("--passage", action="append", default=[], metavar="TEXT", help="a passage to show; may be repeated")


def _command(what: Parsers, common: argparse.ArgumentParser, name: str, run: Any, help: str) -> argparse.ArgumentParser:
    made = what.add_parser(name, parents=[common], help=help)
    made.set_defaults(command=run)
    return made


def _save(home: Home, given: argparse.Namespace) -> int:
    version = versions.save(home, given.name, _given(given), given.note)
    _tell(version, given.json)
    return 0


def _given(given: argparse.Namespace) -> dict[str, Any]:
    """The prompt that was described, by a file, by options, or by a file with options over it."""
    body: dict[str, Any] = {}
    if given.file:
        text = sys.stdin.read() if given.file == "-" else output.text(given.file, "a prompt as a JSON object")
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as problem:
            raise BadInput(f'{given.file} is not JSON ({problem}). Write it like {{"template": "{{question}}"}}.') from None
        if not isinstance(body, dict):
            raise BadInput(f'{given.file} holds no JSON object. Write it like {{"template": "{{question}}"}}.')
    elif not any((given.template, given.system, given.examples)):
        raise BadInput("There is no prompt to keep. Give --file, --template, --system or --examples.")
    said = {"template": given.template, "system": given.system, "absent": given.absent}
    body |= {name: value for name, value in said.items() if value is not None}
    if given.variable:
        body["variables"] = {**body.get("variables", {}), **runs.pairs("--variable", given.variable)}
    shown = {"dataset": given.examples, "count": given.count, "by": given.by, "seed": given.seed}
    chosen = {name: value for name, value in shown.items() if value is not None}
    if chosen:
        body["examples"] = {**(body.get("examples") or {}), **chosen}
    return body


def _list(home: Home, given: argparse.Namespace) -> int:
    found = prompts.all(home)
    if given.json:
        output.as_json(found)
    else:
        rows = [[f"#{version.id}", version.title, version.created_at[:16], version.note] for version in found]
        output.table(rows, ["ID", "PROMPT", "KEPT", "NOTE"])
    return 0


def _show(home: Home, given: argparse.Namespace) -> int:
    version = versions.find(home, given.prompt)
    before = versions.lineage(home, version)
    if given.json:
        output.as_json({**output.plain(version), "lineage": [each.title for each in before]})
        return 0
    print(f"{version.title}  #{version.id}  {version.created_at[:16]}  {version.note}".rstrip())
    print(json.dumps(version.body, ensure_ascii=False, indent=1))
    print("follows: " + (" < ".join(each.title for each in before[1:]) or "nothing"))
    return 0


def _diff(home: Home, given: argparse.Namespace) -> int:
    first, second = (versions.find(home, reference) for reference in given.prompt)
    lines = versions.difference(first, second)
    if given.json:
        output.as_json({"from": first.title, "to": second.title, "lines": lines})
    else:
        print("\n".join(lines) or f"{first.title} and {second.title} say the same.")
    return 0


def _try(home: Home, given: argparse.Namespace) -> int:
    body = versions.body_of(versions.find(home, given.prompt))
    passages = [Passage(number, f"passage {number}", 0, "", text) for number, text in enumerate(given.passage, 1)]
    asked = [{"role": "user", "content": given.question}]
    turns = templates.render(body, asked, passages, versions.examples_for(home, body, given.question))
    if given.json:
        output.as_json(turns)
    else:
        print("\n\n".join(f"--- {turn['role']}\n{turn['content']}" for turn in turns))
    return 0


def _tell(version: PromptVersion, json_wanted: bool) -> None:
    if json_wanted:
        output.as_json(version)
    else:
        print(f"Kept as {version.title} (#{version.id}).")
