"""Train, a published road: what it is, what it takes, and beginning it."""

import shlex
from typing import Any

from engine.__main__ import parser
from engine.gallery import GALLERY
from engine.jobs import chains
from storage import chains as stored
from tests.pages.conftest import open_page, words


def opened(road: str) -> Any:
    app = open_page("train")
    app.get_by_key("train_kind").set_value("road").run()
    app.get_by_key("road_chosen").set_value(road).run()
    assert not app.exception
    return app


def test_every_road_says_its_source_and_what_it_simplifies_and_shows_its_stages(full: dict[str, Any]) -> None:
    for road in GALLERY.values():
        app = opened(road.name)
        said = words(app).replace("\\", "")
        assert road.source.name in said and road.simplified in said
        assert all(f"**{stage['name']}**" in said for stage in road.stages)
        for role in road.roles:
            assert app.get_by_key(f"road_data_{role}") is not None


def test_a_road_is_begun_once_with_the_data_that_was_chosen(full: dict[str, Any], engine_there: None) -> None:
    home = full["home"]
    app = opened("stablelm-zephyr")
    app.text_input(key="road_name").set_value("my-road")
    app.get_by_key("road_data_held_out").set_value(0).run()
    line = next(code.value for code in app.code if "chain begin" in code.value)
    app.button(key="road_begin").click().run()
    assert not app.exception
    chain = chains.find(home, "my-road")
    first, second = chains.standings(home, chain)
    assert first.stage.bar is None
    assert second.stage.data.startswith(full["data"]["preference"].name)
    given = parser().parse_args(shlex.split(line.split(" -m engine ")[1]))
    assert given.road == "stablelm-zephyr" and f"demonstrations={first.stage.data}" in given.data and "held_out=" in given.data
    assert len(stored.page(home)) == 1


def test_a_judge_named_by_half_holds_the_road_with_words(full: dict[str, Any], engine_there: None) -> None:
    app = opened("zephyr")
    app.text_input(key="road_address").set_value("http://127.0.0.1:9/v1").run()
    app.button(key="road_begin").click().run()
    assert "Give both or neither" in " ".join(error.value for error in app.error)
    assert not stored.page(full["home"])


def test_the_command_line_begins_the_road_with_the_principles_that_were_typed(full: dict[str, Any], engine_there: None) -> None:
    app = opened("zephyr")
    app.text_input(key="road_address").set_value("http://127.0.0.1:9/v1")
    app.text_input(key="road_judge").set_value("large")
    app.text_input(key="road_rule").set_value("ended")
    app.text_area(key="road_principles").set_value("Be kind.\n\n-rude words lose\n").run()
    line = next(code.value for code in app.code if "chain begin" in code.value)
    given = parser().parse_args(shlex.split(line.split(" -m engine ")[1]))
    assert given.principle == ["Be kind.", "-rude words lose"]
    assert (given.address, given.judge, given.rule) == ("http://127.0.0.1:9/v1", "large", None), (
        "the judge takes the rule's place"
    )
