"""The command line: everything the pages can do, for scripts and CI.

Exit codes: 0 done, 1 something else is in the way, 2 bad input, 3 gate failed, 4 run failed, 130 ended by Ctrl-C.
"""

import argparse
import os
import sys
import warnings

from engine import prepare
from engine.commands import (
    arena,
    bakeoff,
    chain,
    datasets,
    deploy,
    index,
    lab,
    labels,
    models,
    prompts,
    rubric,
    runs,
    talk,
    work,
)
from engine.environment import PRIVATE, QUIET
from engine.errors import TemperError
from storage import db
from storage.home import Home


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON document for machines")
    top = argparse.ArgumentParser(prog="python -m engine", description="Temper's engine: everything the pages can do.")
    top.add_argument("--home", help="the data home; TEMPER_HOME or ~/.temper by default")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for part in (rubric, lab, datasets, index, prompts, bakeoff, deploy, labels, arena, work, runs, chain, models, talk):
        part.add_to(commands, common)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a TemperError is printed as it stands and becomes its exit code."""
    os.environ.update(PRIVATE | QUIET)
    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries among themselves
    given = parser().parse_args(arguments)
    try:
        home = Home.resolve(given.home)
        if not getattr(given, "unprepared", False):
            prepare.prepare(home)
        return given.command(home, given)
    except (TemperError, db.NewerHome, db.NotMigrated) as problem:
        print(problem, file=sys.stderr)
        return getattr(problem, "exit_code", 2)
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        return 130
    except (OSError, db.sqlite3.OperationalError) as problem:
        # such as a home that cannot be written, or a full disk
        print(
            f"{problem}. See that there is room on the disk and that you may write there; --home names another home.",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
