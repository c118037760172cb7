"""``make bench``: what is claimed about speed, measured on this machine and printed as ratios.

usage: python -m benchmarks [overhead | overhead-dpo | overhead-grpo | memory | launch | batching | pages | keys | serving |
       retrieval] ...
"""

import sys

from benchmarks import keys as label_keys
from benchmarks import memory, retrieval, serving, training
from benchmarks import pages as page_times

PARTS = {
    "overhead": training.overhead,
    "overhead-dpo": lambda: training.overhead("dpo"),
    "overhead-grpo": lambda: training.overhead("grpo"),
    "memory": memory.peak,
    "launch": training.launch,
    "batching": training.batching,
    "pages": page_times.reruns,
    "keys": label_keys.keys,
    "serving": serving.serving,
    "retrieval": retrieval.retrieval,
}


def main(names: list[str]) -> int:
    """Run the named parts, or all."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}. There are: {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    for name in names or PARTS:
        print(f"== {name}", flush=True)
        PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
