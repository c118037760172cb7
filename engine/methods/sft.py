"""Supervised fine-tuning: the model learns to give the answers of the data, with loss on the answers only."""

from dataclasses import dataclass

from engine.methods import language
from engine.methods.arguments import CommonSettings, LoraSettings
from engine.methods.batching import WAYS
from engine.methods.method import Method, Trained, Training, setting


@dataclass(frozen=True)
class SftSettings(LoraSettings, CommonSettings):
    """Settings of supervised fine-tuning."""

    batching: str = setting(
        "auto",
        "How rows of different lengths share a step; auto decides by the lengths and says why",
        choices=("auto", *WAYS),
        group="Batching",
    )
    neftune: float = setting(0.0, "Noise on the embeddings while training (Jain et al. 2023); 0 is none", low=0, high=100)


def train(training: Training) -> Trained:
    """Fine-tune on the conversations of the data set."""
    return language.train(training, language.conversations(training))


METHOD = Method(
    name="sft",
    title="Supervised fine-tuning",
    summary="Teaches by example: conversations or prompts with the answers wanted. Loss on the answers only.",
    shapes=("messages", "prompt_completion"),
    settings=SftSettings,
    train=train,
)
