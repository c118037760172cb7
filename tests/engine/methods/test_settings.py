"""Settings: one field, from which form, check and stored value follow."""

import dataclasses

import pytest

from engine.errors import BadInput
from engine.methods import METHODS
from engine.methods.arguments import auto_learning_rate, fewer_at_once, plan
from engine.methods.loading import Device
from engine.methods.method import Method, parse_settings, settings_of
from engine.methods.sft import SftSettings

CPU = Device("cpu", "CPU", 16 * 10**9, bfloat16=False)


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda m: m.name)
def test_every_setting_has_help_and_a_default_within_its_own_bounds(method: Method) -> None:
    for setting in settings_of(method.settings):
        assert setting.help and setting.group
        assert setting.parse(setting.default) == setting.default
        assert setting.choices or setting.kind in (bool, str) or setting.low is not None


def test_text_from_a_command_line_becomes_the_settings_own_type() -> None:
    parsed = parse_settings(SftSettings, {"steps": "7", "learning_rate": "1e-4", "tuning": "full"})
    assert (parsed.steps, parsed.learning_rate, parsed.tuning) == (7, 1e-4, "full")
    assert parse_settings(SftSettings, dataclasses.asdict(parsed)) == parsed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", "seven"),
        ("steps", 1.5),
        ("batch_size", 0),
        ("learning_rate", "nan"),
        ("tuning", "qlora9"),
        ("evaluate_share", 0.9),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_would(name: str, value: object) -> None:
    with pytest.raises(BadInput, match=f"{name} takes .*not"):
        parse_settings(SftSettings, {name: value})


def test_an_unknown_setting_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="batch_size"):
        parse_settings(SftSettings, {"batchsize": 4})


def test_the_learning_rate_falls_with_the_size_of_the_model_and_is_higher_for_lora() -> None:
    rates = [auto_learning_rate(n, "full") for n in (10**6, 10**8, 10**9, 10**11)]
    assert rates == sorted(rates, reverse=True) and rates[0] == 1e-3 and rates[-1] == 1e-5
    assert all(auto_learning_rate(n, "lora") > auto_learning_rate(n, "full") for n in (10**6, 10**9))


def test_a_batch_that_does_not_fit_the_memory_is_accumulated_without_changing_its_size() -> None:
    settings = parse_settings(SftSettings, {"batch_size": 24})
    small = Device("cpu", "CPU", 10**8, bfloat16=False)
    chosen = plan(settings, 100, 10**8, "auto", small, longest=512)
    assert chosen.micro_batch * chosen.accumulation == 24 and chosen.micro_batch < 24
    assert plan(settings, 100, 10**6, "auto", CPU, longest=64).micro_batch == 24


def test_what_is_tried_after_too_many_rows_at_once_are_a_quarter_or_the_next_that_divide_the_batch() -> None:
    assert [fewer_at_once(16, 1, micro) for micro in (16, 8, 4, 2, 1)] == [4, 2, 1, 1, None]
    assert fewer_at_once(9, 2, 9) == 3 and fewer_at_once(9, 2, 3) is None and fewer_at_once(16, 2, 2) is None


def test_a_run_tells_how_many_rows_it_computes_at_once_also_where_that_is_the_whole_batch() -> None:
    settings = parse_settings(SftSettings, {"batch_size": 24})
    assert plan(settings, 100, 10**6, "auto", CPU, longest=64).reasons["micro_batch"] == "24 rows at once"
