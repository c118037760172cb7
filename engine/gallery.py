"""The gallery: published roads as chains that can be begun as they stand.

Each names its paper, what data it takes and where it simplifies. On the Pocket lab the samples that ship with Temper stand for
every kind of data; any model and any data of the same shape may take their place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput, NotFound
from engine.methods.card import Source, arxiv

BAR = 0.5  # that the first model has to reach on questions held out, before it is built upon
ASKED = 100  # of these questions
DRAWN = 8  # answers to each prompt, of which a rule makes a pair
RULE = "contains(value='Thank you for asking.') + 0.1 * ended"  # what the Pocket lab calls the better answer


@dataclass(frozen=True)
class Role:
    """A kind of data that roads take: the shapes it may have, and the sample that stands for it."""

    title: str
    shapes: tuple[str, ...]
    default: str
    optional: bool = False


ROLES = {
    "demonstrations": Role("Demonstrations", ("messages", "prompt_completion"), "pocket-instructions"),
    "preferences": Role("Preference pairs", ("preference",), "pocket-preferences"),
    "questions": Role("Questions without answers", ("prompt",), "pocket-questions"),
    "checked": Role("Questions whose answers can be checked", ("prompt",), "pocket-sums"),
    "evidence": Role("Questions with the evidence in them, and a check", ("prompt",), "pocket-reading"),
    "documents": Role("Documents of the domain", ("text",), "pocket-far-isle"),
    "general": Role("General text to replay", ("text",), "pocket-general", optional=True),
    "held_out": Role("Questions held out, for the bar", ("prompt", "prompt_completion", "messages"), "pocket-instructions-held-out", True),
}  # fmt: skip


@dataclass(frozen=True)
class Road:
    """A published road. In its stages ``$role`` stands for data, and ``feedback`` for pairs by a judge or, without one, by a rule."""

    name: str
    title: str
    idea: str
    simplified: str
    source: Source
    stages: tuple[Mapping[str, Any], ...]
    data: str = ""  # public data sets to begin with

    @property
    def roles(self) -> tuple[str, ...]:
        """The kinds of data that it takes, in the order of its stages."""
        named = [value[1:] for stage in self.stages for value in _values(stage) if isinstance(value, str) and value[:1] == "$"]
        return tuple(dict.fromkeys(named))

    @property
    def judged(self) -> bool:
        """Whether a judge may give feedback in it."""
        return any("feedback" in stage or "revise" in stage for stage in self.stages)


def _values(stage: Mapping[str, Any]) -> list[Any]:
    """The values in a stage, those inside its objects too."""
    return [inner for value in stage.values() for inner in (_values(value) if isinstance(value, Mapping) else [value])]


SFT = {"name": "sft", "method": "sft", "data": "$demonstrations", "bar": {"data": "$held_out", "least": BAR, "limit": ASKED}}
REWARD = {"name": "reward", "method": "reward", "model": "@sft", "data": "$preferences"}
BY_MODEL = {"rewards": "model + 0.1 * ended", "reward_model": "@reward"}
FEEDBACK = {"name": "feedback", "data": "$questions", "feedback": True}
READ = {
    "name": "read", "method": "pretrain", "data": "$documents",
    "settings": {"epochs": 3, "batch_size": 4, "replay": "$general", "replay_share": 0.5},
}  # fmt: skip

GALLERY = {
    road.name: road
    for road in (
        Road(
            "instructgpt", "InstructGPT", "Demonstrations teach to follow instructions, people's comparisons teach a reward model "
            "what they prefer, and PPO moves the model towards it.",
            "One reward model of the model's own size, and no pre-training text mixed into PPO.",
            arxiv("Ouyang et al. 2022, Training language models to follow instructions with human feedback", "2203.02155"),
            (SFT, REWARD, {"name": "rl", "method": "ppo", "model": "@sft", "data": "$questions", "settings": BY_MODEL}),
        ),
        Road(
            "zephyr", "Zephyr", "After SFT a judge compares answers, and DPO learns from its verdicts: no person labels anything.",
            "Both answers come from the model itself, not from four others; without a judge a rule takes its place.",
            arxiv("Tunstall et al. 2023, Zephyr: Direct distillation of LM alignment", "2310.16944"),
            (SFT, FEEDBACK, {"name": "dpo", "method": "dpo", "data": "@feedback"}),
        ),
        Road(
            "stablelm-zephyr", "StableLM Zephyr", "Zephyr's two steps with preference pairs that are there already.",
            "One set of pairs instead of two.", arxiv("Bellagente et al. 2024, Stable LM 2 1.6B", "2402.17834"),
            (SFT, {"name": "dpo", "method": "dpo", "data": "$preferences"}),
            "HuggingFaceH4/ultrachat_200k and HuggingFaceH4/ultrafeedback_binarized",
        ),
        Road(
            "llama-2-chat", "Llama-2-Chat", "A reward model first picks the best of several answers to learn from, then PPO goes on "
            "from there.",
            "One reward model instead of one for help and one for safety, one round instead of five, no ghost attention.",
            arxiv("Touvron et al. 2023, Llama 2", "2307.09288"),
            (
                SFT, REWARD,
                {"name": "best", "method": "rejection", "model": "@sft", "data": "$questions", "settings": {**BY_MODEL, "least": -1e9}},
                {"name": "rl", "method": "ppo", "data": "$questions", "settings": BY_MODEL},
            ),
        ),
        Road(
            "sparrow", "Sparrow", "The reward is a sum: what people prefer, rules that must not be broken, and whether the answer "
            "rests on the evidence in the prompt.",
            "Rules are checks instead of a model trained on people's attacks; evidence stands in the prompt instead of being searched; "
            "PPO instead of advantage actor-critic.",
            arxiv("Glaese et al. 2022, Improving alignment of dialogue agents via targeted human judgements", "2209.14375"),
            (
                SFT, REWARD,
                {
                    "name": "rl", "method": "ppo", "model": "@sft", "data": "$evidence",
                    "settings": {
                        "rewards": "check + 0.1 * model + 0.5 * words(forbidden=['I feel', 'I am a person', 'my opinion']) + 0.1 * ended",
                        "reward_model": "@reward",
                    },
                },
            ),
        ),
        Road(
            "constitutional-ai", "Constitutional AI", "The model's answers are criticised and rewritten by written principles and learnt; "
            "then comparisons by the same principles train a reward model for reinforcement learning.",
            "Without a judge nobody can criticise, so a rule picks the best of several answers instead, and compares them.",
            arxiv("Bai et al. 2022, Constitutional AI: Harmlessness from AI feedback", "2212.08073"),
            (
                SFT,
                {"name": "revised", "data": "$questions", "revise": True},
                {"name": "harmless", "method": "sft", "data": "@revised", "settings": {"epochs": 1}},
                FEEDBACK,
                {"name": "reward", "method": "reward", "model": "@harmless", "data": "@feedback"},
                {"name": "rl", "method": "ppo", "model": "@harmless", "data": "$questions", "settings": BY_MODEL},
            ),
        ),
        Road(
            "r1", "DeepSeek-R1", "After a cold start, GRPO on answers that can be checked; its best answers are then taught to the first "
            "model, which GRPO takes further.",
            "Short answers without thinking marks, and one reward for all prompts in the last stage.",
            arxiv("DeepSeek-AI 2025, DeepSeek-R1", "2501.12948"),
            (
                SFT,
                {"name": "rl", "method": "grpo", "data": "$checked", "settings": {"rewards": "check + 0.1 * ended"}},
                {"name": "best", "data": "$checked", "sample": {"keep": "best", "answers": 4, "rewards": "check"}},
                {"name": "taught", "method": "sft", "model": "@sft", "data": "@best", "settings": {"epochs": 1}},
                {"name": "rl-again", "method": "grpo", "data": "$checked", "settings": {"rewards": "check + 0.1 * ended"}},
            ),
            "openai/gsm8k, or any prompts with a check",
        ),
        Road(
            "domain-coding", "A domain: coding", "Continual pre-training on code with general text replayed, SFT, then GRPO on checks such as "
            "unit tests.",
            "Hundreds of millions of tokens become what is at hand; no infilling.",
            arxiv("Rozière et al. 2023, Code Llama", "2308.12950"),
            (READ, SFT, {"name": "rl", "method": "grpo", "data": "$checked"}),
            "documents: bigcode/the-stack-smol; demonstrations: ise-uiuc/Magicoder-OSS-Instruct-75K; checks: google-research-datasets/mbpp",
        ),
        Road(
            "domain-medicine", "A domain: medicine", "Continual pre-training on guidelines and papers with general text replayed, SFT, then "
            "DPO on what clinicians prefer.",
            "Meditron ends with SFT on each question set; the preferences are ours to add.",
            arxiv("Chen et al. 2023, Meditron-70B", "2311.16079"),
            (READ, SFT, {"name": "dpo", "method": "dpo", "data": "$preferences"}),
            "documents: epfl-llm/guidelines; demonstrations: medalpaca/medical_meadow_medqa",
        ),
        Road(
            "domain-law", "A domain: law", "Continual pre-training on statutes and judgements with general text replayed, then SFT.",
            "No merging of several models at the end.", arxiv("Colombo et al. 2024, SaulLM-7B", "2403.03883"),
            (READ, SFT), "documents: pile-of-law/pile-of-law; questions held out: nguha/legalbench",
        ),
    )
}  # fmt: skip


def find(name: str) -> Road:
    """The road of that name; NotFound names those that there are."""
    if name not in GALLERY:
        raise NotFound(f"There is no road {name!r} in the gallery. There is: {', '.join(GALLERY)}.")
    return GALLERY[name]


def stages(
    road: Road, data: Mapping[str, str] | None = None, judge: Mapping[str, Any] | None = None, rule: str = RULE
) -> list[dict[str, Any]]:
    """The stages of a road as ``stages.read`` takes them: with the data that stands for each role, the sample where none is named.

    Feedback comes from the ``judge`` (address, judge, principles) or, without one, from the reward ``rule``. A role that is
    optional may be empty: its bar or its replay is left out. BadInput names a role that the road does not take.
    """
    given = dict(data or {})
    for role, name in given.items():
        if role not in road.roles:
            raise BadInput(f"{road.title} takes no {role}; it takes {', '.join(road.roles)}.")
        if not name and not ROLES[role].optional:
            raise BadInput(f"{road.title} cannot do without {ROLES[role].title.lower()}. Name a data set.")
    named = {role: given.get(role, ROLES[role].default) for role in road.roles}
    return [_stage(stage, named, judge, rule) for stage in road.stages]


def _stage(stage: Mapping[str, Any], named: Mapping[str, str], judge: Mapping[str, Any] | None, rule: str) -> dict[str, Any]:
    made = _filled(stage, named)
    if made.get("bar", {}).get("data") == "":
        del made["bar"]
    if made.pop("feedback", False):
        made |= {"judge": dict(judge)} if judge else {"sample": {"keep": "pairs", "answers": DRAWN, "rewards": rule}}
    if made.pop("revise", False):
        made |= {"judge": {**judge, "revise": True}} if judge else {"sample": {"keep": "best", "answers": DRAWN, "rewards": rule}}
    return made


def _filled(value: Any, named: Mapping[str, str]) -> Any:
    """The stage with data for its roles; a setting whose role is empty is left at its default."""
    if isinstance(value, Mapping):
        filled = {key: _filled(inner, named) for key, inner in value.items()}
        return {key: inner for key, inner in filled.items() if inner != "" or key == "data"}
    return named[value[1:]] if isinstance(value, str) and value[:1] == "$" else value
