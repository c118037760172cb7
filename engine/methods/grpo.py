"""Group relative policy optimisation: answers to one prompt are compared with each other, and the better ones made likelier."""

from dataclasses import dataclass

from engine.methods import rollouts, running
from engine.methods.card import Card, arxiv
from engine.methods.method import Method, Trained, Training, setting
from engine.methods.rollouts import RolloutSettings

VARIANTS = {
    "grpo": "Each answer counts alike, whatever its length (Shao et al. 2024)",
    "dapo": "Each token counts alike over the batch (Yu et al. 2025): long answers are not favoured; the first to try",
    "dr_grpo": "Divided by a constant, so that neither length nor ease of a prompt tilts it (Liu et al. 2025); set scale to none",
    "gspo": "One ratio for a whole answer (Zheng et al. 2025): steadier for mixtures of experts; set epsilon to 0.0003 and epsilon_high to "
    "0.0004, as there",
    "cispo": "Clips the weight and not the gradient (MiniMax 2025): rare tokens still learn; set epsilon_high to 1 or more",
}
SCALES = {
    "group": "Rewards divided by their spread among the answers to the prompt",
    "batch": "Divided by their spread over the whole batch",
    "none": "Only the mean is taken off",
}


@dataclass(frozen=True)
class GrpoSettings(RolloutSettings):
    """Settings of group relative policy optimisation."""

    loss: str = setting("dapo", "Which variant of the loss", choices=VARIANTS, group="Update")
    epsilon_high: float = setting(
        0.28, "The same upwards, wider so that rare tokens can grow (Yu et al. 2025)", low=0.0001, high=10, group="Update"
    )
    scale: str = setting("group", "What an answer's reward is divided by", choices=SCALES, group="Update")


def train(training: Training) -> Trained:
    """Optimise the reward of the model's own answers to the prompts of the data set."""
    from trl import GRPOConfig

    from engine.methods.rollout_trainers import Grpo

    settings = training.settings
    material = rollouts.asked(training)
    training.reporter.phase("loading")
    ready = rollouts.ready(training, material)
    whole, high = settings.loss == "gspo", settings.epsilon_high
    trainer = Grpo(
        model=ready.model,
        args=GRPOConfig(
            **ready.arguments,
            **rollouts.arguments(training, material, ready.model),
            loss_type="grpo" if whole else settings.loss,
            importance_sampling_level="sequence" if whole else "token",
            epsilon_high=1 + high if settings.loss == "cispo" else high,  # there TRL takes the largest ratio itself
            scale_rewards=settings.scale,
        ),
        train_dataset=material.train,
        processing_class=material.tokenizer,
        peft_config=ready.lora,
        material=material,
        **running.watched(training, material.prompts),
    )
    return running.carry_out(
        training, trainer, {"weights": ready.weights}, lambda: rollouts.measured(training, trainer.model, material)
    )


CARD = Card(
    idea="Several answers to a prompt are rewarded and compared with each other: what is above their mean becomes likelier, what "
    "is below less so. PPO's clipped step, without its value model.",
    objective=r"\mathcal{L} = -\min\left(\rho_{i,t} A_i, \, clip(\rho_{i,t}, 1 \pm \epsilon) A_i\right), \quad "
    r"A_i = \frac{r_i - mean(r)}{std(r)}",
    needs="Prompts whose answers can be checked, hard enough that only some answers are right: from a thousand on.",
    strengths="Simple, no second model, and with rewards that are checked nothing to fool; the usual choice for reasoning.",
    weaknesses="Learns nothing from a prompt whose answers are all right or all wrong, and spends most of its time in sampling.",
    used_by="DeepSeekMath and DeepSeek-R1; Qwen3 with the variant GSPO.",
    prefer="When answers can be checked: sums, code, formats. Where people have to judge, DPO or a reward model comes first.",
    sources=(
        arxiv("Shao et al. 2024, DeepSeekMath", "2402.03300"),
        arxiv("DeepSeek-AI 2025, DeepSeek-R1", "2501.12948"),
        arxiv("Yu et al. 2025, DAPO", "2503.14476"),
        arxiv("Liu et al. 2025, Dr. GRPO", "2503.20783"),
        arxiv("Zheng et al. 2025, GSPO", "2507.18071"),
    ),
)

METHOD = Method(
    name="grpo",
    title="Group relative policy optimisation",
    short="GRPO",
    family="rewards",
    summary="Reinforcement learning without a value model: several answers to a prompt are rewarded and compared with each other.",
    shapes=("prompt",),
    settings=GrpoSettings,
    train=train,
    card=CARD,
    tools=True,
)
