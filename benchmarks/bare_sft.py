"""A bare TRL script with the settings of a Temper run: what the engine is measured against. Prints one JSON line a step.

usage: python -m benchmarks.bare_sft MODEL ROWS.jsonl STEPS BATCH_SIZE
"""

import json
import sys
import time

BEGAN = time.time()


def main(model: str, rows: str, steps: int, batch_size: int) -> None:
    """Fine-tune with LoRA on conversations, TRL's own defaults for the data: padded batches, loss on the answers."""
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

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

    data = load_dataset("json", data_files=rows, split="train").select_columns(["messages"])
    settings = SFTConfig(
        output_dir="/tmp/bare", max_steps=steps, per_device_train_batch_size=batch_size, learning_rate=1e-3, bf16=device().bfloat16,
        gradient_checkpointing=False, use_cpu=not torch.cuda.is_available(), logging_steps=1, save_strategy="no", report_to="none",
        assistant_only_loss=True, max_length=512, disable_tqdm=True, dataloader_pin_memory=False, seed=0,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), args=settings, train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(model), callbacks=[Clock()],
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )  # fmt: skip
    trainer.train()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
