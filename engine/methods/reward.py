"""A reward model: learns from pairs to give each answer a number, and is tested on pairs held out."""

from dataclasses import dataclass
from typing import Any, ClassVar

from engine.methods import preference, running
from engine.methods.arguments import CommonSettings, LoraSettings
from engine.methods.card import Card, arxiv
from engine.methods.method import Method, Trained, Training, setting
from engine.rewards import scoring, trust


@dataclass(frozen=True)
class RewardSettings(LoraSettings, CommonSettings):
    """Settings of a reward model."""

    RATE: ClassVar[float] = 0.3
    MOST_HELD_OUT: ClassVar[int] = preference.MOST_HELD_OUT

    tuning: str = setting(
        "lora",
        "LoRA trains a small adapter beside the frozen base; full trains every weight",
        choices=("lora", "full"),
        group="LoRA",
    )
    epochs: float = setting(1.0, "How often every pair is seen; used when steps is 0", low=0.01, high=1000)
    evaluate_share: float = setting(
        0.2, "Share of the pairs held out to test whether the model may be believed", low=0, high=0.5, group="Watching"
    )
    centre: float = setting(
        0.01, "Pull of the rewards towards a mean of 0 (Eisenstein et al. 2023); 0 is none", low=0, high=10, group="Preference"
    )

    def computed(self, rows: int, longest: int) -> tuple[int, int]:
        """Both answers of a pair are computed."""
        return rows, 2 * longest


def train(training: Training) -> Trained:
    """Fit the Bradley-Terry model to the pairs: P(chosen is better) = sigmoid(reward of chosen - reward of rejected - margin)."""
    from trl import RewardConfig

    from engine.methods.preference_trainers import Reward

    settings = training.settings
    material = preference.pairs(training)
    training.reporter.phase("loading")
    ready = running.ready(training, len(material.train), material.longest, head="reward")
    trainer = Reward(
        model=ready.model,
        args=RewardConfig(**ready.arguments, max_length=None, center_rewards_coefficient=settings.centre or None),
        train_dataset=material.train.map(_whole, remove_columns=["prompt_ids"]),
        eval_dataset=material.held_out.map(_whole, remove_columns=["prompt_ids"]) if material.held_out else None,
        processing_class=material.tokenizer,
        peft_config=ready.lora,
        **running.watched(training, []),
    )

    def judged() -> dict[str, Any]:
        return _trust(trainer, material) if material.held_out else {}

    return running.carry_out(training, trainer, {"weights": ready.weights, "task": "reward"}, judged)


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    return {side: row["prompt_ids"] + row[side] for side in ("chosen_ids", "rejected_ids")}


def _trust(trainer: Any, material: preference.Judged) -> dict[str, Any]:
    """The trust test on the pairs held out."""
    rows = list(material.held_out or ())
    pad = material.tokenizer.pad_token_id
    chosen, rejected = (
        scoring.scores(trainer.model, [_whole(row)[side] for row in rows], pad) for side in ("chosen_ids", "rejected_ids")
    )
    lengths = [(len(row["chosen_ids"]), len(row["rejected_ids"])) for row in rows]
    return {"trust": trust.test(chosen, rejected, lengths).summary()}


CARD = Card(
    idea="From pairs the model learns to give each answer a number, so that the chosen one gets the higher. It writes nothing: "
    "reinforcement learning and rejection sampling use its numbers.",
    objective=r"\mathcal{L} = -\log \sigma\left(r_\theta(x, y_w) - r_\theta(x, y_l) - m\right)",
    needs="Pairs of a better and a worse answer: from 1,000 for a narrow question to 100,000 and more for general taste.",
    strengths="Judges answers that nobody has seen, as many as wanted, in one pass each.",
    weaknesses="Learns what is easy, often length, and is fooled by answers that a policy finds by pushing it; hence the trust test.",
    used_by="InstructGPT, and Llama-2-Chat with one for helpfulness and one for safety.",
    prefer="When good answers can be recognised but neither written nor checked, and answers are to be sampled while training.",
    sources=(
        arxiv("Christiano et al. 2017, Learning from human preferences", "1706.03741"),
        arxiv("Stiennon et al. 2020, Learning to summarize", "2009.01325"),
        arxiv("Gao et al. 2022, Reward model overoptimization", "2210.10760"),
    ),
)

METHOD = Method(
    name="reward",
    title="Reward model",
    short="Reward model",
    family="judgements",
    summary="Learns from pairs what a good answer is worth, for reinforcement learning and for choosing among answers.",
    shapes=("preference",),
    settings=RewardSettings,
    train=train,
    card=CARD,
)
