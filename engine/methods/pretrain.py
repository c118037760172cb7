"""Pre-training and continual pre-training: every token of plain text carries loss.

Documents are joined, each with its end token, and cut into blocks of ``max_length`` tokens, so nothing is lost and
nothing is padding.
"""

from dataclasses import dataclass

from engine.methods import language
from engine.methods.arguments import CommonSettings, LoraSettings
from engine.methods.method import Method, Trained, Training, setting


@dataclass(frozen=True)
class PretrainSettings(LoraSettings, CommonSettings):
    """Settings of pre-training."""

    tuning: str = setting(
        "full", "Full trains every weight; LoRA a small adapter beside the frozen base", choices=("full", "lora"), group="LoRA"
    )
    epochs: float = setting(1.0, "How often every document is seen; used when steps is 0", low=0.01, high=1000)
    max_length: int = setting(512, "Tokens in a block", low=8, high=1_048_576)
    replay: str = setting(
        "", "General text to mix in against forgetting, and to measure what is forgotten", group="Forgetting", refers="data:text"
    )
    replay_share: float = setting(
        0.2, "Share of the blocks that comes from the data to replay; 0 only measures", low=0, high=0.95, group="Forgetting"
    )
    fresh: bool = setting(False, "Begin with random weights in the architecture of the model, instead of its weights")
    compile: bool = setting(
        False, "Compile the layers first: needs a C++ compiler and a minute, then saves a quarter of the time"
    )


def train(training: Training) -> Trained:
    """Pre-train on the documents of the data set."""
    settings = training.settings
    return language.train(training, language.blocks(training), fresh=settings.fresh, compile=settings.compile)


METHOD = Method(
    name="pretrain",
    title="Pre-training",
    summary="Teaches a language or a domain from plain text: from a base model (continual pre-training) or from random weights.",
    shapes=("text",),
    settings=PretrainSettings,
    train=train,
)
