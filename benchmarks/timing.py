"""Fair times on a noisy machine: interleaved rounds, medians, and a calibration loop beside every absolute time."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True)
class Figure:
    """The median of a measurement in seconds, with the least and the greatest of its rounds."""

    name: str
    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.name}: {self.median:.3f} s (from {self.low:.3f} to {self.high:.3f})"


def calibration() -> float:
    """Seconds for a fixed piece of arithmetic: what the machine can do at this moment."""
    began = time.perf_counter()
    total = 0
    for i in range(2_000_000):
        total += i * i % 7
    return time.perf_counter() - began


def interleaved(measurements: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, Figure]:
    """Each measurement once a round, in turn, so that a slow minute falls on all of them. Each returns its own seconds."""
    times: dict[str, list[float]] = {name: [] for name in measurements}
    loops = []
    for number in range(rounds):
        loops.append(calibration())
        for name, measure in measurements.items():
            times[name].append(measure())
            print(f"  round {number + 1}: {name} {times[name][-1]:.3f} s, calibration {loops[-1]:.3f} s", flush=True)
    return {name: Figure(name, statistics.median(t), min(t), max(t)) for name, t in times.items()}
