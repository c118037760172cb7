"""What a run is predicted to need."""

from pathlib import Path

import pytest

from engine import machine, offers
from engine.methods import METHODS, arguments, estimate
from engine.methods.method import parse_settings
from engine.methods.sft import SftSettings
from storage import models
from storage.home import Home
from storage.records import Model

FREE = 12 * 10**9


def register(home: Home, name: str, parameters: int, base: Model | None = None) -> Model:
    return models.insert(
        home, name=name, kind="adapter" if base else "model", path=f"/nowhere/{name}", base_id=base.id if base else None, run_id=None,
        fingerprint=name, parameters=parameters, bytes=0, dtype="bfloat16", context=512, license=None, template="own", source="test",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 16 GB, 12 of them free."""
    seen = machine.Machine("a CPU", False, 16 * 10**9, FREE, 10**12, 10**12)
    monkeypatch.setattr(machine, "look", lambda home: seen)


def test_an_adapter_is_predicted_to_need_what_its_base_needs(home: Home, tmp_path: Path) -> None:
    base = register(home, "base", 600_000_000)
    adapter = register(home, "adapter", 10_000_000, base)
    settings = parse_settings(SftSettings, {})
    on_base, on_adapter = (estimate.estimate(home, m, "sft", settings, 1000, 200, 512) for m in (base, adapter))
    assert on_base.memory <= on_adapter.memory < 1.1 * on_base.memory
    assert on_adapter.learning_rate == pytest.approx(on_base.learning_rate, rel=0.1)


def test_the_batch_that_the_trainer_would_split_is_counted_split(home: Home) -> None:
    base = register(home, "base", 600_000_000)
    told = estimate.estimate(home, base, "sft", parse_settings(SftSettings, {"batch_size": 64}), 1000, 200, 512)
    assert told.rows_at_once < 64
    assert told.fits == offers.fits(base.parameters, machine.look(home))["lora"]


def test_steps_are_those_that_the_trainer_makes(home: Home) -> None:
    base = register(home, "base", 1_000_000)
    settings = parse_settings(SftSettings, {"batch_size": 16, "epochs": 3, "evaluate_share": 0.05})
    assert estimate.estimate(home, base, "sft", settings, 101, 20, 30).steps == 18  # 96 rows are 6 steps, three times


def test_blocks_that_are_replayed_are_counted_as_the_trainer_counts_them(home: Home) -> None:
    base = register(home, "base", 1_000_000)
    given = {"epochs": 3, "batch_size": 4, "replay_share": 0.5}
    for replay, steps in (("", 72), ("#1", 144)):  # 5 of 100 blocks are held out, 95 are learnt from and 95 replayed
        settings = parse_settings(METHODS["pretrain"].settings, given | {"replay": replay})
        assert estimate.estimate(home, base, "pretrain", settings, 100, 512, 512).steps == steps


def test_what_is_computed_follows_from_the_method(home: Home) -> None:
    base = register(home, "base", 1_000_000)
    for name, steps, longest in (("grpo", 238, 94), ("ppo", 119, 94), ("rejection", 119, 30), ("dpo", 119, 60), ("kto", 119, 30)):
        settings = parse_settings(METHODS[name].settings, {"epochs": 1})
        assert settings.computed(1, 30)[1] == longest, name
        assert estimate.estimate(home, base, name, settings, 2000, 20, 30).steps == steps, name


def test_rows_held_out_are_the_share_asked_for_and_never_more_than_an_evaluation_can_read() -> None:
    settings = parse_settings(SftSettings, {"evaluate_share": 0.05})
    assert [arguments.held_out(settings, rows) for rows in (10, 240, 4000, 100_000)] == [0, 12, 200, 200]
