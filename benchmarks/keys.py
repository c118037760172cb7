"""From a key to the next pair, as a labeller's browser sees it."""

import os
import random
import statistics
import tempfile
from contextlib import ExitStack, suppress

from benchmarks.annotators import WORDS
from benchmarks.app import watching
from engine import prepare
from engine.jobs import processes
from engine.preferences import pairs, projects
from engine.preferences.pairs import NewPair
from storage.home import Home

PRESSES = 120
THINKING = (300, 1_300)  # milliseconds with a pair: sooner than a quarter of a second after its display it takes no vote
STALLED = 5_000  # milliseconds without the next pair, after which a key counts as lost
# notes when a key went down, and when another question stood in the page
WATCH = """() => {
  const shown = () => document.querySelector(".st-key-labels_prompt")?.innerText ?? ""
  let pressed = 0, before = ""
  window.took = []
  document.addEventListener("keydown", () => { pressed = performance.now(); before = shown() }, true)
  new MutationObserver(() => {
    if (pressed && shown().includes("?") && shown() !== before) { window.took.push(performance.now() - pressed); pressed = 0 }
  }).observe(document.body, { subtree: true, childList: true, characterData: true })
}"""


def keys() -> None:
    """The time from a key to the next pair: at most 150 ms for 95 of 100 is claimed."""
    from playwright.sync_api import TimeoutError as Late

    with tempfile.TemporaryDirectory(prefix="temper-bench-") as folder, ExitStack() as ends:
        home = Home.resolve(folder)
        prepare.prepare(home)
        project = projects.create(home, "keys", {"overlap": 0.0, "repeats": 0.0, "gold": 0.0, "criteria": ["helpful", "honest"]})
        rng, took = random.Random(0), list[float]()
        said = [[" ".join(rng.choice(WORDS) for _ in range(rng.randint(20, 260))) for _ in range(2)] for _ in range(PRESSES + 20)]
        pairs.add(
            home,
            project,
            [NewPair([{"role": "user", "content": f"Question {i}?"}], both[0], both[1]) for i, both in enumerate(said)],
        )
        engine = processes.hold(home.root / "engine.lock")  # this process stands where the engine would: nothing trains beside
        assert engine is not None
        ends.callback(engine.close)
        processes.write_identity(home.root / "engine.json", os.getpid())
        tab = ends.enter_context(watching(home))
        tab.goto(f"{tab.url.rstrip('/')}/labels?project={project.id}&view=label&labeller=anna")
        tab.locator(".st-key-labels_prompt").wait_for(timeout=60_000)
        tab.wait_for_timeout(3_000)
        tab.evaluate(WATCH)
        for i in range(PRESSES):
            tab.wait_for_timeout(rng.uniform(*THINKING))
            tab.keyboard.press("12"[i % 2])
            with suppress(Late):
                tab.wait_for_function("before => window.took.length > before", arg=len(took), timeout=STALLED)
            took = tab.evaluate("() => window.took")
        took.sort()
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    print(
        f"{len(took)} of {PRESSES} keys: median {cuts[49]:.0f} ms, p95 {cuts[94]:.0f} ms, longest {took[-1]:.0f} ms (claimed: p95 < 150)"
    )
