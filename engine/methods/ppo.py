"""Proximal policy optimisation: rewards become advantages per token by a learnt value of each state, in small clipped steps."""

from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.methods import rollouts, running
from engine.methods.card import Card, arxiv
from engine.methods.method import Method, Trained, Training, setting
from engine.methods.rollouts import RolloutSettings

PLACES = {
    "reward": "Each token pays for its divergence (Ouyang et al. 2022)",
    "loss": "The divergence is added to the loss",
}


@dataclass(frozen=True)
class PpoSettings(RolloutSettings):
    """Settings of proximal policy optimisation."""

    answers: int = setting(2, "Answers to each prompt; PPO does not compare them", low=2, high=1024, group="Answers")
    iterations: int = setting(2, "Passes over each batch of answers", low=1, high=100, group="Update")
    minibatches: int = setting(
        1, "Optimiser steps in each pass; each takes its part of the answers", low=1, high=64, group="Update"
    )
    gamma: float = setting(1.0, "How much a later reward counts now", low=0.5, high=1, group="Update")
    lam: float = setting(
        0.95, "Lambda of generalised advantage estimation: 1 trusts the rewards, 0 the values", low=0, high=1, group="Update"
    )
    whiten: bool = setting(True, "Bring the advantages of a batch to mean 0 and variance 1", group="Update")
    value_clip: float = setting(
        0.2, "How far a value may leave its old one in an update; 0 does not clip", low=0, high=100, group="Update"
    )
    value_weight: float = setting(0.5, "Weight of the value's loss", low=0, high=100, group="Update")
    kl_place: str = setting("reward", "Where the divergence from the start is paid for", choices=PLACES, group="Reward")
    kl_target: float = setting(
        0.0, "Divergence of an answer in nats that beta is moved towards; 0 keeps beta", low=0, high=1000, group="Reward"
    )
    kl_stop: float = setting(
        0.0, "Divergence per token within an update beyond which the rest of its passes is left out; 0 is none", low=0, high=10,
        group="Update",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kl_target and not self.beta:
            raise BadInput("kl_target moves beta, and beta is 0, which nothing moves. Set beta above 0, or kl_target to 0.")

    @property
    def together(self) -> int:
        """How many prompts are asked at once."""
        return self.batch_size * self.minibatches // self.answers


def train(training: Training) -> Trained:
    """Optimise the reward of the model's own answers to the prompts of the data set."""
    from trl import GRPOConfig

    from engine.methods.rollout_trainers import Ppo

    settings = training.settings
    material = rollouts.asked(training)
    training.reporter.phase("loading")
    ready = rollouts.ready(training, material)
    accumulation = ready.arguments["gradient_accumulation_steps"]
    trainer = Ppo(
        model=ready.model,
        args=GRPOConfig(
            **ready.arguments,
            **rollouts.arguments(training, material, ready.model),
            steps_per_generation=settings.minibatches * accumulation,
            scale_rewards="none",
        ),
        settings=settings,
        train_dataset=material.train,
        processing_class=material.tokenizer,
        peft_config=ready.lora,
        material=material,
        **running.watched(training, material.prompts),
    )

    def measured() -> dict[str, Any]:
        trainer.without_head()
        return rollouts.measured(training, trainer.model, material)

    return running.carry_out(training, trainer, {"weights": ready.weights}, measured)


CARD = Card(
    idea="The model answers, the answers are rewarded, and a value head learns what reward each state promises. Tokens that did "
    "better than promised become likelier, in small clipped steps, several on each batch.",
    objective=r"\mathcal{L} = -\min\left(\rho_t A_t, \, clip(\rho_t, 1 \pm \epsilon) A_t\right) + c \, (V_\phi(s_t) - R_t)^2, "
    r"\quad \rho_t = \frac{\pi_\theta(y_t)}{\pi_{old}(y_t)}",
    needs="Prompts and a reward: some thousand prompts, and a reward model or answers that can be checked.",
    strengths="Credits single tokens, reuses each batch, and is the best understood of the three.",
    weaknesses="The most settings and the most memory, and a value that has to be learnt first.",
    used_by="InstructGPT and Llama-2-Chat.",
    prefer="When long answers earn their reward late and single tokens matter. GRPO and RLOO reach as much on short answers with less.",
    sources=(
        arxiv("Schulman et al. 2017, PPO", "1707.06347"),
        arxiv("Schulman et al. 2015, GAE", "1506.02438"),
        arxiv("Ouyang et al. 2022, InstructGPT", "2203.02155"),
        arxiv("Huang et al. 2024, N+ implementation details", "2403.17031"),
    ),
)

METHOD = Method(
    name="ppo",
    title="Proximal policy optimisation",
    short="PPO",
    family="rewards",
    summary="Reinforcement learning with a learnt value of each token, as InstructGPT did it: small clipped steps, several a batch.",
    shapes=("prompt",),
    settings=PpoSettings,
    train=train,
    card=CARD,
    tools=True,
)
