"""``labels``: projects of labelling, their pairs, votes, agreement, and the data sets made of them."""

import argparse
import sys
from pathlib import Path
from typing import Any, TypeAlias

from engine import keys
from engine.commands import output, runs
from engine.data import curate
from engine.errors import BadInput, NotFound
from engine.jobs import labelling
from engine.preferences import consensus, desk, exchange, freezing, order, projects, quality
from engine.preferences.agreement import Agreement
from engine.preferences.desk import Given
from engine.preferences.freezing import Rule
from engine.preferences.layouts import LAYOUTS
from storage import preferences
from storage.home import Home
from storage.records import Interval, Pair

Parsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_to(commands: Parsers, common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("labels", help="label pairs of answers, see how far labellers agree, freeze a data set")
    what = group.add_subparsers(required=True, metavar="WHAT")
    _add_projects(what, common)
    _add_sources(what, common)
    _add_votes(what, common)
    _add_results(what, common)


def _command(
    what: Parsers, common: argparse.ArgumentParser, name: str, run: Any, help: str, project: bool = True
) -> argparse.ArgumentParser:
    made = what.add_parser(name, parents=[common], help=help)
    if project:
        made.add_argument("project", help="name or #number of the project")
    made.set_defaults(command=run)
    return made


def _add_projects(what: Parsers, common: argparse.ArgumentParser) -> None:
    for name, run, help in (
        ("create", _create, "begin a project of labelling"),
        ("settings", _settings, "show or change how a project is labelled"),
    ):
        made = _command(what, common, name, run, help)
        made.add_argument("--instructions", metavar="FILE", help="what labellers shall go by, as text or Markdown")
        made.add_argument("--criterion", action="append", help="a single respect that is compared too; may be repeated")
        made.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="overlap, raters, repeats, gold or strength"
        )
    _command(what, common, "list", _list, "every project and how far it is", project=False)
    gold = _command(what, common, "gold", _gold, "keep what the right choice on a pair is, to check labellers by it")
    gold.add_argument("pair", type=int)
    gold.add_argument("choice", choices=[*projects.CHOICES, "none"])


def _add_sources(what: Parsers, common: argparse.ArgumentParser) -> None:
    sample = _command(what, common, "sample", _sample, "let one or two models write the pairs of a project")
    sample.add_argument(
        "--model", action="append", required=True, help="who answers, a model or a checkpoint name@step; twice for two"
    )
    sample.add_argument("--data", required=True, help="the prompts")
    sample.add_argument("--limit", type=int, help="only this many prompts, a fixed random choice")
    sample.add_argument("--temperature", type=float, action="append", help="once for both answers, or twice")
    sample.add_argument("--system", action="append", help="a system prompt, once for both answers, or twice")
    sample.add_argument("--top-p", type=float)
    sample.add_argument("--max-tokens", type=int, help="the longest answer in tokens")
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--wait", action="store_true", help="wait for the end; exit code 4 when it fails")
    judge = _command(what, common, "judge", _judge, "let a judge vote on the pairs, beside people")
    judge.add_argument("--address", required=True, help="an OpenAI-compatible address, up to and with /v1")
    judge.add_argument("--judge", required=True, help="the judge's name at that address")
    judge.add_argument("--key", action="store_true", help="read the judge's key from standard input, and keep it for you alone")
    judge.add_argument("--principles", metavar="FILE", help="what makes an answer the better one, a line each")
    judge.add_argument("--limit", type=int)
    judge.add_argument("--wait", action="store_true", help="wait for the end; exit code 4 when it fails")
    ordered = _command(what, common, "order", _order, "say which pairs are labelled first: the least certain, or by chance")
    ordered.add_argument("--by", required=True, metavar="MODEL", help="a reward model, or judges (their votes), or chance")
    ordered.add_argument(
        "--control", type=float, default=order.CONTROL, help="share of the pairs put first that is drawn by chance"
    )
    ordered.add_argument("--share", type=float, default=order.SHARE, help="share of the pairs that wait that is put first")
    ordered.add_argument("--wait", action="store_true", help="wait for the end; exit code 4 when it fails")
    brought = _command(what, common, "import", _import, "take pairs and votes from a file, or pairs from a data set")
    brought.add_argument("file", help="JSON, JSONL or CSV; a data set of preference pairs with --data", nargs="?")
    brought.add_argument("--data", help="a frozen data set of the shape preference")
    brought.add_argument("--layout", choices=list(LAYOUTS), help="how the file is written; found out by itself when left out")


def _add_votes(what: Parsers, common: argparse.ArgumentParser) -> None:
    queue = _command(what, common, "queue", _queue, "the pair before a labeller and the next one")
    queue.add_argument("--labeller", required=True)
    vote = _command(what, common, "vote", _vote, "vote on a pair by its token, as queue gives it", project=False)
    vote.add_argument("token")
    vote.add_argument("choice", choices=("left", "right", "tie", "bad", "skip"))
    vote.add_argument("--strength", type=int, choices=(1, 2), help="1 slightly, 2 clearly")
    vote.add_argument("--criterion", action="append", default=[], metavar="NAME=CHOICE")
    vote.add_argument("--reason", default="")
    vote.add_argument("--edited", metavar="FILE", help="a better text of the chosen answer")
    undo = _command(what, common, "undo", _undo, "take a labeller's last vote back")
    undo.add_argument("--labeller", required=True)
    decide = _command(what, common, "decide", _decide, "say what holds on a pair on which labellers differ")
    decide.add_argument("pair", type=int)
    decide.add_argument("choice", choices=projects.CHOICES)
    decide.add_argument("--labeller", required=True, help="who decides")
    decide.add_argument("--reason", default="")


def _add_results(what: Parsers, common: argparse.ArgumentParser) -> None:
    export = _command(what, common, "export", _export, "write pairs and votes to a file")
    export.add_argument("file", type=Path)
    export.add_argument("--layout", default="jsonl", choices=[name for name, layout in LAYOUTS.items() if layout.write])
    _command(what, common, "agreement", _agreement, "how far the votes can be trusted")
    freeze = _command(what, common, "freeze", _freeze, "make a data set of the votes, for DPO, a reward model or KTO")
    usual = Rule()
    freeze.add_argument("--name", required=True, help="name of the data set; the same name again makes the next version")
    freeze.add_argument("--shape", default=usual.shape, choices=list(freezing.SHAPES))
    freeze.add_argument("--rule", default=usual.rule, choices=list(consensus.RULES))
    freeze.add_argument("--by", default=usual.by, choices=list(consensus.BY), help="whose votes count")
    freeze.add_argument("--margin", default=usual.margin, choices=list(freezing.MARGINS))
    freeze.add_argument("--ties", default=usual.ties, choices=list(freezing.TIES))
    freeze.add_argument(
        "--held-out", type=float, default=usual.held_out, help="share of rows that become a data set of their own"
    )
    freeze.add_argument("--seed", type=int, default=usual.seed, help="of the choice of what is held out")


def _given_settings(given: argparse.Namespace) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in runs.pairs("--set", given.set).items():
        if name == "strength":
            values[name] = {"true": True, "false": False}.get(text.lower(), text)
        else:
            values[name] = _number(name, text)
    if given.instructions:
        values["instructions"] = output.text(given.instructions, "what labellers shall go by")
    if given.criterion:
        values["criteria"] = given.criterion
    return values


def _number(name: str, text: str) -> int | float:
    try:
        return int(text) if name == "raters" else float(text)
    except ValueError:
        raise BadInput(f"{name} takes a number, not {text!r}.") from None


def _create(home: Home, given: argparse.Namespace) -> int:
    made = projects.create(home, given.project, _given_settings(given))
    output.as_json(made) if given.json else print(f"#{made.id} {made.name}")
    return 0


def _settings(home: Home, given: argparse.Namespace) -> int:
    found, changed = projects.find(home, given.project), _given_settings(given)
    output.as_json(projects.change_settings(home, found, changed) if changed else found)
    return 0


def _list(home: Home, given: argparse.Namespace) -> int:
    found = [(project, preferences.counts(home, project.id)) for project in preferences.projects(home)]
    if given.json:
        output.as_json([{**output.plain(project), **output.plain(counts)} for project, counts in found])
    else:
        rows = [(f"#{p.id}", p.name, c.pairs, c.done, c.votes, c.judged) for p, c in found]
        output.table(rows, ("id", "project", "pairs", "labelled", "votes", "by judges"))
    return 0


def _pair(home: Home, given: argparse.Namespace) -> Pair:
    project, pair = projects.find(home, given.project), preferences.pair(home, given.pair)
    if pair is None or pair.project_id != project.id:
        raise NotFound(
            f"There is no pair {given.pair} in {project.name}. `labels export --layout label_studio` writes all of them with their numbers."
        )
    return pair


def _gold(home: Home, given: argparse.Namespace) -> int:
    projects.mark_gold(home, _pair(home, given), None if given.choice == "none" else given.choice)
    print(f"Pair {given.pair}: {given.choice}")
    return 0


def _sample(home: Home, given: argparse.Namespace) -> int:
    shared = {name: getattr(given, name) for name in ("top_p", "max_tokens", "seed")}
    run = labelling.sample(
        home, project=given.project, models=given.model, dataset=given.data, limit=given.limit, systems=given.system or [""],
        sampling=[{**shared, "temperature": t} for t in given.temperature or [1.0]],
    )  # fmt: skip
    return runs.queued(home, run, given)


def _judge(home: Home, given: argparse.Namespace) -> int:
    lines = output.text(given.principles, "a principle a line").splitlines()
    if given.key:
        keys.save(home, keys.JUDGE, sys.stdin.readline())
    run = labelling.judge(
        home, project=given.project, address=given.address, judge=given.judge, principles=lines, limit=given.limit
    )
    return runs.queued(home, run, given)


def _order(home: Home, given: argparse.Namespace) -> int:
    project = projects.find(home, given.project)
    if given.by == "chance":
        output.as_json({"moved": order.shuffle(home, project)})
        return 0
    if given.by == "judges":
        output.as_json(labelling.rank_by_judges(home, project, given.control, given.share))
        return 0
    run = labelling.rank(home, project=given.project, model=given.by, control=given.control, share=given.share)
    return runs.queued(home, run, given)


def _import(home: Home, given: argparse.Namespace) -> int:
    if bool(given.file) == bool(given.data):
        raise BadInput("Name either a file or, with --data, a data set.")
    if given.data:
        brought = exchange.from_dataset(home, given.project, curate.find(home, given.data))
    else:
        brought = exchange.bring(home, given.project, given.file, given.layout)
    if given.json:
        output.as_json(brought)
        return 0
    print(
        f"{brought.project}: {brought.pairs} pairs and {brought.votes} votes, from {brought.rows} rows of {LAYOUTS[brought.layout].title}"
    )
    if brought.known_pairs or brought.known_votes:
        print(f"  known before: {brought.known_pairs} pairs, {brought.known_votes} votes")
    for problem in brought.problems[:20]:
        print(f"  row {problem.row}: {problem.message}")
    if brought.bad > 20:
        print(f"  and {brought.bad - 20} more rows that could not be used")
    return 0


def _queue(home: Home, given: argparse.Namespace) -> int:
    shown = desk.look(home, projects.find(home, given.project), given.labeller)
    output.as_json(
        [{"token": s.showing.token, "pair": s.pair.id, "prompt": s.pair.prompt, "left": s.left, "right": s.right} for s in shown]
    )
    return 0


def _vote(home: Home, given: argparse.Namespace) -> int:
    said = Given(
        given.choice, given.strength, dict(runs.pairs("--criterion", given.criterion)), given.reason,
        output.text(given.edited, "a better text of the chosen answer") or None,
    )  # fmt: skip
    stored = desk.vote(home, given.token, said, source="command")
    output.as_json(stored) if given.json else print(f"Pair {stored.pair_id}: {stored.choice}")
    return 0


def _undo(home: Home, given: argparse.Namespace) -> int:
    back = desk.undo(home, projects.find(home, given.project), given.labeller)
    if back is None:
        raise NotFound(f"{given.labeller} has no vote among the last {desk.LAST} that could be taken back.")
    output.as_json(back) if given.json else print(f"Pair {back.pair_id}: {back.choice} is taken back")
    return 0


def _decide(home: Home, given: argparse.Namespace) -> int:
    stored = desk.decide(home, _pair(home, given), given.labeller, given.choice, given.reason)
    output.as_json(stored) if given.json else print(f"Pair {stored.pair_id}: {stored.choice} holds")
    return 0


def _export(home: Home, given: argparse.Namespace) -> int:
    output.must_be_new(given.file)
    written = exchange.export(home, projects.find(home, given.project), given.file, given.layout)
    output.as_json({"rows": written, "file": str(given.file)})
    return 0


def _agreement(home: Home, given: argparse.Namespace) -> int:
    found = quality.report(home, projects.find(home, given.project))
    if given.json:
        output.as_json(found)
        return 0
    print(f"Krippendorff's alpha: {_figure(found.alpha)}")
    print(f"  with strengths, as steps: {_figure(found.scaled)}")
    for one, other, kappa in found.kappas[:20]:
        print(f"Cohen's kappa, {one} and {other}: {_figure(kappa)}")
    rows = [
        (
            who.name, who.kind, who.votes, "" if who.seconds is None else f"{who.seconds:.1f}",
            *map(_share, (who.left, who.longer, who.gold, who.same, who.others)),
        )
        for who in found.labellers
    ]  # fmt: skip
    output.table(rows, ("labeller", "kind", "votes", "seconds", "left", "longer", "gold", "same again", "as others"))
    for judge in found.judges:
        print(f"{judge.name} says what people say: {_share(judge.right)}; kappa {_figure(judge.kappa)}")
    for circle in found.contradictions[:20]:
        print(f"{circle.labeller} prefers in a circle: {' > '.join(answer[:40] for answer in circle.answers)}")
    if found.disputed:
        print(f"{len(found.disputed)} pairs wait for a decision: {', '.join(map(str, found.disputed[:20]))}")
    return 0


def _figure(found: Agreement) -> str:
    if found.value is None:
        return f"not defined. {found.why}"
    span = f" ({found.low:.3f} to {found.high:.3f})" if found.low is not None else ""
    return f"{found.value:.3f}{span}, {found.n} pairs"


def _share(found: Interval | None) -> str:
    return "" if found is None else f"{100 * found.value:.0f} % of {found.n}"


def _freeze(home: Home, given: argparse.Namespace) -> int:
    rule = Rule(given.shape, given.rule, given.by, given.margin, given.ties, given.held_out, given.seed)
    made = freezing.freeze(home, projects.find(home, given.project), given.name, rule)
    if given.json:
        output.as_json({"dataset": output.plain(made.dataset), "held_out": output.plain(made.held_out), "card": made.card})
        return 0
    held = f", and {made.held_out.title} with {made.held_out.rows}" if made.held_out else ""
    print(f"{made.dataset.title} with {made.dataset.rows} rows{held}\n\n{made.card}")
    return 0
