"""TRL's trainers of reinforcement learning with our rewards, the time of each phase, and PPO on top of them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerCallback
from trl import GRPOTrainer, RLOOTrainer

from engine.generation.answers import Sampling
from engine.methods import advantages as arithmetic
from engine.methods import rollouts
from engine.methods.rollouts import Asked
from engine.methods.trainer import Watched
from engine.rewards.recipe import Part
from engine.rewards.table import Answer
from engine.tools import talk
from engine.tools.talk import Talk

VALUE_HEAD = "value_head.safetensors"
KL_CONTROL = "kl_control.json"


class Rollouts(Watched):
    """Mixed into TRL's GRPO and RLOO: rewards from the recipe, greedy reward on held-out prompts, seconds of each phase."""

    def __init__(self, *args: Any, material: Asked, **kwargs: Any) -> None:
        self.material = material
        rewards = [self._reward(part) for part in material.parts]
        super().__init__(*args, reward_funcs=rewards, **kwargs)

    def _reward(self, part: Part) -> Callable[..., list[float | None]]:
        """A part of the recipe as TRL calls it; it logs under the name of the part."""

        def score(
            completions: list[Any], completion_ids: list[list[int]], place: list[int], said: list[Talk] | None = None, **_: Any
        ) -> list[float | None]:
            ends = {*self.eos_token_ids, self.processing_class.pad_token_id}  # type: ignore[attr-defined]
            if said is not None:
                rows = [self.material.rows[p] for p in place]
                return part.score([Answer(r, t.text, t.tokens, t.ended) for r, t in zip(rows, said, strict=True)])
            return part.score(
                [
                    Answer(self.material.rows[p], said[-1]["content"] or "", len(ids), bool(ids) and ids[-1] in ends)
                    for said, ids, p in zip(completions, completion_ids, place, strict=True)
                ]
            )

        score.__name__ = part.label
        return score

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The mean reward of greedy answers to held-out prompts, and the answers to the fixed ones."""
        figures = super().evaluate(*args, **kwargs)
        rewards = (
            rollouts.greedy(self.model, self.material, rollouts.LOOKED_AT, int(self.max_completion_length or 0))  # type: ignore[attr-defined]
            if self.material.held_out
            else []
        )
        if rewards:
            self.reporter.metrics(self.state.global_step, {"eval_reward": sum(rewards) / len(rewards)})
        return figures

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        with self.watch.phase("generation"):
            return super()._generate(*args, **kwargs)  # type: ignore[misc]

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        with self.watch.phase("reward"):
            given = super()._calculate_rewards(*args, **kwargs)  # type: ignore[misc]
        # TRL adds up the parts that could say; an answer that one of them could not is left out whole, as where none could
        return given.masked_fill(given.isnan().any(dim=1, keepdim=True), torch.nan)

    def _generate_and_score_completions(self, *args: Any, **kwargs: Any) -> Any:
        with self.watch.phase("scoring"):  # log-probabilities of the answers, by the policy and its reference
            return super()._generate_and_score_completions(*args, **kwargs)  # type: ignore[misc]

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        with self.watch.phase("update"):
            return super().training_step(*args, **kwargs)


class Grpo(Rollouts, GRPOTrainer):
    """Group relative policy optimisation (Shao et al. 2024) and its variants; where rows have tools, the answers call them."""

    def __init__(self, *args: Any, material: Asked, **kwargs: Any) -> None:
        super().__init__(*args, material=material, **kwargs)
        if material.tools:
            self.rollout_func = self._talked  # not given to TRL's __init__, which would warn that this may change

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        self.places = [row["place"] for row in inputs]
        return super()._generate_and_score_completions(inputs)

    def _talked(self, prompts: list[Any], trainer: Any) -> dict[str, Any]:
        """An answer to the row at each of ``places``, with its calls; TRL's mask leaves out what the tools told."""
        rows, ids = ([kept[p] for p in self.places] for kept in (self.material.rows, self.material.ids))
        drawn = Sampling(
            max_tokens=int(self.max_completion_length or 0), temperature=self.temperature, top_p=self.top_p,
            seed=self.args.seed * 1_000_003 + self.state.global_step * 1_009 + self.accelerator.process_index,
        )  # fmt: skip
        model = self.accelerator.unwrap_model(self.model)
        told = talk.complete(model, self.material.tokenizer, ids, rows, drawn)
        calls = sum(t.calls for t in told)
        figures = self._metrics["train" if self.model.training else "eval"]  # type: ignore[union-attr]
        figures["tool_calls"].append(calls / len(told))
        figures["tool_failures"].append(sum(t.failures for t in told) / max(1, calls))
        return {
            "prompt_ids": ids, "completion_ids": [t.ids for t in told], "logprobs": None,
            "env_mask": [[int(c) for c in t.chosen] for t in told], "said": told,
        }  # fmt: skip


class Rloo(Rollouts, RLOOTrainer):
    """REINFORCE with the mean of the other answers as its baseline (Ahmadian et al. 2024)."""


class ValueHead(nn.Linear):
    """One number a token from the last hidden state; it begins at 0, so that the first advantages are the rewards themselves."""

    def __init__(self, width: int) -> None:
        super().__init__(width, 1)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        return super().forward(input.to(self.weight.dtype)).squeeze(-1)


class LeaveOut(TrainerCallback):
    """Takes the gradients away where an update has gone too far: with gradients of 0 the optimiser's momentum would still move."""

    def __init__(self, trainer: "Ppo") -> None:
        self.trainer = trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any = None, **_: Any) -> None:
        if self.trainer.far:
            self.trainer.optimizer.zero_grad(set_to_none=True)  # type: ignore[union-attr]


class Ppo(Grpo):
    """Proximal policy optimisation: a value head on the policy's own body, advantages per token, clipped policy and values.

    TRL's GRPO generates and rewards; what makes the advantages and the loss is here. The loss's own penalty is not used
    while the penalty is in the rewards, or it would count twice.
    """

    def __init__(self, *args: Any, settings: Any, **kwargs: Any) -> None:
        self.settings = settings
        self.far = False  # this batch of answers has moved the policy too far for another update
        super().__init__(*args, **kwargs)
        # a tenth of the run can change the coefficient by a fifth, so that a short run can reach its target too
        answers = self.args.max_steps * settings.batch_size / settings.iterations
        self.kl = arithmetic.KlControl(settings.beta, settings.kl_target, min(10_000.0, answers / 10))
        self.add_callback(LeaveOut(self))
        model: Any = self.model
        inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        self.body = inner.base_model
        self.value_head = ValueHead(inner.config.get_text_config().hidden_size).to(self.accelerator.device)
        inner.add_module("value_head", self.value_head)  # where the optimiser finds it
        self.owner = inner
        if self.use_vllm:
            self._keep_head_from_vllm()

    def _keep_head_from_vllm(self) -> None:
        """Bring all weights up to date in vLLM but the value head, which it knows nothing of."""
        every = self.vllm_generation._iter_named_params
        self.vllm_generation._iter_named_params = lambda: ((name, p) for name, p in every() if "value_head." not in name)

    def without_head(self) -> None:
        """Take the value head off, before the weights are saved as a language model."""
        del self.owner.value_head

    @contextmanager
    def _hidden(self) -> Iterator[list[Any]]:
        """The last hidden states of every forward pass meanwhile."""
        seen: list[Any] = []
        hook = self.body.register_forward_hook(lambda module, given, output: seen.append(output.last_hidden_state))
        try:
            yield seen
        finally:
            hook.remove()

    def _read(self, inputs: Any, size: int | None = None) -> tuple[Any, Any, Any]:
        """Log-probabilities, values and entropies of the answers' tokens, each (B, T)."""
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        attended = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
        length = inputs["completion_ids"].shape[1]
        with self._hidden() as hidden:
            logps, entropies, _ = self._get_per_token_logps_and_entropies(
                self.model, ids, attended, length, size, compute_entropy=True
            )
        # the state before a token is the one that chose it
        values = torch.cat([self.value_head(states[:, -length - 1 : -1]) for states in hidden])
        return logps, values, entropies

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        self.raw = super()._calculate_rewards(*args, **kwargs)
        return self.raw

    def _generate_and_score_completions(self, *args: Any, **kwargs: Any) -> Any:
        out = super()._generate_and_score_completions(*args, **kwargs)
        with self.watch.phase("scoring"), torch.no_grad():
            return out | self._advantages(out)

    def _advantages(self, out: Any) -> dict[str, Any]:
        settings = self.settings
        begin = self.accelerator.process_index * len(out["completion_mask"])
        raw = self.raw[begin : begin + len(out["completion_mask"])]
        # what no reward could judge is no answer worth nothing: nothing is learnt from it
        out = out | {"completion_mask": out["completion_mask"] * (~raw.isnan().all(dim=1, keepdim=True))}
        mask = _mask(out)
        logps, values, _ = self._read(out, self.args.per_device_train_batch_size)
        reference = out.get("ref_per_token_logps", logps)
        scores = (raw * self.reward_weights.to(raw.device)).nansum(dim=1)
        in_rewards = self.kl.coefficient if settings.kl_place == "reward" else 0.0
        rewards = arithmetic.token_rewards(scores, logps, reference, mask, in_rewards)
        values = values * mask
        advantages, returns = arithmetic.generalised_advantages(rewards, values, mask, settings.gamma, settings.lam)
        self.far = False
        self._note(value=float(values.sum() / mask.sum().clamp(min=1)), explained=arithmetic.explained(values, returns, mask))
        if "ref_per_token_logps" in out:
            moved = float(((logps - reference) * mask).sum(1).mean())
            self._note(kl_answer=moved, kl_coefficient=self.kl.coefficient)
            self.kl.update(moved, len(mask) * self.accelerator.num_processes)
        return {
            "completion_mask": out["completion_mask"],
            "advantages": arithmetic.whitened(advantages, mask) if settings.whiten else advantages,
            "old_per_token_logps": logps, "old_values": values, "returns": returns, "ref_per_token_logps": reference,
        }  # fmt: skip

    def _compute_loss(self, model: Any, inputs: Any) -> Any:
        settings, mask = self.settings, _mask(inputs)
        logps, values, entropies = self._read(inputs)
        old = inputs["old_per_token_logps"]
        policy = arithmetic.policy_loss(logps, old, inputs["advantages"], mask, settings.epsilon)
        value = arithmetic.value_loss(values, inputs["old_values"], inputs["returns"], mask, settings.value_clip)
        loss = policy + settings.value_weight * value
        if settings.kl_place == "loss":
            loss = loss + self.kl.coefficient * arithmetic.mean(arithmetic.k3(logps, inputs["ref_per_token_logps"]), mask)
        step = float(arithmetic.mean(arithmetic.k3(logps.detach(), old), mask))
        self.far = self.far or bool(settings.kl_stop and step > settings.kl_stop)
        ratio = (logps.detach() - old).exp()
        self._note(
            policy_loss=float(policy.detach()), value_loss=float(value.detach()), kl_update=step, skipped=float(self.far),
            entropy=float(arithmetic.mean(entropies.detach(), mask)),
            clipped=float(arithmetic.mean(((ratio - 1).abs() > settings.epsilon).float(), mask)),
        )  # fmt: skip
        return loss / self.current_gradient_accumulation_steps

    def _note(self, **figures: float) -> None:
        for name, value in figures.items():
            self._metrics["train" if self.model.training else "eval"][name].append(value)  # type: ignore[union-attr]

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        held = state_dict if state_dict is not None else self.accelerator.unwrap_model(self.model).state_dict()
        super()._save(output_dir, {k: v for k, v in held.items() if "value_head." not in k})
        folder = Path(str(output_dir))
        save_file(dict(self.value_head.state_dict()), folder / VALUE_HEAD)
        (folder / KL_CONTROL).write_text(json.dumps({"coefficient": self.kl.coefficient}), encoding="utf-8")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        folder = Path(resume_from_checkpoint)
        self.value_head.load_state_dict(load_file(folder / VALUE_HEAD))
        self.kl.coefficient = json.loads((folder / KL_CONTROL).read_text(encoding="utf-8"))["coefficient"]


def _mask(inputs: Any) -> Any:
    """1 at the tokens that the policy chose, (B, T)."""
    return (inputs["completion_mask"] * inputs.get("tool_mask", 1)).float()
