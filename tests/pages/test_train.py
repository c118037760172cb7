"""Train: the form follows from what a method declares, keeps what was typed, and launches once."""

import shlex
from typing import Any

import jinja2
import pytest
from streamlit.testing.v1 import AppTest

from engine.__main__ import parser
from engine.data import curate
from engine.errors import NotFound, TryLater
from engine.jobs import supervisor
from engine.methods import METHODS, loading
from engine.methods.method import parse_settings, settings_of
from engine.samples import road
from pages.parts import queue, session
from pages.train import view
from storage import db, models, runs
from storage.home import Home
from storage.records import Model
from tests import filled
from tests.pages.conftest import open_page, words


def said(app: AppTest) -> str:
    return words(app).replace("\\", "")


@pytest.mark.parametrize("method", list(METHODS))
def test_every_setting_of_a_method_has_a_field_with_its_help_and_its_bounds(method: str, full: dict[str, Any]) -> None:
    app = open_page("train", method=method)
    assert not app.exception
    for setting in settings_of(METHODS[method].settings):
        field = app.get_by_key(f"train_{method}_{setting.name}")
        assert field.value == setting.default
        assert setting.help.split(";")[0].split(":")[0] in field.proto.help.replace("\\", "")
        assert f"Takes {setting.allowed()};" in field.proto.help
        if setting.choices:
            assert len(field.proto.options) == len(setting.choices)


def test_only_data_that_the_method_takes_is_offered_and_the_rest_is_counted(full: dict[str, Any]) -> None:
    app = open_page("train")
    offered = app.selectbox(key="train_data_sft").options
    assert all("support-questions" in option or "hostile" in option for option in offered)
    assert "4 data sets not offered" in said(app) and "1 of preference pairs" in said(app)
    app.get_by_key("train_family").set_value("text").run()
    assert [option.split("@")[0] for option in app.selectbox(key="train_data_pretrain").options] == ["handbook"]


def test_without_data_the_way_to_it_is_shown_and_nothing_can_be_launched(empty_home: Home) -> None:
    filled.model(empty_home, "pocket")
    app = open_page("train")
    assert not app.exception
    assert "there is no such data set yet" in said(app)
    assert [link.label for link in app.get("page_link")] == ["Bring data in"]
    assert app.button(key="train_launch").disabled


def test_without_a_model_the_page_says_where_to_get_one(empty_home: Home) -> None:
    app = open_page("train")
    assert "No model yet" in said(app)
    assert app.button(key="train_launch").disabled


def test_a_launch_stores_what_was_typed_and_goes_to_the_run(full: dict[str, Any], engine_there: None) -> None:
    app = open_page("train", data="support-questions")
    app.number_input(key="train_sft_learning_rate").set_value(0.002)
    app.number_input(key="train_sft_steps").set_value(7)
    app.get_by_key("train_sft_tuning").set_value("full")
    app.text_input(key="train_name").set_value("a name of mine")
    app.number_input(key="train_seed").set_value(3)
    app.run()
    before = len(runs.page(full["home"]))
    app.button(key="train_launch").click().run()
    assert not app.exception and not app.error
    made = runs.page(full["home"])[0]
    assert len(runs.page(full["home"])) == before + 1
    assert (made.name, made.status, made.recipe.seed) == ("a name of mine", "queued", 3)
    assert {k: made.recipe.settings[k] for k in ("learning_rate", "steps", "tuning")} == {
        "learning_rate": 0.002,
        "steps": 7,
        "tuning": "full",
    }
    assert made.recipe.dataset_id == full["data"]["messages"].id
    assert app.title[0].value.replace("\\", "") == "a name of mine"
    assert app.query_params["run"] == str(made.id)


def test_a_click_straight_out_of_an_emptied_field_launches_nothing(full: dict[str, Any], engine_there: None) -> None:
    app, before = open_page("train", data="support-questions"), len(runs.page(full["home"]))
    app.number_input(key="train_sft_learning_rate").set_value(None)
    app.button(key="train_launch").click().run()  # as a browser sends it: the button was drawn before the field was emptied
    assert "Fill in learning rate" in "".join(str(each.value) for each in app.error)
    assert len(runs.page(full["home"])) == before


def test_a_click_is_told_from_the_next_when_the_engine_is_there_and_not_before(
    full: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(supervisor, "ensure", lambda _: done.append("the engine runs"))
    monkeypatch.setattr(session, "token", lambda action: done.append(f"token of {action}") or "t")
    queue.put(full["home"], "launch", lambda token: done.append(f"queued as {token}"), "train")
    assert done == ["the engine runs", "token of train", "queued as t"], "it may take longer to start than clicks lie apart"


def test_a_double_click_launches_once(full: dict[str, Any], engine_there: None) -> None:
    app = open_page("train", data="support-questions")
    before = len(runs.page(full["home"]))
    app.button(key="train_launch").click().run()
    app.switch_page("pages/train/page.py").run()
    app.button(key="train_launch").click().run()
    assert not app.exception
    assert len(runs.page(full["home"])) == before + 1


def test_an_error_keeps_everything_that_was_typed(full: dict[str, Any], engine_there: None) -> None:
    app = open_page("train", model="pocket", data="support-questions")
    app.number_input(key="train_sft_steps").set_value(7)
    app.text_input(key="train_name").set_value("mine/yours").run()
    app.button(key="train_launch").click().run()
    assert not app.exception
    assert "mine/yours" in app.error[0].value.replace("\\", "")
    assert app.text_input(key="train_name").value == "mine/yours"
    assert app.number_input(key="train_sft_steps").value == 7
    assert app.selectbox(key="train_model").value == full["base"].id


def test_what_was_typed_is_there_after_another_page_and_another_method(full: dict[str, Any]) -> None:
    app = open_page("train")
    app.number_input(key="train_sft_steps").set_value(77).run()
    app.get_by_key("train_family").set_value("text").run()
    app.switch_page("pages/home/page.py").run()
    app.switch_page("pages/train/page.py").run()
    assert app.get_by_key("train_method").value == "pretrain"
    app.get_by_key("train_family").set_value("examples").run()
    assert app.get_by_key("train_method").value == "sft"
    assert app.number_input(key="train_sft_steps").value == 77


def test_what_differs_from_the_defaults_is_counted_and_taken_back(full: dict[str, Any]) -> None:
    app = open_page("train")
    assert app.button(key="train_reset").disabled
    app.number_input(key="train_sft_steps").set_value(77)
    app.number_input(key="train_sft_lora_rank").set_value(4).run()
    assert app.button(key="train_reset").label == "Back to defaults (2 changed)"
    app.button(key="train_reset").click().run()
    assert app.number_input(key="train_sft_steps").value == 0
    assert app.number_input(key="train_sft_lora_rank").value == 16


def test_an_empty_field_is_named_and_holds_the_launch(full: dict[str, Any]) -> None:
    app = open_page("train", data="support-questions")
    app.number_input(key="train_sft_batch_size").set_value(None).run()
    assert not app.exception
    assert "Fill in batch size" in said(app)
    assert app.button(key="train_launch").disabled


def test_the_command_line_shown_means_the_same_as_the_form(full: dict[str, Any]) -> None:
    app = open_page("train", data="support-questions@1")
    app.number_input(key="train_sft_learning_rate").set_value(0.002)
    app.get_by_key("train_sft_schedule").set_value("linear")
    app.text_input(key="train_name").set_value("it's mine")
    app.number_input(key="train_seed").set_value(3).run()
    line = shlex.split(app.code[0].value)
    assert line[:3] == [".venv/bin/python", "-m", "engine"]
    given = parser().parse_args(line[3:])
    assert (given.method, given.model, given.data, given.name, given.seed) == (
        "sft",
        "pocket",
        "support-questions@1",
        "it's mine",
        3,
    )
    assert sorted(given.set) == ["learning_rate=0.002", "schedule=linear"]


def test_run_again_fills_the_form_with_the_recipe_and_the_change(full: dict[str, Any], engine_there: None) -> None:
    app = open_page("train", again=str(full["done"]), set="batch_size=2")
    assert app.number_input(key="train_sft_steps").value == 120
    assert app.number_input(key="train_sft_batch_size").value == 2
    assert app.text_input(key="train_name").value == "support-sft"
    app.number_input(key="train_sft_steps").set_value(60).run()
    assert app.number_input(key="train_sft_steps").value == 60, "the address fills the form once, not at every look"
    app.button(key="train_launch").click().run()
    assert runs.page(full["home"])[0].parent_id == full["done"]


def test_run_again_works_as_often_as_it_is_pressed(full: dict[str, Any], engine_there: None) -> None:
    app = open_page("runs", run=str(full["done"]))
    for _ in range(2):
        app.button(key="run_again").click().run()
        assert app.number_input(key="train_sft_steps").value == 120
        app.number_input(key="train_sft_steps").set_value(60).run()
        app.switch_page("pages/runs/page.py")
        app.query_params.clear()
        app.query_params["run"] = str(full["done"])
        app.run()


def test_a_form_that_was_filled_from_a_run_and_changed_to_other_data_is_no_child_of_it(
    full: dict[str, Any], engine_there: None
) -> None:
    app = open_page("train", again=str(full["done"]))
    other = filled.freeze(full["home"], "other", "messages", curate.rows(full["home"], full["data"]["messages"], 0, 20))
    app.run()
    app.selectbox(key="train_data_sft").set_value(other.id).run()
    app.button(key="train_launch").click().run()
    made = runs.page(full["home"])[0]
    assert (made.recipe.dataset_id, made.parent_id) == (other.id, None)


def test_run_again_says_what_of_the_run_is_gone(full: dict[str, Any]) -> None:
    with db.transaction(full["home"]) as connection:
        connection.execute("UPDATE run SET request = json_set(request, '$.model_id', 999) WHERE id = ?", (full["done"],))
    app = open_page("train", again=str(full["done"]))
    assert f"The model of run {full['done']} is no longer here" in app.error[0].value.replace("\\", "")
    assert app.number_input(key="train_sft_steps").value == 120


def test_nothing_is_queued_where_no_engine_comes_up(full: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: Home) -> None:
        raise TryLater("The engine did not start.")

    monkeypatch.setattr(supervisor, "ensure", absent)
    before = len(runs.page(full["home"], 100))
    app = open_page("train", data="support-questions")
    app.button(key="train_launch").click().run()
    assert "did not start" in app.error[0].value
    app = open_page("models", model=str(full["tuned"].id))
    app.button(key="measure").click().run()
    assert "did not start" in app.error[0].value
    with pytest.raises((TryLater, NotFound)):
        road.walk(full["home"])
    assert len(runs.page(full["home"], 100)) == before


@pytest.mark.parametrize(
    "query", [{"again": "999"}, {"again": "x"}, {"method": "magic"}, {"again": "1", "set": "batch_size=many"}]
)
def test_an_address_that_cannot_fill_the_form_says_why(query: dict[str, str], full: dict[str, Any]) -> None:
    app = open_page("train", **query)
    assert not app.exception
    assert app.error
    assert app.get_by_key("train_method").value == "sft"


def giant_of(home: Home) -> Model:
    """A registered model that no machine holds."""
    folder = filled.weights(home.models / "giant", "model")
    return models.insert(
        home, name="giant", kind="model", path=str(folder), base_id=None, run_id=None, fingerprint="ab", parameters=10**12,
        bytes=10, dtype="bfloat16", context=1024, license=None, template="own", source="test",
    )  # fmt: skip


def test_a_click_straight_out_of_a_field_does_not_launch_what_will_not_fit(full: dict[str, Any], engine_there: None) -> None:
    giant, before = giant_of(full["home"]), len(runs.page(full["home"]))
    app = open_page("train", model="pocket", data="support-questions")
    app.selectbox(key="train_model").set_value(giant.id)
    app.button(key="train_launch").click().run()  # one message to the server: nothing was drawn for this model in between
    assert len(runs.page(full["home"])) == before
    assert "are free" in app.error[0].value
    app.checkbox(key="train_force").check().run()
    app.button(key="train_launch").click().run()
    assert "are free" not in "".join(str(each.value) for each in app.error)


def test_what_will_not_fit_must_be_wanted(full: dict[str, Any]) -> None:
    giant = giant_of(full["home"])
    app = open_page("train", model="giant", data="support-questions")
    assert app.selectbox(key="train_model").value == giant.id
    assert "Exceeds" in app.table[0].value.to_string()
    assert app.button(key="train_launch").disabled
    app.checkbox(key="train_force").check().run()
    assert not app.button(key="train_launch").disabled


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("learning_rate", 5.0, "learning_rate takes a number from 0 to 1, not 5.0."),
        ("max_length", 4000, "max_length is 4,000, and pocket takes 1,024 tokens. Set it to at most that."),
    ],
)
def test_a_value_that_cannot_be_launched_says_so_and_keeps_launch_from_being_pressed(
    setting: str, value: float, words: str, full: dict[str, Any]
) -> None:
    app = open_page("train", data="support-questions")
    assert not app.button(key="train_launch").disabled
    app.number_input(key=f"train_sft_{setting}").set_value(value).run()
    assert app.button(key="train_launch").disabled
    assert words in [error.value.replace("\\", "") for error in app.error]


def test_a_default_longer_than_the_model_takes_is_lowered_and_the_page_says_so(full: dict[str, Any], engine_there: None) -> None:
    home: Home = full["home"]
    filled.model(home, "narrow", context=128)
    app = open_page("train", data="support-questions", model="narrow")
    assert "narrow takes 128 tokens, so max length is 128 here." in said(app)
    app.button(key="train_launch").click().run()
    assert runs.page(home)[0].request["settings"]["max_length"] == 128
    app = open_page("train", data="support-questions", model="pocket")
    assert "so max length is" not in said(app)


def test_prompts_leave_room_for_the_answer_in_what_the_model_takes_and_the_page_says_so(full: dict[str, Any]) -> None:
    filled.model(full["home"], "narrow", context=128)
    app = open_page("train", method="grpo", model="narrow")
    assert "narrow takes 128 tokens, the answer among them, so max length is 64 here." in said(app)


def test_the_standard_template_is_described_as_it_is() -> None:
    def first_row() -> None:
        from engine.generation.answers import Histogram, Preview
        from engine.methods import METHODS
        from pages.train import view
        from pages.train.preview import Seen

        seen = Seen(preview=Preview(Histogram((0, 1), (1,)), 0, 1, 1, 9, 9, [[("user:\nHi\n", False)]], "standard"))
        view.example(METHODS["sft"], seen)

    told = said(AppTest.from_function(first_row).run())
    assert "the role and a colon on a line, such as `user:`" in told and "ChatML" not in told
    assert (
        jinja2.Template(loading.STANDARD_TEMPLATE.replace("{% generation %}", "").replace("{% endgeneration %}", "")).render(
            messages=[{"role": "user", "content": "Hi"}]
        )
        == "user:\nHi\n"
    )


def test_blocks_that_are_replayed_are_told_with_the_steps(full: dict[str, Any]) -> None:
    values = parse_settings(METHODS["pretrain"].settings, {"epochs": 3, "batch_size": 4, "replay": "#1", "replay_share": 0.5})
    told = view.steps_line(METHODS["pretrain"], values, 144, 100)
    assert told == "144 of 4 blocks each: 3 times over 95 blocks and 95 to replay; 5 held out"


def test_the_steps_say_how_they_come_about(full: dict[str, Any]) -> None:
    app = open_page("train", data="support-questions")
    assert app.table[0].value["value"]["Steps"] == "45 of 16 rows each: 3 times over 228 rows; 12 held out"
