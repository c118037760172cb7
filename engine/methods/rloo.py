"""REINFORCE with a leave-one-out baseline: an answer counts by how much better it is than the mean of the others."""

from dataclasses import dataclass

from engine.methods import rollouts, running
from engine.methods.card import Card, arxiv
from engine.methods.method import Method, Trained, Training, setting
from engine.methods.rollouts import RolloutSettings


@dataclass(frozen=True)
class RlooSettings(RolloutSettings):
    """Settings of REINFORCE leave-one-out."""

    answers: int = setting(4, "Answers to each prompt, each compared with the others", low=2, high=1024, group="Answers")
    whiten: bool = setting(False, "Bring the advantages of a batch to mean 0 and variance 1", group="Update")


def train(training: Training) -> Trained:
    """Optimise the reward of the model's own answers to the prompts of the data set."""
    from trl import RLOOConfig

    from engine.methods.rollout_trainers import Rloo

    settings = training.settings
    material = rollouts.asked(training, tools=False)
    training.reporter.phase("loading")
    ready = rollouts.ready(training, material)
    trainer = Rloo(
        model=ready.model,
        args=RLOOConfig(
            **ready.arguments, **rollouts.arguments(training, material, ready.model), normalize_advantages=settings.whiten
        ),
        train_dataset=material.train,
        processing_class=material.tokenizer,
        peft_config=ready.lora,
        material=material,
        **running.watched(training, material.prompts),
    )
    return running.carry_out(
        training, trainer, {"weights": ready.weights}, lambda: rollouts.measured(training, trainer.model, material)
    )


CARD = Card(
    idea="Several answers to a prompt are rewarded, and each counts by how much better it is than the mean of the others. That "
    "mean is an unbiased baseline, so no value has to be learnt.",
    objective=r"\nabla J = \frac{1}{k} \sum_i \Big(r_i - \frac{1}{k-1} \sum_{j \neq i} r_j\Big) \nabla \log \pi_\theta(y_i \mid x)",
    needs="Prompts and a reward: some thousand prompts, and a reward model or answers that can be checked.",
    strengths="The fewest moving parts of the three; whole answers are the actions, which is what the reward judges.",
    weaknesses="Every token of an answer gets the same credit, and a batch is used once.",
    used_by="The experiments of its authors, in which it kept up with PPO at a fraction of the cost.",
    prefer="To begin reinforcement learning with the least to set, above all with a reward model.",
    sources=(arxiv("Ahmadian et al. 2024, Back to basics", "2402.14740"),),
)

METHOD = Method(
    name="rloo",
    title="REINFORCE leave-one-out",
    short="RLOO",
    family="rewards",
    summary="The simplest policy gradient: whole answers, rewarded and compared with the mean of the others to the same prompt.",
    shapes=("prompt",),
    settings=RlooSettings,
    train=train,
    card=CARD,
)
