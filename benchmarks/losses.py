"""What becomes of votes when the power goes: processes killed while they vote, and a write-ahead log that is damaged afterwards.

usage: python -m benchmarks.losses [--rounds 20] [--seed 0]

Each round a process votes as fast as it can and names every vote that was acknowledged, until it is killed. The database's log is
left alone, cut, altered, or gone; then labelling is recovered as at the engine's start, and every acknowledged vote has to be there
once. Every fourth round the real app is killed under clients that label through its page.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from benchmarks.annotators import Person
from benchmarks.app import address, start
from engine import prepare
from engine.errors import Damaged
from engine.jobs import processes
from engine.preferences import pairs, projects
from engine.preferences.pairs import NewPair
from storage import db, ledger, preferences, repair
from storage.home import Home

VOTER = """
import sys
from engine.preferences import desk, projects
from storage.home import Home
home = Home.resolve(sys.argv[1])
project = projects.find(home, "losses")
while shown := desk.look(home, project, "anna"):
    print(desk.vote(home, shown[0].showing.token, desk.Given("left")).token, flush=True)
"""
PEOPLE = 5
DAMAGES = ("none", "cut", "altered", "gone")


def fill(home: Home) -> int:
    """A project with pairs for everybody; its number."""
    prepare.prepare(home)
    project = projects.create(home, "losses", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0})
    pairs.add(home, project, [NewPair([{"role": "user", "content": f"{i}?"}], f"a {i}", f"b {i}") for i in range(4000)])
    return project.id


def voted(home: Home, rng: random.Random) -> list[str]:
    """Tokens that a process was told were stored, until it was killed."""
    code = Path(__file__).resolve().parents[1]
    voter = subprocess.Popen([sys.executable, "-c", VOTER, str(home.root)], stdout=subprocess.PIPE, text=True, cwd=code)
    assert voter.stdout is not None
    told = [voter.stdout.readline().strip()]  # it has begun
    time.sleep(rng.uniform(0.0, 0.6))
    voter.kill()
    told += [line.strip() for line in voter.stdout if line.endswith("\n")]
    voter.wait()
    return [token for token in told if token]


def labelled(home: Home, rng: random.Random) -> list[str]:
    """Tokens of votes that clients of the real app saw acknowledged, until it was killed."""
    engine = processes.hold(home.root / "engine.lock")  # this process stands where the engine would
    assert engine is not None
    processes.write_identity(home.root / "engine.json", os.getpid())
    app = start(home)
    try:
        return asyncio.run(_labelled(address(home), app, rng))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(app.pid, signal.SIGKILL)
        app.wait()
        engine.close()


async def _labelled(url: str, app: "subprocess.Popen[bytes]", rng: random.Random) -> list[str]:
    staff = [Person(f"person-{i}", url) for i in range(PEOPLE)]

    async def work(person: Person) -> None:
        with suppress(Exception):  # the app goes away under it, which is the point
            await person.open()
            while True:
                await asyncio.sleep(0.3)
                await person.vote("Left")

    at_work = [asyncio.create_task(work(person)) for person in staff]
    await asyncio.sleep(rng.uniform(5, 9))
    app.kill()
    await asyncio.wait(at_work, timeout=5)
    for task in at_work:
        task.cancel()
    return [token for person in staff for token in person.acknowledged]


def damage(home: Home, how: str, rng: random.Random) -> None:
    """Do to the write-ahead log what a power cut may do."""
    log = home.database.with_name(home.database.name + "-wal")
    home.database.with_name(home.database.name + "-shm").unlink(missing_ok=True)
    if how == "none" or not log.exists() or not log.stat().st_size:
        return
    body = bytearray(log.read_bytes())
    if how == "gone":
        log.unlink()
        return
    if how == "cut":
        body = body[: rng.randrange(len(body))]
    for _ in range(8 if how == "altered" else 0):
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    log.write_bytes(body)


def one(folder: str, number: int, rng: random.Random) -> Counter[str]:
    """One round in a home of its own: votes, an end, damage, recovery; what came of it."""
    home = Home.resolve(folder)
    project_id = fill(home)
    db.close_readers()  # nobody holds the log while it is damaged, as after a power cut
    through_the_app = number % 4 == 3
    told = labelled(home, rng) if through_the_app else voted(home, rng)
    if rng.random() < 0.3:  # the ledger's last line may have been half-way
        with ledger.path(home).open("ab") as file:
            file.write(b'0badc0de {"do":"vo')
    how = DAMAGES[number % len(DAMAGES)] if not through_the_app else rng.choice(DAMAGES)
    damage(home, how, rng)
    opened = Home.resolve(folder)
    try:
        prepare.whole(opened)
        repaired = 0
    except Damaged:
        repair.repair(opened)
        repaired = 1
    stored = Counter(vote.token for vote in preferences.votes(opened, project_id))
    return Counter(
        {
            "rounds": 1, f"log {how}": 1, "app killed": int(through_the_app), "acknowledged": len(told), "repaired": repaired,
            "lost": sum(token not in stored for token in told), "doubled": sum(stored.values()) - len(stored),
        }
    )  # fmt: skip


def main() -> int:
    """Run it; exit code 1 where an acknowledged vote is lost or doubled."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rounds", type=int, default=20)
    given.add_argument("--seed", type=int, default=0)
    chosen = given.parse_args()
    rng, total = random.Random(chosen.seed), Counter[str]()
    for number in range(chosen.rounds):
        with tempfile.TemporaryDirectory(prefix="temper-losses-") as folder:
            total += one(folder, number, rng)
        print(f"{number + 1}: {dict(total)}", flush=True)
    print(f"{total['acknowledged']} acknowledged votes, lost {total['lost']}, doubled {total['doubled']} (claimed: 0, 0)")
    return int(bool(total["lost"] or total["doubled"]))


if __name__ == "__main__":
    sys.exit(main())
