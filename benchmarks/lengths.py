"""The two committed sets of rows that batching is measured on, and what made them."""

import json
import random
from pathlib import Path

FOLDER = Path(__file__).parent / "data"
WORDS = "the mill in Oakford opens at nine and sells bread salt and wool to people from every town near the river".split()


def write() -> None:
    """Rows whose answers are as long as a lognormal draw, and rows whose answers are all equally long."""
    rng = random.Random(1)
    lengths = {"lognormal": [max(4, int(rng.lognormvariate(3.6, 0.9))) for _ in range(400)], "equal": [60] * 400}
    for name, counts in lengths.items():
        rows = []
        for i, count in enumerate(counts):
            answer = " ".join(rng.choice(WORDS) for _ in range(min(count, 260)))
            turns = [{"role": "user", "content": f"Say number {i:03d}."}, {"role": "assistant", "content": answer}]
            rows.append(json.dumps({"messages": turns}))
        (FOLDER / f"{name}.jsonl").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    write()
