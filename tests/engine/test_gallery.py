"""The gallery: every road can be begun on the Pocket lab as it stands, and takes other data, a judge or a rule."""

import pytest

from engine import gallery
from engine.errors import BadInput, NotFound
from engine.jobs import walkable
from engine.jobs.stages import read
from storage.home import Home

JUDGE = {"address": "http://127.0.0.1:9/v1", "judge": "large"}


@pytest.mark.parametrize("judge", [None, JUDGE], ids=["rule", "judge"])
@pytest.mark.parametrize("name", gallery.GALLERY)
def test_a_road_can_be_begun_on_the_samples(name: str, judge: dict[str, str] | None, pocket: Home) -> None:
    stages = read(gallery.stages(gallery.find(name), judge=judge))
    walkable.check(pocket, "pocket", stages)
    assert len({stage.name for stage in stages}) == len(stages) >= 2


def test_data_takes_its_role_wherever_it_stands() -> None:
    made = gallery.stages(gallery.find("domain-law"), {"documents": "statutes", "general": "web"})
    assert made[0]["data"] == "statutes" and made[0]["settings"]["replay"] == "web"
    assert made[1]["data"] == "pocket-instructions"


def test_what_is_optional_may_be_left_out() -> None:
    made = gallery.stages(gallery.find("domain-law"), {"general": "", "held_out": ""})
    assert "replay" not in made[0]["settings"] and "bar" not in made[1]


def test_feedback_comes_from_the_judge_or_else_from_the_rule() -> None:
    road = gallery.find("constitutional-ai")
    by_rule = {stage["name"]: stage for stage in gallery.stages(road, rule="length(most=9)")}
    assert by_rule["feedback"]["sample"]["rewards"] == "length(most=9)" and "judge" not in by_rule["feedback"]
    judged = {stage["name"]: stage for stage in gallery.stages(road, judge=JUDGE)}
    assert judged["feedback"]["judge"] == JUDGE and judged["revised"]["judge"] == {**JUDGE, "revise": True}
    assert road.judged and not gallery.find("instructgpt").judged


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"evidence": "x"}, "Zephyr takes no evidence; it takes demonstrations"),
        ({"questions": ""}, "cannot do without questions"),
    ],
)
def test_data_that_the_road_does_not_take_is_refused(data: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        gallery.stages(gallery.find("zephyr"), data)


def test_a_road_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound, match="There is: instructgpt"):
        gallery.find("claude")
