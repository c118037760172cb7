"""What reinforcement learning methods have in common: prompts, answers of the model itself, and rewards for them."""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from engine.data import shapes
from engine.errors import BadInput
from engine.evaluation import intervals
from engine.generation import batch, likelihood
from engine.generation.answers import Sampling
from engine.methods import loading, running
from engine.methods.arguments import CommonSettings, LoraSettings, held_out
from engine.methods.method import Setting, Training, setting
from engine.methods.running import Prompt
from engine.rewards import recipe, sources
from engine.rewards.recipe import Part
from engine.rewards.table import Answer
from engine.tools import talk
from engine.tools.table import offered
from engine.tools.talk import Talk

LOOKED_AT = 64  # held-out prompts that are answered at each evaluation
JUDGED = 200  # held-out prompts on which the end is measured
LEAST_PROMPT = 8  # tokens: a context that leaves less beside an answer cannot be asked in


GENERATORS = {
    "auto": "vLLM where it is installed beside a CUDA GPU, else plain",
    "plain": "The trained model itself answers",
    "vllm": "vLLM answers, on the same GPU with weights brought up to date before each batch: several times faster",
}
VLLM_SHARE = 0.3  # of the GPU's memory


@dataclass(frozen=True)
class RewardedSettings:
    """What an answer is worth, and what that draws on."""

    rewards: str = setting(
        "check", "What an answer is worth: a weighted sum like check + 0.2 * ended; see the table of rewards", group="Reward"
    )
    reward_model: str = setting("", "The reward model that model stands for in the reward", group="Reward", refers="model:reward")
    trust_anyway: bool = setting(
        False,
        "Use the reward model though it does not beat the rule that the longer answer, or the shorter one, wins",
        group="Reward",
    )
    reward_code: str = setting(
        "", "Python with a function reward(prompt, answer, row) of your own, which python stands for in the reward; it has 10 seconds for "
        "all answers of a step together", group="Reward",
        lines=6,
    )  # fmt: skip
    judge_address: str = setting(
        "", "OpenAI-compatible address of the judge that judge stands for in the reward, up to and with /v1", group="Reward"
    )
    judge: str = setting("", "The judge's name at that address", group="Reward")


@dataclass(frozen=True)
class RolloutSettings(RewardedSettings, LoraSettings, CommonSettings):
    """Settings that all methods of reinforcement learning share."""

    RATE: ClassVar[float] = 0.2

    epochs: float = setting(1.0, "How often every prompt is asked; used when steps is 0", low=0.01, high=1000)
    batch_size: int = setting(64, "Answers per optimiser step; a multiple of answers", low=2, high=65_536)
    answers: int = setting(8, "Answers to each prompt, compared with each other", low=2, high=1024, group="Answers")
    max_answer: int = setting(64, "Longest answer in tokens; what goes on is cut there", low=1, high=131_072, group="Answers")
    temperature: float = setting(1.0, "How freely answers are drawn", low=0.01, high=10, group="Answers")
    top_p: float = setting(1.0, "Share of the likeliest tokens to draw from", low=0.01, high=1, group="Answers")
    generator: str = setting("auto", "What computes the answers", choices=GENERATORS, group="Answers")
    beta: float = setting(
        0.02, "Weight of the divergence from the start, per token; 0 does without a reference", low=0, high=100, group="Reward"
    )
    iterations: int = setting(1, "Updates on each batch of answers", low=1, high=100, group="Update")
    epsilon: float = setting(0.2, "How far the policy's ratio may leave 1 in an update", low=0.0001, high=1, group="Update")

    @property
    def together(self) -> int:
        """How many prompts are asked at once."""
        return self.batch_size // self.answers

    def __post_init__(self) -> None:
        if self.batch_size % self.answers:
            raise BadInput(
                f"batch_size is {self.batch_size} answers and each prompt gets {self.answers}: "
                f"take a multiple, such as {self.answers * max(1, self.batch_size // self.answers)}."
            )

    def computed(self, rows: int, longest: int) -> tuple[int, int]:
        """Each prompt is answered several times, and each answer learnt from in every iteration."""
        return rows * self.answers * self.iterations, longest + self.max_answer


@dataclass(frozen=True)
class Asked:
    """Prompts to train on, those held out with their tokens, and the rewards of answers to them."""

    train: Any  # rows of prompt (turns) and place (in ``rows``)
    rows: list[dict[str, Any]]
    held_out: list[dict[str, Any]]
    ids: list[list[int]]  # of each of ``rows``
    parts: tuple[Part, ...]
    tokenizer: Any
    longest: int
    prompts: list[Prompt]
    tools: bool  # whether any row has some

    def answered(self, model: Any, count: int, sampling: Sampling) -> list[Talk]:
        """The model's answers to the first so many held-out prompts."""
        rows = self.held_out[:count]
        return talk.complete(model, self.tokenizer, self.ids[: len(rows)], rows, sampling)


def asked(training: Training, tools: bool = True) -> Asked:
    """The rows of a ``prompt`` data set, where ``tools`` says so with tools that can be called.

    Prompts longer than ``max_length`` are left out, and those that leave no room for a whole answer in the model's context; the log
    says how many.

    BadInput when the reward cannot be read, reads a column that is not there, or when no prompt is left.
    """
    import polars
    from datasets import Dataset

    settings = training.settings
    drawn_on = sources.context(vars(settings), training.library, loading.device().name)
    parts = recipe.parse(settings.rewards, drawn_on)
    frame = polars.read_parquet(training.data).sample(fraction=1, shuffle=True, seed=training.seed)
    recipe.needs(parts, frame.columns)
    tokenizer = loading.load_tokenizer(training.base)
    training.reporter.phase("tokenizing")
    room = _room(training)
    rows, ids, called, cramped = [], [], False, 0
    for row in frame.iter_rows(named=True):
        row = shapes.restored(row, training.shape)
        row["prompt"] = [{"role": "user", "content": row["prompt"]}] if isinstance(row["prompt"], str) else row["prompt"]
        called = called or _called(row, tools)
        tokens = batch.encode(tokenizer, row["prompt"], row.get("tools"))
        if len(tokens) <= min(settings.max_length, room):
            rows.append(row)
            ids.append(tokens)
        else:
            cramped += len(tokens) <= settings.max_length
    _tell_left_out(training, len(frame) - len(rows) - cramped, cramped)
    held = held_out(settings, len(rows))
    if len(rows) == held:
        raise BadInput(_none_left(settings, cramped, room))
    shown = (Prompt(str(row["prompt"][-1]["content"]), i) for row, i in zip(rows, ids, strict=True))
    train = Dataset.from_list([{"prompt": row["prompt"], "place": held + i} for i, row in enumerate(rows[held:])])
    return Asked(
        train, rows, rows[:held], ids, parts, tokenizer, max(map(len, ids)), running.askable(training, shown), called
    )  # fmt: skip


def _room(training: Training) -> int:
    """The longest prompt in tokens that leaves room for an answer of ``max_answer`` in the model's context."""
    context = loading.context_of(loading.load_config(training.base).to_dict())
    return context - training.settings.max_answer if context else training.settings.max_length


def _tell_left_out(training: Training, longer: int, cramped: int) -> None:
    settings = training.settings
    if longer:
        training.reporter.log(f"{longer} prompts are longer than {settings.max_length} tokens and are not asked.")
    if cramped:
        training.reporter.log(
            f"{cramped} prompts leave no room for an answer of {settings.max_answer} tokens in what the model takes, and are not asked. "
            "A lower max_answer leaves more."
        )


def _none_left(settings: Any, cramped: int, room: int) -> str:
    """Why no prompt can be asked, and what to do."""
    if not cramped:
        return f"No prompt has at most {settings.max_length} tokens. Raise max_length."
    return f"With max_answer {settings.max_answer} the model has room for prompts of {max(0, room)} tokens, and all are longer. Lower it."


def _called(row: dict[str, Any], tools: bool) -> bool:
    """Whether the row has tools; BadInput where they cannot be run."""
    if not row.get("tools"):
        return False
    if not tools:
        raise BadInput(
            "The prompts come with tools, which this method cannot run. Take GRPO or PPO, or leave out the column tools."
        )
    return bool(offered(row["tools"]))


def longest_answer(known: Mapping[str, Setting], given: Mapping[str, Any]) -> int:
    """The tokens of the longest answer that a method with these settings lets the model give; 0 where it gives none, or where what
    was given is no such number."""
    if "max_answer" not in known:
        return 0
    try:
        return known["max_answer"].parse(given.get("max_answer", known["max_answer"].default))
    except BadInput:
        return 0


def check_enough(settings: RolloutSettings, prompts: int) -> None:
    """BadInput where there are fewer prompts to train on than are asked at once."""
    if prompts < settings.together:
        raise BadInput(
            f"There are {prompts} prompts to train on, and {settings.together} are asked at once. Lower batch_size, or add prompts."
        )


def ready(training: Training, material: Asked) -> running.Ready:
    """The model and the arguments; the steps come from prompts times answers."""
    settings = training.settings
    check_enough(settings, len(material.train))
    made = running.ready(training, *settings.computed(len(material.train), material.longest))
    batch.name_ends(made.model, material.tokenizer)
    return made


def arguments(training: Training, material: Asked, model: Any) -> dict[str, Any]:
    """What TRL's configurations of GRPO and RLOO share, beside the trainer's own arguments."""
    settings = training.settings
    return {
        "num_generations": settings.answers,
        "max_completion_length": settings.max_answer,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "beta": settings.beta,
        "num_iterations": settings.iterations,
        "epsilon": settings.epsilon,
        "reward_weights": [part.weight for part in material.parts],
        **_generator(training, material, model.generation_config.eos_token_id),
    }


def check_generator(chosen: str) -> bool:
    """Whether vLLM computes the answers. BadInput where it was asked for and cannot."""
    missing = [
        said
        for there, said in (
            (importlib.util.find_spec("vllm") is not None, "vLLM is not installed"),
            (loading.device().name == "cuda", "there is no CUDA GPU"),
        )
        if not there
    ]
    if chosen == "vllm" and missing:
        raise BadInput(f"generator is vllm, but {' and '.join(missing)}. Set it to plain, or to auto.")
    return chosen != "plain" and not missing


def _generator(training: Training, material: Asked, ends: Sequence[int]) -> dict[str, Any]:
    """What TRL is told about vLLM. BadInput where it was asked for and cannot; what tools told is computed plainly."""
    settings = training.settings
    if material.tools and settings.generator == "vllm":
        raise BadInput("generator is vllm, but the prompts come with tools, whose answers are computed plainly. Set it to auto.")
    if material.tools or not check_generator(settings.generator):
        return {}
    return {
        "use_vllm": True, "vllm_mode": "colocate", "vllm_gpu_memory_utilization": VLLM_SHARE,
        "vllm_max_model_length": material.longest + settings.max_answer, "generation_kwargs": {"stop_token_ids": list(ends)},
    }  # fmt: skip


def rewarded(material: Asked, rows: Sequence[dict[str, Any]], told: Sequence[Any]) -> list[float | None]:
    """The reward of each completion to each row."""
    answers = [Answer(row, t.text, t.tokens, t.ended) for row, t in zip(rows, told, strict=True)]
    return recipe.total(material.parts, recipe.scores(material.parts, answers))


def greedy(model: Any, material: Asked, count: int, most: int) -> list[float]:
    """The rewards of greedy answers, of at most so many tokens, to the first held-out prompts; those that no reward can judge are
    left out."""
    told = material.answered(model, count, Sampling(max_tokens=most))
    return [r for r in rewarded(material, material.held_out[:count], told) if r is not None]


def beside(model: Any, device: Any) -> Any:
    """The model on this device, where it is not there already and there is room for it."""
    import torch

    if device.type != "cuda" or model.device.type == "cuda":
        return model
    bytes = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    return model.to(device) if bytes * 1.2 < torch.cuda.mem_get_info(device)[0] else model


def measured(training: Training, model: Any, material: Asked) -> dict[str, Any]:
    """Reward on held-out prompts, and how far answers have moved: the KL divergence from the start, a whole answer at a time."""
    if not material.held_out:
        return {}
    rewards = greedy(model, material, JUDGED, training.settings.max_answer)
    drawn = Sampling(max_tokens=training.settings.max_answer, temperature=1.0, seed=training.seed)
    prompts = material.ids[: len(material.held_out)][:JUDGED]
    told = material.answered(model, JUDGED, drawn)
    answers, chosen = [t.ids for t in told], [t.chosen for t in told]
    start = beside(running.start(training), model.device)
    moved = [
        now - before
        for now, before in zip(
            likelihood.log_likelihoods(model, prompts, answers, chosen),
            likelihood.log_likelihoods(start, prompts, answers, chosen),
            strict=True,
        )
    ]
    mean = sum(moved) / len(moved)
    spread = math.sqrt(sum((m - mean) ** 2 for m in moved) / max(1, len(moved) - 1) / len(moved))
    found: dict[str, Any] = {"kl_answer": mean, "kl_answer_error": spread, "held_out_prompts": len(prompts)}
    if rewards and all(0 <= r <= 1 for r in rewards):
        score = intervals.of_scores(rewards)
        return found | {"held_out_reward": score.value, "held_out_reward_low": score.low, "held_out_reward_high": score.high}
    return found | {"held_out_reward": sum(rewards) / len(rewards)} if rewards else found
