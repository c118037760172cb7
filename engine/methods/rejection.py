"""Rejection sampling: the model answers each prompt several times, and learns from the best of its own answers."""

from dataclasses import dataclass
from typing import Any

from engine.data import tokens
from engine.errors import RunFailed
from engine.generation.answers import Sampling
from engine.methods import language, loading, rollouts, running
from engine.methods.arguments import CommonSettings, LoraSettings
from engine.methods.card import Card, arxiv
from engine.methods.method import Method, Trained, Training, setting
from engine.methods.rollouts import Asked, RewardedSettings
from engine.rewards import samples


@dataclass(frozen=True)
class RejectionSettings(RewardedSettings, LoraSettings, CommonSettings):
    """Settings of rejection sampling."""

    epochs: float = setting(2.0, "How often every answer that was kept is seen; used when steps is 0", low=0.01, high=1000)
    answers: int = setting(8, "Answers to each prompt", low=1, high=1024, group="Answers")
    max_answer: int = setting(64, "Longest answer in tokens; what goes on is cut there", low=1, high=131_072, group="Answers")
    temperature: float = setting(1.0, "How freely answers are drawn", low=0.01, high=10, group="Answers")
    top_p: float = setting(1.0, "Share of the likeliest tokens to draw from", low=0.01, high=1, group="Answers")
    least: float = setting(
        0.0, "A prompt whose best answer is not worth more than this is left out", low=-1e9, high=1e9, group="Reward"
    )


def train(training: Training) -> Trained:
    """Sample, keep the best answer to each prompt, and fine-tune on those (the step of Llama 2-Chat, Touvron et al. 2023).

    The samples stay in the run's folder, so a resumed run does not draw them again. RunFailed where no answer is worth it.
    """
    settings = training.settings
    material = rollouts.asked(training)
    drawn = Sampling(training.seed, settings.temperature, settings.top_p, settings.max_answer)
    drawing = samples.Drawing(material.rows[len(material.held_out) :], settings.answers, drawn, material.parts)

    def load() -> Any:
        return running.start(training).to(loading.device().name)

    if not samples.draw(drawing, load, material.tokenizer, training.folder, training.reporter):
        return Trained(training.folder, "model", {"stopped": True})
    found = samples.read(training.folder)
    best = samples.best(found, settings.least)
    seen = samples.figures(found) | {"kept": len(best), "reward_kept": samples.figures(best).get("reward")}
    if not len(best):
        raise RunFailed(
            f"None of the {seen['sampled']} answers is worth more than {settings.least:g}, so there is nothing to learn from. "
            "Draw more answers, lower least, or begin with a model that succeeds now and then.",
            "nothing to learn",
        )
    kept = [(drawing.rows[row["place"]], row["text"], row["ended"]) for row in best.iter_rows(named=True)]
    training.reporter.log(
        f"{len(kept)} of {seen['prompts']} prompts have an answer worth more than {settings.least:g}; all answers are worth "
        f"{seen['reward']:.3g} on average, those kept {seen['reward_kept']:.3g}."
    )
    trained = language.train(
        training, _learnt(training, material, kept), measured=lambda model: rollouts.measured(training, model, material)
    )
    return Trained(trained.folder, trained.kind, {**trained.summary, **seen})


def _learnt(training: Training, material: Asked, kept: list[tuple[dict[str, Any], str, bool]]) -> language.Material:
    """The kept answers as rows of supervised fine-tuning; of one that was cut off its end is not learnt."""
    stop = tokens.stop_text(material.tokenizer)
    encoded = [tokens.encode_answer(material.tokenizer, row["prompt"], text, stop) for row, text, _ in kept]
    encoded = [
        e if ended else tokens.Encoded(e.input_ids[:-1], e.labels[:-1]) for e, (_, _, ended) in zip(encoded, kept, strict=True)
    ]
    rows = language.arrow([e.input_ids for e in encoded], [e.labels for e in encoded])
    return language.Material(rows, None, material.tokenizer, [len(e.input_ids) for e in encoded], material.prompts)


CARD = Card(
    idea="The model answers each prompt several times, a reward picks the best answer, and the model is fine-tuned on those. What "
    "it can do at its best becomes what it does.",
    objective=r"\mathcal{L} = -\log \pi_\theta(y^* \mid x), \quad y^* = argmax_{y_1 \ldots y_k \sim \pi_{old}} \; r(x, y_i)",
    needs="Prompts and a reward: some thousand prompts; more answers to each find better ones.",
    strengths="As stable as SFT, every sample can be looked at, and rewards are computed once.",
    weaknesses="Learns nothing from bad answers, and gains less than reinforcement learning from the same samples.",
    used_by="Llama-2-Chat and Llama 3; DeepSeek-R1 for the data of its second SFT.",
    prefer="As the first thing to try with a reward, and between SFT and reinforcement learning.",
    sources=(
        arxiv("Touvron et al. 2023, Llama 2", "2307.09288"),
        arxiv("Dong et al. 2023, RAFT", "2304.06767"),
        arxiv("Zelikman et al. 2022, STaR", "2203.14465"),
    ),
)

METHOD = Method(
    name="rejection",
    title="Rejection sampling",
    short="Rejection sampling",
    family="rewards",
    summary="The model answers each prompt several times; the best answers by reward are what it is then fine-tuned on.",
    shapes=("prompt",),
    settings=RejectionSettings,
    train=train,
    card=CARD,
)
