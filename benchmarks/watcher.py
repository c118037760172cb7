"""A live page without a browser: the app serves a session that polls a run, as an open Runs page does.

usage: python -m benchmarks.watcher HOME
"""

import sys
import time

from engine.jobs import health, submit
from storage import events
from storage.home import Home


def main(root: str) -> None:
    """Once a second: the live runs, their signs of life and their curves, as the Runs page reads them."""
    home = Home.resolve(root)
    while True:
        for run in submit.live(home):
            health.view(home, run)
            for series in events.latest(home, run.id):
                events.curve(home, run.id, series)
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1])
