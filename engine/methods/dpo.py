"""Direct preference optimisation: the model learns to prefer the chosen answer of each pair over the rejected one."""

from dataclasses import dataclass
from typing import ClassVar

from engine.errors import BadInput
from engine.methods import preference, running
from engine.methods.arguments import CommonSettings, LoraSettings
from engine.methods.card import Card, arxiv
from engine.methods.method import Method, Trained, Training, setting

LOSSES = {
    "sigmoid": "The DPO of the paper (Rafailov et al. 2023): the first to try",
    "sigmoid_norm": "The same per token: when the chosen answers are much longer than the rejected ones, or shorter",
    "ipo": "Aims at a fixed margin (Azar et al. 2023): when few pairs are seen often and sigmoid overfits",
    "hinge": "Stops pushing a pair beyond its margin (Zhao et al. 2023): keeps closer to the start",
    "robust": "Expects a share of labels to be swapped (Chowdhury et al. 2024): noisy labels; set label_smoothing to that share",
    "exo_pair": "Matches the preference's distribution (Ji et al. 2024): when the pairs come from this model; set label_smoothing to 0.001, as there",
    "nca_pair": "Keeps the chosen answer likely (Chen et al. 2024): when sigmoid makes both answers less likely",
    "apo_zero": "Makes chosen more and rejected less likely (D'Oosterlinck et al. 2024): chosen better than the model's own answers",
    "apo_down": "Makes both less likely, rejected more so: when even the chosen answers are worse than the model's own",
    "sppo_hard": "Plays against itself towards a fixed gain (Wu et al. 2024): pairs sampled from this model",
}
SMOOTHED = ("robust", "exo_pair")  # the losses in which TRL uses label_smoothing


@dataclass(frozen=True)
class DpoSettings(LoraSettings, CommonSettings):
    """Settings of direct preference optimisation."""

    RATE: ClassVar[float] = 0.1
    MOST_HELD_OUT: ClassVar[int] = preference.MOST_HELD_OUT

    epochs: float = setting(1.0, "How often every pair is seen; used when steps is 0", low=0.01, high=1000)
    loss: str = setting("sigmoid", "Which loss compares the two answers", choices=LOSSES, group="Preference")
    beta: float = setting(
        0.1, "How strongly the model is held to its start; larger moves less. For ipo its regularisation", low=0.001, high=100,
        group="Preference",
    )  # fmt: skip
    label_smoothing: float = setting(
        0.0, "For the losses robust and exo_pair alone: share of labels taken to be swapped (robust), or smoothing (exo_pair)",
        low=0, high=0.49, group="Preference",
    )  # fmt: skip
    sft_weight: float = setting(
        0.0,
        "Weight of the SFT loss on the chosen answers beside it; 1 keeps them likely (RPO)",
        low=0,
        high=100,
        group="Preference",
    )

    def __post_init__(self) -> None:
        if self.loss == "exo_pair" and not self.label_smoothing:
            raise BadInput(
                "loss is exo_pair, which takes the logarithm of label_smoothing, and that is 0. Set it above 0; its authors take 0.001."
            )
        if self.label_smoothing and self.loss not in SMOOTHED:
            raise BadInput(
                f"label_smoothing is {self.label_smoothing:g}, and the loss {self.loss} does nothing with it. "
                f"Set it to 0, or loss to {' or '.join(SMOOTHED)}."
            )

    def computed(self, rows: int, longest: int) -> tuple[int, int]:
        """Both answers of a pair are computed."""
        return rows, 2 * longest


def train(training: Training) -> Trained:
    """Optimise on the pairs of the data set.

    The reference is the model as it begins. With a fresh adapter it is the model with that adapter switched off, with a
    continued one a frozen copy of it, and for full tuning its log-probabilities are computed before the first step, so that
    no second model is in memory.
    """
    from trl import DPOConfig

    from engine.methods.preference_trainers import Dpo

    settings = training.settings
    material = preference.pairs(training)
    training.reporter.phase("loading")
    ready = running.ready(training, len(material.train), material.longest)
    losses, weights = ([settings.loss], [1.0])
    if settings.sft_weight:
        losses, weights = [*losses, "sft"], [*weights, settings.sft_weight]
    trainer = Dpo(
        model=ready.model,
        args=DPOConfig(
            **ready.arguments,
            max_length=None,
            loss_type=losses,
            loss_weights=weights,
            beta=settings.beta,
            label_smoothing=settings.label_smoothing,
            precompute_ref_log_probs=settings.tuning == "full",
        ),
        train_dataset=material.train,
        eval_dataset=material.held_out,
        processing_class=material.tokenizer,
        peft_config=ready.lora,
        **running.watched(training, material.prompts),
    )
    return running.carry_out(training, trainer, {"weights": ready.weights})


CARD = Card(
    idea="Of each pair the chosen answer is made likelier than the rejected one, measured against the model as it began. The "
    "reward model and the sampling of RLHF are folded into this one loss.",
    objective=r"\mathcal{L} = -\log \sigma\left(\beta \log \frac{\pi_\theta(y_w \mid x)}{\pi_{ref}(y_w \mid x)} "
    r"- \beta \log \frac{\pi_\theta(y_l \mid x)}{\pi_{ref}(y_l \mid x)}\right)",
    needs="Pairs of a better and a worse answer: 1,000 show a style, 10,000 to 100,000 are usual. Pairs of the model's own answers work best.",
    strengths="As simple and stable as SFT, no sampling while it trains, moves tone and judgement that examples cannot show.",
    weaknesses="Makes likelier what the model already does now and then and teaches nothing new; both answers can become less likely; "
    "prefers long answers where the pairs do.",
    used_by="Zephyr, Tülu 3, Llama 3 Instruct and Mixtral Instruct.",
    prefer="After SFT, when people or a judge can say which of two answers is better. With single marked answers take KTO, with "
    "answers that can be checked GRPO.",
    sources=(
        arxiv("Rafailov et al. 2023, DPO", "2305.18290"),
        arxiv("Azar et al. 2023, IPO", "2310.12036"),
        arxiv("Tunstall et al. 2023, Zephyr", "2310.16944"),
    ),
)

METHOD = Method(
    name="dpo",
    title="Direct preference optimisation",
    short="DPO",
    family="judgements",
    summary="Moves style and judgement by pairs of a better and a worse answer; no reward model and no sampling.",
    shapes=("preference",),
    settings=DpoSettings,
    train=train,
    card=CARD,
)
