"""Kahneman-Tversky optimisation: the model learns from single answers that are each marked good or bad."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from engine.methods import preference, running
from engine.methods.arguments import CommonSettings, LoraSettings
from engine.methods.card import Card, arxiv
from engine.methods.method import Method, Trained, Training, setting

LOSSES = {
    "kto": "Gains and losses against the average answer (Ethayarajh et al. 2024): the first to try",
    "apo_zero_unpaired": "Without that average (D'Oosterlinck et al. 2024): good answers better than the model's own",
}


@dataclass(frozen=True)
class KtoSettings(LoraSettings, CommonSettings):
    """Settings of Kahneman-Tversky optimisation."""

    RATE: ClassVar[float] = 0.1
    MOST_HELD_OUT: ClassVar[int] = preference.MOST_HELD_OUT
    LEAST_ROWS: ClassVar[int] = 2  # a prompt is compared with another one's answer

    epochs: float = setting(1.0, "How often every answer is seen; used when steps is 0", low=0.01, high=1000)
    batch_size: int = setting(16, "Rows per optimiser step", low=2, high=4096)
    loss: str = setting("kto", "How good and bad answers are weighed", choices=LOSSES, group="Preference")
    beta: float = setting(
        0.1, "How strongly the model is held to its start; larger moves less", low=0.001, high=100, group="Preference"
    )
    desirable_weight: float = setting(
        0.0, "Weight of the good answers; 0 balances them with the bad ones", low=0, high=100, group="Preference"
    )
    undesirable_weight: float = setting(
        0.0, "Weight of the bad answers; 0 balances them with the good ones", low=0, high=100, group="Preference"
    )


def balanced(labels: Sequence[bool], desirable: float, undesirable: float) -> tuple[float, float]:
    """The two weights; one that is 0 is chosen so that good and bad answers count alike (equation 8 of the paper, its lower end)."""
    good = max(1, sum(labels))
    bad = max(1, len(labels) - good)
    if not desirable and not undesirable:
        return (bad / good, 1.0) if bad > good else (1.0, good / bad)
    if not desirable:
        return undesirable * bad / good, undesirable
    return desirable, undesirable or desirable * good / bad


def train(training: Training) -> Trained:
    """Optimise on the labelled answers of the data set; the reference is the model as it begins, as for DPO."""
    from trl import KTOConfig

    from engine.methods.preference_trainers import Kto

    settings = training.settings
    material = preference.labelled(training)
    good, bad = balanced(material.train["label"], settings.desirable_weight, settings.undesirable_weight)
    training.reporter.log(
        f"{sum(material.train['label'])} good and {len(material.train) - sum(material.train['label'])} bad answers, "
        f"weighed {good:.3g} and {bad:.3g}"
    )
    training.reporter.phase("loading")
    ready = running.ready(training, len(material.train), material.longest)
    trainer = Kto(
        model=ready.model,
        args=KTOConfig(
            **ready.arguments,
            max_length=None,
            loss_type=settings.loss,
            beta=settings.beta,
            desirable_weight=good,
            undesirable_weight=bad,
            precompute_ref_log_probs=settings.tuning == "full",
        ),
        train_dataset=material.train,
        eval_dataset=material.held_out,
        processing_class=material.tokenizer,
        peft_config=ready.lora,
        limit=settings.max_length,
        **running.watched(training, material.prompts),
    )
    return running.carry_out(training, trainer, {"weights": ready.weights})


CARD = Card(
    idea="Good answers are made likelier and bad ones less likely, each weighed as people weigh gains and losses: against a point "
    "of reference, which is the divergence from the start over the batch.",
    objective=r"\mathcal{L} = \lambda_y - \lambda_y \, \sigma\left(\pm\beta \left(\log \frac{\pi_\theta(y \mid x)}{\pi_{ref}(y \mid x)} - z_0\right)\right)",
    needs="Single answers marked good or bad, such as thumbs: some thousands, and good and bad need not be equally many.",
    strengths="Takes the feedback that products already collect, bears noise and imbalance, and needs no pairs.",
    weaknesses="Learns less from a clean pair than DPO does, and its reference point is rough in small batches.",
    used_by="The Archangel models of its authors.",
    prefer="When answers are marked one by one. With true pairs DPO learns more from each.",
    sources=(arxiv("Ethayarajh et al. 2024, KTO", "2402.01306"),),
)

METHOD = Method(
    name="kto",
    title="Kahneman-Tversky optimisation",
    short="KTO",
    family="judgements",
    summary="Moves style and judgement by single answers, each marked good or bad; pairs are taken apart.",
    shapes=("unpaired", "preference"),
    settings=KtoSettings,
    train=train,
    card=CARD,
)
