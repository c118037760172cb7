"""The arithmetic of PPO as pure functions over tensors of shape (B, T): B answers, padded on the right to T tokens.

``mask`` is 1 at the tokens that the policy chose and 0 elsewhere (padding, and what a tool or the environment wrote).
Sources: Schulman et al. 2015 (generalised advantage estimation), Schulman et al. 2017 (PPO), Ouyang et al. 2022
(KL penalty in the reward), Ziegler et al. 2019 (adaptive KL coefficient), Huang et al. 2024 (implementation details).
"""

from dataclasses import dataclass
from typing import Any


def last_token(mask: Any) -> Any:
    """The place of the last chosen token of each row, shape (B,); 0 for a row without one."""
    import torch

    places = torch.arange(mask.shape[1], device=mask.device)
    return (mask.bool() * places).amax(dim=1)


def token_rewards(scores: Any, logps: Any, reference: Any, mask: Any, coefficient: float) -> Any:
    """What each token earns: minus ``coefficient`` times its log-ratio to the reference, and the answer's score at its last token.

    ``scores`` is (B,), ``logps`` and ``reference`` are (B, T) log-probabilities of the chosen tokens. A row without chosen
    tokens earns nothing.
    """
    rewards = -coefficient * (logps - reference) * mask
    rows = mask.bool().any(dim=1)
    rewards[rows.nonzero().squeeze(1), last_token(mask)[rows]] += scores[rows].to(rewards.dtype)
    return rewards


def generalised_advantages(rewards: Any, values: Any, mask: Any, gamma: float, lam: float) -> tuple[Any, Any]:
    """Advantages and returns, both (B, T), 0 where the mask is 0.

    delta_t = r_t + gamma V_{t+1} - V_t and A_t = delta_t + gamma lambda A_{t+1}, over the chosen tokens alone: what stands
    between two of them (a tool's result) is passed over, and after the last one the value is 0. R_t = A_t + V_t.
    """
    import torch

    advantages = torch.zeros_like(rewards)
    ahead_value = ahead_advantage = torch.zeros_like(rewards[:, 0])
    chosen = mask.bool()
    for t in reversed(range(rewards.shape[1])):
        here = chosen[:, t]
        advantage = rewards[:, t] + gamma * ahead_value - values[:, t] + gamma * lam * ahead_advantage
        advantages[:, t] = torch.where(here, advantage, 0.0)
        ahead_advantage = torch.where(here, advantage, ahead_advantage)
        ahead_value = torch.where(here, values[:, t], ahead_value)
    return advantages, (advantages + values) * mask


def mean(values: Any, mask: Any) -> Any:
    """The mean over the chosen tokens."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def k3(logps: Any, other: Any) -> Any:
    """An estimate of the divergence from ``other`` at each token, never negative and unbiased (Schulman 2020): q/p - 1 - log q/p."""
    difference = other - logps
    return difference.exp() - 1 - difference


def explained(values: Any, returns: Any, mask: Any) -> float:
    """The share of the returns' variance that the values explain; 1 is all of it, below 0 worse than a constant."""
    chosen = mask.bool()
    spread = float(returns[chosen].var()) if chosen.sum() > 1 else 0.0
    return 1 - float((returns - values)[chosen].var()) / spread if spread > 1e-8 else 0.0


def whitened(values: Any, mask: Any) -> Any:
    """Shifted to mean 0 and scaled to variance 1 over the chosen tokens, 0 elsewhere."""
    centred = values - mean(values, mask)
    variance = (centred**2 * mask).sum() / (mask.sum() - 1).clamp(min=1)
    return centred * (variance + 1e-8).rsqrt() * mask


def policy_loss(logps: Any, old: Any, advantages: Any, mask: Any, clip: float) -> Any:
    """The clipped surrogate -min(r A, clip(r, 1 - e, 1 + e) A), averaged over the chosen tokens; r = exp(logps - old)."""
    import torch

    ratio = (logps - old).exp()
    loss = -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
    return mean(loss, mask)


def value_loss(values: Any, old: Any, returns: Any, mask: Any, clip: float) -> Any:
    """Half the larger of the squared errors of the value and of the value kept within ``clip`` of the old one (0: no clip)."""
    import torch

    error = (values - returns) ** 2
    if clip:
        near = old + (values - old).clamp(-clip, clip)
        error = torch.max(error, (near - returns) ** 2)
    return 0.5 * mean(error, mask)


@dataclass
class KlControl:
    """The coefficient of the KL penalty: fixed, or moved towards a target, and above 0 for ever where it begins there.

    Ziegler et al. 2019, section 2.2: e = clip(KL / target - 1, -0.2, 0.2), beta <- beta (1 + K e). As in their code, K is the
    share of a horizon of answers that was seen; it is at most 1 here, so that no update changes the coefficient by more than a fifth.
    """

    coefficient: float
    target: float = 0.0  # mean KL of an answer in nats; 0 keeps the coefficient
    horizon: float = 10_000.0  # answers over which the coefficient moves by a fifth at most

    def update(self, kl: float, answers: int) -> None:
        """Take up the mean KL per answer seen over ``answers`` answers."""
        if self.target:
            error = max(-0.2, min(0.2, kl / self.target - 1))
            self.coefficient *= 1 + error * min(1.0, answers / self.horizon)
