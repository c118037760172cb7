"""What every process of the engine sets before it imports a library that looks at it: nothing phones home, threads wait politely."""

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
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}
# the model host answers beside a training: its threads spin for about what waking up would take, and then sleep
POLITE = {"GOMP_SPINCOUNT": "5000"}
HUGE = {"THP_MEM_ALLOC_ENABLE": "1"}  # large tensors lie in huge pages where Linux gives them: fewer looks for where a page is
# the first GPU of those that may be seen: with several, the Trainer would wrap the model in DataParallel, which TRL refuses
ONE_GPU = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}
OFFLINE = {"HF_HUB_OFFLINE": "1"}
