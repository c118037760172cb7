"""What a training came to: the trust test, the divergence, what was forgotten, and the curves of each method."""

from typing import Any

import pytest

from engine.rewards import trust
from storage import events, runs
from tests.pages.conftest import open_page, words

SERIES = {
    "grpo": {
        "Reward": ("reward", "eval_reward"), "Parts of the reward": ("reward_part_check", "reward_part_ended"),
        "Divergence from the start": ("kl",), "Where the time of a step goes": ("seconds_generation", "seconds_update"),
    },
    "dpo": {"Pairs told apart": ("preference_accuracy",), "Rewards of both answers": ("reward_chosen", "reward_rejected")},
}  # fmt: skip


def ended(full: dict[str, Any], method: str, **summary: Any) -> int:
    """A training run that has ended well with this summary."""
    home = full["home"]
    request = runs.get(home, full["done"]).request  # type: ignore[union-attr]
    made = runs.insert(home, kind="train", name=f"a-{method}", request={**request, "method": method, "settings": {}}, token=None)
    events.add_metrics(home, made.id, [(name, step, step / 10) for step in range(1, 6) for name in ("loss", *named(method))])
    with_status = [r for r in iter(lambda: runs.claim(home), None) if r.id == made.id]
    assert with_status
    runs.end(home, made.id, "succeeded", summary=summary)
    return made.id


def named(method: str) -> list[str]:
    return [name for names in SERIES.get(method, {}).values() for name in names]


@pytest.mark.parametrize("trusted", [True, False])
def test_a_reward_model_shows_whether_it_may_be_believed(trusted: bool, full: dict[str, Any]) -> None:
    rewards = [2.0, 1.5, 0.3, 0.9] * 20
    worse = [0.0 if trusted else 3.0, 0.1, 0.2, 0.3] * 20
    test = trust.test(rewards, worse, [(5, 9) if trusted else (9, 5), (9, 5)] * 40).summary()
    app = open_page("runs", run=str(ended(full, "reward", trust=test)))
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Pairs told right"] == ("100.0%" if trusted else "75.0%")
    assert shown["The longer answer is right"] == ("50.0%" if trusted else "100.0%")
    said = words(app).replace("\\", "")
    assert ("right more often than the rule" in said) == trusted and ("It does not beat the rule" in said) != trusted


def test_reinforcement_learning_shows_reward_and_how_far_it_went(full: dict[str, Any]) -> None:
    summary = {
        "held_out_reward": 0.91, "held_out_reward_low": 0.86, "held_out_reward_high": 0.94, "held_out_prompts": 95,
        "kl_answer": 3.01, "kl_answer_error": 0.2,
    }  # fmt: skip
    app = open_page("runs", run=str(ended(full, "grpo", **summary)))
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Reward at the end"] == "0.910" and shown["Moved from its start"] == "3.0 nats"
    assert shown["Reward"] == "0.500" and "Training loss" not in shown


def test_what_was_forgotten_and_what_was_sampled_are_shown(full: dict[str, Any]) -> None:
    app = open_page("runs", run=str(ended(full, "pretrain", old_loss_before=1.0, old_loss_after=1.25, forgotten=0.25)))
    assert [(m.label, m.value, m.delta) for m in app.metric if "old text" in m.label] == [
        ("Loss on the old text", "1.250", "+0.250")
    ]
    summary = {"sampled": 800, "prompts": 100, "kept": 60, "reward": 0.2, "reward_kept": 1.0}
    app = open_page("runs", run=str(ended(full, "rejection", **summary)))
    assert {m.label: m.value for m in app.metric}["Reward of all, and of those kept"] == "0.20 → 1.00"


@pytest.mark.parametrize("method", SERIES)
def test_the_curves_of_a_method_stand_together_by_what_they_tell(method: str, full: dict[str, Any]) -> None:
    app = open_page("runs", run=str(ended(full, method)))
    assert not app.exception
    said = words(app).replace("\\", "")
    for title, names in SERIES[method].items():
        assert f"**{title}**" in said
        assert all(f"**{name.replace('_', ' ')}**" not in said for name in names)
