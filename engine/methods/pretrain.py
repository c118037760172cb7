"""Pre-training and continual pre-training: every token of plain text carries loss.

Documents are joined, each with its end token, and cut into blocks of ``max_length`` tokens, so nothing is lost and
nothing is padding.
"""

from dataclasses import dataclass

from engine.methods import language
from engine.methods.arguments import CommonSettings, LoraSettings
from engine.methods.card import Card, arxiv
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
        "",
        "General text, or conversations for a model that has learnt to answer, to mix in against forgetting and to measure it: at "
        "least a block of it is held out",
        group="Forgetting",
        refers="data:text|messages|prompt_completion",
    )
    replay_share: float = setting(
        0.2, "Share of the blocks that comes from the data to replay; 0 only measures", low=0, high=0.95, group="Forgetting"
    )
    fresh: bool = setting(False, "Begin with random weights in the architecture of the model, instead of its weights")
    compile: bool = setting(
        False, "Compile the layers first: needs a C++ compiler and a minute, then saves a quarter of the time"
    )

    def replayed(self, rows: int) -> int:
        """So many blocks that they are ``replay_share`` of all."""
        return round(rows * self.replay_share / (1 - self.replay_share)) if self.replay else 0


def train(training: Training) -> Trained:
    """Pre-train on the documents of the data set."""
    settings = training.settings
    return language.train(training, language.blocks(training), fresh=settings.fresh, compile=settings.compile)


CARD = Card(
    idea="The model reads plain text and learns to continue it; every token carries loss. Continued on the texts of a domain it "
    "takes up their language and their facts.",
    objective=r"\mathcal{L} = -\frac{1}{T} \sum_{t} \log \pi_\theta(x_t \mid x_{<t})",
    needs="Plain documents: a domain takes from some million tokens on, each fact in several wordings; general text to replay beside it.",
    strengths="The only one of these methods that teaches new facts and language well, from text as it is.",
    weaknesses="Costs the most tokens, forgets what is not replayed, and leaves a model that continues text and follows no instructions.",
    used_by="Code Llama (code), Meditron (medicine) and Llemma (mathematics), all continued from general models.",
    prefer="When the model lacks the language or the knowledge of a domain. Where facts change often, retrieval is cheaper.",
    sources=(
        arxiv("Gururangan et al. 2020, Don't stop pretraining", "2004.10964"),
        arxiv("Ibrahim et al. 2024, Continual pre-training with replay", "2403.08763"),
    ),
)

METHOD = Method(
    name="pretrain",
    title="Pre-training",
    short="Pre-training",
    family="text",
    summary="Teaches a language or a domain from plain text: from a base model (continual pre-training) or from random weights.",
    shapes=("text",),
    settings=PretrainSettings,
    train=train,
    card=CARD,
)
