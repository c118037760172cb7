"""Annotators at work: many people who label at once against the real app, each a client that speaks the page's own protocol.

usage: python -m benchmarks.annotators [--people 50] [--seconds 300] [--think 15]

A browser each would measure this machine's processor, so the clients read and write Streamlit's messages over its WebSocket: they
open the page under a name, think, press a choice, and wait until the next pair has come and the page is at rest. Afterwards the
database and the ledger are held against what each of them was shown.
"""

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from benchmarks.app import address, start
from benchmarks.lab import lab
from engine.preferences import pairs, projects
from engine.preferences.pairs import NewPair
from storage import ledger, preferences
from storage.home import Home
from storage.records import Project

PAIRS = 3000
WORDS = "a shop opens at nine and **closes** late, `code` here, one more thing to read before you can choose well".split()
CLAIMED_95, CLAIMED_99 = 0.3, 1.0  # seconds
LONGEST = 60.0  # that a client waits for a page
FINISHED = (0, 3)  # the page's script, or a fragment of it, has run to its end


@dataclass
class Person:
    """A labeller: what lies before them, what was acknowledged, and how long each vote took."""

    name: str
    url: str
    form: str = ""  # of the pair that is shown; it ends with the token
    buttons: dict[str, str] = field(default_factory=dict)  # label -> the widget's id
    fragment: str = ""
    script: str = ""
    acknowledged: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    socket: Any = None
    ends: asyncio.Queue[str] = field(default_factory=asyncio.Queue)  # the form that is shown, at the end of each run of a script
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def open(self) -> None:
        """Open the page as a browser does, and wait for the first pair."""
        from websockets.asyncio.client import connect

        host = self.url.removeprefix("http://")
        self.socket = await connect(
            f"ws://{host}/_stcore/stream", subprotocols=["streamlit"], origin=self.url, max_size=None, open_timeout=LONGEST  # type: ignore[list-item,arg-type]
        )  # fmt: skip
        self.tasks.append(asyncio.create_task(self._listen()))
        await self._ask("", None)
        await self._until_other_than("")

    async def vote(self, choice: str) -> None:
        """Press a choice, and wait until the next pair was there and the page at rest."""
        before, began = self.form, time.perf_counter()
        await self._ask(self.fragment, self.buttons[choice])
        await self._until_other_than(before)
        self.seconds.append(time.perf_counter() - began)
        self.acknowledged.append(before.removeprefix("labels_"))

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await self.socket.close()

    async def _until_other_than(self, form: str) -> None:
        while await asyncio.wait_for(self.ends.get(), LONGEST) == form:
            pass

    async def _ask(self, fragment: str, pressed: str | None, by_itself: bool = False) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        state = message.rerun_script
        state.query_string = f"project=1&view=label&labeller={self.name}"
        state.page_name, state.page_script_hash, state.fragment_id = "labels", self.script, fragment
        state.is_auto_rerun = by_itself
        if pressed is not None:
            widget = state.widget_states.widgets.add()
            widget.id, widget.trigger_value = pressed, True
        await self.socket.send(message.SerializeToString())

    async def _listen(self) -> None:
        """Read whatever comes, and look again at the parts of the page that ask for it, as a browser does."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):
            async for body in self.socket:
                self._heard(ForwardMsg.FromString(body))

    def _heard(self, message: Any) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.script = message.new_session.page_script_hash
        elif kind == "delta":
            self._note(message.delta)
        elif kind == "auto_rerun":
            self.tasks.append(asyncio.create_task(self._look_again(message.auto_rerun)))
        elif kind == "script_finished" and message.script_finished in FINISHED:
            self.ends.put_nowait(self.form)

    async def _look_again(self, asked: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(asked.interval)
                await self._ask(asked.fragment_id, None, by_itself=True)

    def _note(self, delta: Any) -> None:
        if delta.WhichOneof("type") == "new_element" and delta.new_element.WhichOneof("type") == "button":
            button = delta.new_element.button
            if button.form_id.startswith("labels_"):
                self.form, self.fragment = button.form_id, delta.fragment_id
                self.buttons[button.label.split(" ·")[0]] = button.id


def fill(home: Home) -> Project:
    """A project with many pairs, a few of them known."""
    rng = random.Random(0)
    project = projects.create(home, "annotators", {"instructions": "Choose what you would rather read."})
    text = lambda: " ".join(rng.choice(WORDS) for _ in range(rng.randint(20, 260)))  # noqa: E731
    pairs.add(home, project, [NewPair([{"role": "user", "content": f"Question {i}?"}], text(), text()) for i in range(PAIRS)])
    for pair in preferences.some_pairs(home, project.id, "all", 40):
        projects.mark_gold(home, pair, "first")
    return project


@contextmanager
def app(home: Home) -> Iterator[str]:
    """The address of the app of this home."""
    process = start(home)
    try:
        yield address(home)
    finally:
        process.terminate()
        process.wait(30)


async def work(person: Person, until: float, think: float, rng: random.Random) -> None:
    """Label until the time is over."""
    await asyncio.sleep(rng.random() * think)  # nobody begins at the same moment
    await person.open()
    while True:
        pause = rng.expovariate(1 / think)
        if time.monotonic() + pause > until:
            break
        await asyncio.sleep(max(0.5, pause))
        await person.vote(rng.choice(["Left", "Right", "Left", "Right", "Tie"]))
    await person.close()


async def label(url: str, people: int, seconds: float, think: float) -> list[Person]:
    """So many people who label at once for so long."""
    until = time.monotonic() + seconds
    staff = [Person(f"person-{i:02d}", url) for i in range(people)]
    await asyncio.gather(*(work(person, until, think, random.Random(i)) for i, person in enumerate(staff)))
    return staff


def check(home: Home, project: Project, staff: list[Person]) -> dict[str, int]:
    """What was acknowledged, against what the database and the ledger hold."""
    votes = preferences.votes(home, project.id)
    stored = [vote.token for vote in votes]
    told = {token for person in staff for token in person.acknowledged}
    written = {change["token"] for entry in ledger.read(home) for change in entry.changes or () if change["do"] == "vote"}
    looks = [(vote.pair_id, vote.labeller, vote.round) for vote in votes]
    return {
        "votes": len(told),
        "lost": len(told - set(stored)) + len(told - written),
        "doubled": len(stored) - len(set(stored)) + len(looks) - len(set(looks)),
        "locked": sum(path.read_text(errors="replace").count("database is locked") for path in home.logs.glob("*.log")),
    }


def main() -> int:
    """Run it; exit code 1 where a claim does not hold."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--people", type=int, default=50)
    given.add_argument("--seconds", type=float, default=300)
    given.add_argument("--think", type=float, default=15)
    chosen = given.parse_args()
    with lab() as home:
        project = fill(home)
        with app(home) as url:
            staff = asyncio.run(label(url, chosen.people, chosen.seconds, chosen.think))
        found = check(home, project, staff)
    times = sorted(s for person in staff for s in person.seconds)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    print(
        f"{chosen.people} annotators, {found['votes']} votes: median {1000 * cuts[49]:.0f} ms, p95 {1000 * cuts[94]:.0f} ms, "
        f"p99 {1000 * cuts[98]:.0f} ms, longest {1000 * times[-1]:.0f} ms (claimed: p95 <= 300, p99 <= 1000)"
    )
    print(f"lost {found['lost']}, doubled {found['doubled']}, locked {found['locked']} (claimed: 0, 0, 0)")
    return int(cuts[94] > CLAIMED_95 or cuts[98] > CLAIMED_99 or any(found[name] for name in ("lost", "doubled", "locked")))


if __name__ == "__main__":
    sys.exit(main())
