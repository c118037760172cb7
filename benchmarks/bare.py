"""A bare TRL script with the settings of a Temper run: what the engine is measured against. Prints one JSON line a step.

usage: python -m benchmarks.bare sft|dpo|grpo MODEL ROWS.jsonl STEPS BATCH_SIZE LEARNING_RATE
"""

import json
import sys
import time
from typing import Any

BEGAN = time.time()


def sft(common: dict[str, Any], data: Any, given: dict[str, Any], batch_size: int) -> Any:
    """Conversations, TRL's own defaults for the data: padded batches, loss on the answers."""
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(**given, per_device_train_batch_size=batch_size, assistant_only_loss=True, max_length=512)
    return SFTTrainer(args=config, train_dataset=data.select_columns(["messages"]), **common)


def dpo(common: dict[str, Any], data: Any, given: dict[str, Any], batch_size: int) -> Any:
    """Preference pairs as conversations, so that the chat template is used."""
    from trl import DPOConfig, DPOTrainer

    def turns(row: dict[str, str]) -> dict[str, list[dict[str, str]]]:
        said = {side: [{"role": "assistant", "content": row[side]}] for side in ("chosen", "rejected")}
        return {"prompt": [{"role": "user", "content": row["prompt"]}], **said}

    config = DPOConfig(**given, per_device_train_batch_size=batch_size, max_length=512)
    return DPOTrainer(args=config, train_dataset=data.map(turns), **common)


def grpo(common: dict[str, Any], data: Any, given: dict[str, Any], batch_size: int) -> Any:
    """Prompts with a number to be found as the last one in the answer, eight answers to each."""
    from trl import GRPOConfig, GRPOTrainer

    def turns(row: dict[str, str]) -> dict[str, Any]:
        return {"prompt": [{"role": "user", "content": row["prompt"]}], "answer": row["answer"]}

    def right(completions: list[Any], answer: list[str], **_: Any) -> list[float | None]:
        return [float(said[0]["content"].strip().endswith(wanted)) for said, wanted in zip(completions, answer, strict=True)]

    config = GRPOConfig(
        **given, per_device_train_batch_size=batch_size, num_generations=8, max_completion_length=16, beta=0.02, temperature=1.0
    )
    return GRPOTrainer(reward_funcs=right, args=config, train_dataset=data.map(turns), **common)


def main(method: str, model: str, rows: str, steps: int, batch_size: int, learning_rate: float) -> None:
    """Train with LoRA."""
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

    from engine.methods.loading import device

    class Clock(TrainerCallback):
        def on_step_begin(self, args: object, state: object, control: object, **_: object) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, args: object, state: object, control: object, **_: object) -> None:
            spent = time.perf_counter() - self.began
            print(json.dumps({"step": state.global_step, "seconds": spent, "since_start": time.time() - BEGAN}), flush=True)  # type: ignore[attr-defined]

        def on_log(self, args: object, state: object, control: object, logs: dict[str, float] | None = None, **_: object) -> None:
            if logs and "num_tokens" in logs:
                print(json.dumps({"tokens": float(logs["num_tokens"])}), flush=True)

    given: dict[str, Any] = {
        "output_dir": "/tmp/bare", "max_steps": steps, "learning_rate": learning_rate, "bf16": device().bfloat16,
        "gradient_checkpointing": False, "use_cpu": not torch.cuda.is_available(), "logging_steps": 1, "save_strategy": "no",
        "report_to": "none", "disable_tqdm": True, "dataloader_pin_memory": False, "seed": 0,
    }  # fmt: skip
    common = {
        "model": AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        "processing_class": AutoTokenizer.from_pretrained(model),
        "callbacks": [Clock()],
        "peft_config": LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    }
    data = load_dataset("json", data_files=rows, split="train")
    {"sft": sft, "dpo": dpo, "grpo": grpo}[method](common, data, given, batch_size).train()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))
