"""TRL's trainers for judged answers, over rows that are already tokens."""

from typing import Any

from trl import DPOTrainer, KTOTrainer, RewardTrainer

from engine.methods.trainer import Watched


class Dpo(Watched, DPOTrainer):
    """Pairs as ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset


class Kto(Watched, KTOTrainer):
    """Answers as ``prompt_ids``, ``completion_ids`` and ``label``, in the order in which they are to be taken.

    The KL term is estimated from answers to other prompts: within each micro-batch every prompt gets the answer of the
    one before it (Ethayarajh et al. 2024, section 4.1), of which there is as much as ``limit`` tokens hold together.
    """

    def __init__(self, *args: Any, limit: int, **kwargs: Any) -> None:
        self.limit = limit
        super().__init__(*args, **kwargs)

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Any:
        answers, size = dataset["completion_ids"], args.per_device_train_batch_size
        turned = []
        for start in range(0, len(answers), size):
            block = answers[start : start + size]
            turned += [block[-1], *block[:-1]]
        if len(answers) % size == 1 and len(answers) > 1:
            turned[-1] = answers[-2]  # alone in its micro-batch, it would meet its own answer
        rooms = [self.limit - len(prompt) for prompt in dataset["prompt_ids"]]  # at least 1: every row has some of its own answer
        return dataset.add_column("KL_completion_ids", [ids[:room] for ids, room in zip(turned, rooms, strict=True)])


class Reward(Watched, RewardTrainer):
    """Pairs as whole rows ``chosen_ids`` and ``rejected_ids``, with ``margin`` where there is one."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset
