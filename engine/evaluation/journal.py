"""Asking a judge about many things at once, each reply written down as it comes, so that nothing is asked twice."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from engine.methods.method import Reporter

AT_ONCE = 8  # things that a judge is asked about at the same time


def read(path: Path) -> dict[int, dict[str, Any]]:
    """The replies that are there already, by the place of what they are about; a last line that was cut off is none."""
    found: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[row["place"]] = row
    return found


def through(
    path: Path, count: int, look: Callable[[int], dict[str, Any]], reporter: Reporter, phase: str
) -> dict[int, dict[str, Any]] | None:
    """What ``look`` says of each of ``count`` things; what is in the file ``path`` is not asked for again. None when stopped."""
    found = read(path)
    left = iter([place for place in range(count) if place not in found])
    writing = threading.Lock()

    def ask(place: int) -> dict[str, Any]:
        row = {"place": place, **look(place)}
        with writing, path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")
        return row

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for row in _in_turn(pool, ask, left, reporter):
            found[row["place"]] = row
            reporter.phase(phase, len(found) / count)
    return found if len(found) == count else None


def _in_turn(
    pool: ThreadPoolExecutor, ask: Callable[[int], dict[str, Any]], left: Iterator[int], reporter: Reporter
) -> Iterator[dict[str, Any]]:
    """Results as they come, with a few under way; no new one is begun once a stop was asked for, or one has failed."""
    under_way: set[Future[dict[str, Any]]] = set()
    while True:
        while len(under_way) < AT_ONCE and not reporter.stop_requested() and (place := next(left, None)) is not None:
            under_way.add(pool.submit(ask, place))
        if not under_way:
            return
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        for each in done:
            yield each.result()
