"""Supervised fine-tuning: the model learns to give the answers of the data, with loss on the answers only."""

from dataclasses import dataclass

from engine.methods import language
from engine.methods.arguments import CommonSettings, LoraSettings
from engine.methods.batching import WAYS
from engine.methods.card import Card, arxiv
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


CARD = Card(
    idea="The model is shown conversations and learns, token by token, to give the answers in them. What it only reads carries "
    "no loss, so it learns to answer and not to ask.",
    objective=r"\mathcal{L} = -\frac{1}{|y|} \sum_{t} \log \pi_\theta(y_t \mid x, y_{<t})",
    needs="Conversations with the answers wanted: 1,000 careful ones can do, 10,000 to 100,000 are usual.",
    strengths="Stable and cheap, works with any size, and is the first step of nearly every road.",
    weaknesses="It imitates: mistakes in the data are learnt like the rest, and nothing tells it what is wrong.",
    used_by="InstructGPT, Llama-2-Chat, Zephyr and Tülu 3, each as its first step.",
    prefer="When the answers wanted can be written down or collected. Go on with DPO when it is easier to say which of two is better.",
    sources=(
        arxiv("Ouyang et al. 2022, InstructGPT", "2203.02155"),
        arxiv("Zhou et al. 2023, LIMA", "2305.11206"),
        arxiv("Hu et al. 2021, LoRA", "2106.09685"),
    ),
)

METHOD = Method(
    name="sft",
    title="Supervised fine-tuning",
    short="SFT",
    family="examples",
    summary="Teaches by example: conversations or prompts with the answers wanted. Loss on the answers only.",
    shapes=("messages", "prompt_completion"),
    settings=SftSettings,
    train=train,
    card=CARD,
)
