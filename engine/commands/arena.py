"""``arena``: models ranked by the votes between their answers, and battles in and out as FastChat has them."""

import argparse
from typing import TypeAlias

from engine.commands import output
from engine.errors import BadInput
from engine.preferences import arena, consensus, exchange, projects, ranking
from engine.preferences.ranking import Battle, Ranking
from storage import files
from storage.home import Home

Parsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_to(commands: Parsers, common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("arena", help="rank models by the votes between their answers")
    what = group.add_subparsers(required=True, metavar="WHAT")
    rank = what.add_parser("rank", parents=[common], help="ratings with intervals, and what the votes do not tell")
    rank.add_argument("project", help="name or #number of a project of labels, or a file of battles (JSON, JSONL, CSV)")
    rank.add_argument("--anchor", help="the model that has 1000 points; without one the mean has")
    rank.add_argument(
        "--style", action="store_true", help="ratings of answers that look alike: length, headings, lists, bold text"
    )
    rank.add_argument("--elo", action="store_true", help="Elo's ratings too, which depend on the order of the votes")
    rank.set_defaults(command=_rank)
    votes = what.add_parser("votes", parents=[common], help="what each model scored against each other")
    votes.add_argument("project", help="name or #number of a project of labels, or a file of battles")
    votes.set_defaults(command=_votes)
    for parser in (rank, votes):
        parser.add_argument("--by", choices=list(consensus.BY), default="people", help="whose votes count")
        parser.add_argument("--labeller", help="only the votes of this one")
        parser.add_argument("--topic", help="only those on this topic")
    for name, run, help in (
        (
            "import",
            _import,
            "take FastChat's battles with their conversations into a project of labels, which is begun where there is none",
        ),
        ("export", _export, "write the battles of a project as FastChat has them, or as CSV where the file is called so"),
    ):
        made = what.add_parser(name, parents=[common], help=help)
        made.add_argument("project", help="name or #number of a project of labels")
        made.add_argument("file")
        made.set_defaults(command=run)


def _battles(home: Home, given: argparse.Namespace) -> list[Battle]:
    path = files.place(given.project)
    found = arena.read(path) if path.is_file() else arena.battles(home, projects.find(home, given.project), given.by)
    kept = arena.some(found, given.labeller, given.topic)
    if not kept:
        raise BadInput(
            f"{given.project} has no votes between answers of two models"
            + (f"; of all labellers and topics there are {len(found)}." if found else ".")
        )
    return kept


def _rank(home: Home, given: argparse.Namespace) -> int:
    battles = _battles(home, given)
    found = ranking.rank(battles, given.anchor, style=given.style)
    elo = ranking.elo(battles) if given.elo else {}
    if given.json:
        differences = [
            {"one": one, "other": other, "points": None if told.points == ranking.UNKNOWN else told.points, "met": told.met, "more": told.more}
            for (one, other), told in found.differences.items()
        ]  # fmt: skip
        output.as_json(
            {
                "standings": found.standings, "differences": differences, "groups": found.groups, "anchor": found.anchor,
                "one_sided": found.one_sided, "style": dict(found.style or ()), "confounded": found.confounded, "votes": found.votes,
                "battles": found.battles, "left_out": found.left_out, "elo": elo,
            }
        )  # fmt: skip
        return 0
    _print_standings(found)
    for line in ranking.sentences(found):
        print(line)
    for name, span in elo.items():
        print(f"Elo of {name} in this order of the votes: {span.value:.0f}; in others from {span.low:.0f} to {span.high:.0f}")
    return 0


def _print_standings(found: Ranking) -> None:
    """One line a model; under the number of its group where there are several."""
    ahead, group = ranking.ahead(found), 0
    widest = max(22, *(len(said) for said in ahead.values()))
    head = f"{'rank':>4}  {'rating':>6}  {'95 % interval':>15}  {'battles':>7}  {'won':>5}  {'ties':>5}"
    print(f"{head}  {'against the next':<{widest}}  model")
    for each in found.standings:
        if len(found.groups) > 1 and each.group != group:
            group = each.group
            print(f"group {group}, which met no other:")
        rating = each.rating
        print(
            f"{each.rank:>4}  {rating.value:>6.0f}  {rating.low:>6.0f} to {rating.high:>5.0f}  {each.battles:>7}  {each.wins:>5}  "
            f"{each.ties:>5}  {ahead[each.name]:<{widest}}  {each.name}"
        )


def _votes(home: Home, given: argparse.Namespace) -> int:
    scores = ranking.wins(_battles(home, given))
    if given.json:
        output.as_json([{"one": one, "other": other, "score": s, "battles": n} for (one, other), (s, n) in scores.items()])
        return 0
    for (one, other), (score, count) in sorted(scores.items()):
        print(f"{one} against {other}: {score:g} of {count} ({score / count:.0%})")
    return 0


def _import(home: Home, given: argparse.Namespace) -> int:
    brought = exchange.bring(home, given.project, given.file, "arena")
    if given.json:
        output.as_json(brought)
        return 0
    print(
        f"{brought.project}: {brought.pairs} pairs and {brought.votes} votes from {brought.rows} battles, {brought.bad} could not be used"
    )
    for problem in brought.problems[:20]:
        print(f"  row {problem.row}: {problem.message}")
    return 0


def _export(home: Home, given: argparse.Namespace) -> int:
    output.must_be_new(given.file)
    rows = arena.export(home, projects.find(home, given.project), given.file)
    output.as_json({"rows": rows}) if given.json else print(f"{rows} battles in {given.file}")
    return 0
