"""PPO's arithmetic against a plain numpy version written from the equations, on random ragged batches in float64."""

import numpy
import pytest
import torch

from engine.methods import advantages
from engine.methods.advantages import KlControl

GAMMA, LAM, BETA, CLIP = 0.97, 0.9, 0.1, 0.2


class Batch:
    """Random answers of different lengths, one of them empty, some with tokens inside that the policy did not choose."""

    def __init__(self, seed: int, rows: int = 7, width: int = 11) -> None:
        rng = numpy.random.default_rng(seed)
        self.mask = numpy.zeros((rows, width))
        for i in range(rows):
            length = 0 if i == 0 else rng.integers(1, width + 1)
            self.mask[i, :length] = 1
            if length > 4:
                self.mask[i, rng.integers(1, length - 1)] = 0
        self.logps, self.reference, self.values, self.old, self.returns = rng.normal(size=(5, rows, width))
        self.scores = rng.normal(size=rows)

    def places(self, row: int) -> list[int]:
        return [t for t in range(self.mask.shape[1]) if self.mask[row, t]]

    def rewards(self) -> numpy.ndarray:
        found = numpy.zeros_like(self.mask)
        for i in range(len(found)):
            for t in self.places(i):
                found[i, t] = -BETA * (self.logps[i, t] - self.reference[i, t])
            if self.places(i):
                found[i, self.places(i)[-1]] += self.scores[i]
        return found

    def advantages(self) -> numpy.ndarray:
        """A_t = sum over k of (gamma lambda)^k delta_{t+k}, straight from the definition."""
        rewards, found = self.rewards(), numpy.zeros_like(self.mask)
        for i in range(len(found)):
            places = self.places(i)
            ahead = [*(self.values[i, t] for t in places[1:]), 0.0][: len(places)]
            deltas = [rewards[i, t] + GAMMA * v - self.values[i, t] for t, v in zip(places, ahead, strict=True)]
            for k, t in enumerate(places):
                found[i, t] = sum((GAMMA * LAM) ** j * delta for j, delta in enumerate(deltas[k:]))
        return found


def tensors(*arrays: numpy.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(array) for array in arrays]


@pytest.mark.parametrize("seed", range(20))
def test_rewards_advantages_and_returns_are_those_of_the_equations(seed: int) -> None:
    batch = Batch(seed)
    scores, logps, reference, values, mask = tensors(batch.scores, batch.logps, batch.reference, batch.values, batch.mask)
    rewards = advantages.token_rewards(scores, logps, reference, mask, BETA)
    numpy.testing.assert_allclose(rewards, batch.rewards(), atol=1e-12)
    found, returns = advantages.generalised_advantages(rewards, values, mask, GAMMA, LAM)
    numpy.testing.assert_allclose(found, batch.advantages(), atol=1e-12)
    numpy.testing.assert_allclose(returns, (batch.advantages() + batch.values) * batch.mask, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_the_clipped_losses_are_those_of_the_equations(seed: int) -> None:
    batch = Batch(seed)
    chosen = batch.mask.astype(bool)
    ratio = numpy.exp(batch.logps - batch.old)[chosen]
    gains = batch.advantages()[chosen]
    wanted = -numpy.minimum(ratio * gains, numpy.clip(ratio, 1 - CLIP, 1 + CLIP) * gains).mean()
    logps, old, mask, values, returns = tensors(batch.logps, batch.old, batch.mask, batch.values, batch.returns)
    found = advantages.policy_loss(logps, old, torch.tensor(batch.advantages()), mask, CLIP)
    assert float(found) == pytest.approx(wanted)
    near = batch.old + numpy.clip(batch.values - batch.old, -CLIP, CLIP)
    errors = numpy.maximum((batch.values - batch.returns) ** 2, (near - batch.returns) ** 2)[chosen]
    assert float(advantages.value_loss(values, old, returns, mask, CLIP)) == pytest.approx(0.5 * errors.mean())
    plain = ((batch.values - batch.returns) ** 2)[chosen]
    assert float(advantages.value_loss(values, old, returns, mask, 0)) == pytest.approx(0.5 * plain.mean())


@pytest.mark.parametrize("seed", range(5))
def test_whitened_values_have_mean_0_and_variance_1_over_the_chosen_tokens(seed: int) -> None:
    batch = Batch(seed)
    mask, values = tensors(batch.mask, batch.values)
    found = advantages.whitened(values, mask)
    inside = found[mask.bool()]
    assert float(inside.mean()) == pytest.approx(0, abs=1e-9) and float(inside.var()) == pytest.approx(1, abs=1e-6)
    assert not found[~mask.bool()].any()


def test_the_divergence_estimate_is_never_negative_and_its_mean_is_the_divergence() -> None:
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(50, dtype=torch.float64, generator=generator).log_softmax(0) for _ in range(2))
    each = advantages.k3(p, q)
    assert bool((each >= 0).all())
    assert float((p.exp() * each).sum()) == pytest.approx(float((p.exp() * (p - q)).sum()))


def test_values_that_are_the_returns_explain_all_of_them_and_a_constant_none() -> None:
    mask = torch.ones(3, 4)
    returns = torch.arange(12.0).reshape(3, 4)
    assert advantages.explained(returns, returns, mask) == pytest.approx(1)
    assert advantages.explained(torch.zeros(3, 4), returns, mask) == pytest.approx(0)


def test_the_coefficient_moves_towards_its_target_a_little_at_a_time() -> None:
    control = KlControl(0.1, target=5.0, horizon=1000)  # as in Ziegler et al. 2019
    control.update(50.0, 100)
    assert control.coefficient == pytest.approx(0.1 * 1.02)  # an error of 900 % counts for 20 %
    control.update(0.0, 100)
    assert control.coefficient == pytest.approx(0.1 * 1.02 * 0.98)
    fixed = KlControl(0.1)
    fixed.update(50.0, 100)
    assert fixed.coefficient == 0.1


@pytest.mark.parametrize("seed", range(20))
def test_the_coefficient_is_that_of_the_equation_and_stays_above_0_however_short_the_run(seed: int) -> None:
    rng = numpy.random.default_rng(seed)
    target, answers = rng.uniform(0.1, 10), int(rng.integers(1, 512))
    horizon = answers * 10 ** rng.uniform(-3, 3)  # a run of a single batch of answers has a tenth of it as its horizon
    control, wanted = KlControl(0.1, target, horizon), 0.1
    for kl in rng.uniform(-1, 3, size=50) * target:
        error = numpy.clip((kl - target) / target, -0.2, 0.2)
        wanted *= 1 + error * numpy.minimum(1.0, answers / horizon)
        before = control.coefficient
        control.update(kl, answers)
        assert control.coefficient == pytest.approx(wanted)
        assert 0.8 - 1e-9 <= control.coefficient / before <= 1.2 + 1e-9
    assert control.coefficient > 0
