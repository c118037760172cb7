"""The choice of a token from its logits."""

from typing import Any

import pytest

from engine.errors import BadInput
from engine.generation.answers import Sampling
from engine.generation.sampling import choose, generator


def drawn(logits: Any, sampling: Sampling, times: int) -> list[int]:
    """Tokens drawn one after another from the same logits."""
    draw = generator(sampling.seed)
    return [token for _ in range(times) if (token := choose(logits, [sampling], [draw])[0]) is not None]


def test_temperature_0_takes_the_likeliest() -> None:
    import torch

    assert choose(torch.tensor([[0.1, 3.0, 2.9], [5.0, 1.0, 0.0]]), [Sampling()] * 2, [None, None]) == [1, 0]


def test_tokens_come_as_often_as_their_probabilities_say() -> None:
    import torch

    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    tokens = drawn(shares.log()[None], Sampling(seed=1, temperature=1.0), 4000)
    for token, share in enumerate(shares.tolist()):
        assert abs(tokens.count(token) / 4000 - share) < 4 * (share * (1 - share) / 4000) ** 0.5


def test_temperature_flattens_and_sharpens() -> None:
    import torch

    logits = torch.tensor([[2.0, 1.0, 0.0]])
    cold, hot = (drawn(logits, Sampling(seed=2, temperature=t), 500).count(0) for t in (0.3, 3.0))
    assert cold > 450 and hot < 300


def test_top_p_leaves_the_fewest_tokens_that_reach_it() -> None:
    import torch

    logits = torch.tensor([[0.15, 0.5, 0.05, 0.3]]).log()
    assert set(drawn(logits, Sampling(seed=3, temperature=1.0, top_p=0.79), 300)) == {1, 3}
    assert set(drawn(logits, Sampling(seed=3, temperature=1.0, top_p=0.81), 300)) == {0, 1, 3}
    assert set(drawn(logits, Sampling(seed=3, temperature=1.0, top_p=0.0), 50)) == {1}


def test_rows_with_their_own_sampling_share_a_batch() -> None:
    import torch

    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    samplings = [Sampling(), Sampling(seed=5, temperature=1.0), Sampling(seed=5, temperature=0.7, top_p=0.5)]
    together = choose(logits, samplings, [generator(s.seed) for s in samplings])
    assert together == [choose(logits[i : i + 1], [s], [generator(s.seed)])[0] for i, s in enumerate(samplings)]


def test_logits_that_are_no_numbers_give_no_token() -> None:
    import torch

    logits = torch.tensor([[1.0, float("nan")], [1.0, 2.0]])
    assert choose(logits, [Sampling(temperature=1.0), Sampling()], [generator(0), None]) == [None, 1]


@pytest.mark.parametrize(
    "given",
    [
        {"temperature": float("nan")},
        {"temperature": True},
        {"max_tokens": 1.5},
        {"top_p": -0.1},
        {"stop": [""]},
        {"stop": ["x"] * 17},
    ],
)
def test_a_sampling_out_of_bounds_is_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(given))):
        Sampling.checked(given)


def test_what_is_not_said_takes_its_default() -> None:
    assert Sampling.checked({"temperature": None, "stop": "x", "other": 1}) == Sampling(stop=("x",))
