"""What every process of the engine sets before it imports a library that looks at it: nothing phones home, threads are polite."""

import os

PRIVATE = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRL_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
QUIET = {
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
# threads that wait for each other sleep instead of spinning: a trainer, a chat and a page share these cores, and spinning
# beside each other they were ten times slower and more
POLITE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
# the first GPU of those that may be seen: with several, the trainer would split a batch over them, which it cannot for LoRA
ONE_GPU = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}
OFFLINE = {"HF_HUB_OFFLINE": "1"}
