"""Rubric: one question at a time, nothing answered is lost, and the advice is kept once and shows later whether it held."""

from typing import Any

from streamlit.testing.v1 import AppTest

from engine import advice, rubric
from storage import runs
from storage.home import Home
from tests.pages.conftest import open_page, words

TASTE: dict[str, str] = {
    "goal": "taste", "prompting": "short", "needed": "80", "data": "pairs", "pair_rows": "5000", "seconds": "10", "hours": "8",
    "privacy": "open", "hardware": "cpu", "regressions": "some",
}  # fmt: skip


def said(app: AppTest) -> str:
    return words(app).replace("\\", "")


def press(app: AppTest, key: str) -> AppTest:
    return app.button(key=key).click().run()


def buttons(app: AppTest) -> set[str | None]:
    return {button.key for button in app.button}


def test_the_first_question_says_why_it_matters_and_how_many_there_are_at_most(empty_home: Home) -> None:
    app = open_page("rubric")
    assert not app.exception
    assert "What should the model do better?" in said(app) and rubric.QUESTIONS[0].why in said(app)
    assert "rubric_back" not in buttons(app)
    assert app.radio(key="rubric_goal").value is None


def test_going_on_without_an_answer_is_said_and_stays(empty_home: Home) -> None:
    app = press(open_page("rubric"), "rubric_next")
    assert "Choose one to go on." in said(app)
    app = press(open_page("rubric", **{k: TASTE[k] for k in ("goal", "prompting", "needed")}), "rubric_next")
    assert "Tick at least one to go on" in said(app)
    app.checkbox(key="rubric_data_none").check()
    app.checkbox(key="rubric_data_pairs").check()
    assert "cannot be ticked beside something" in said(press(app, "rubric_next"))


def test_a_number_out_of_bounds_is_said_with_them_and_the_way_back_stays_open(empty_home: Home) -> None:
    app = open_page("rubric", **{k: TASTE[k] for k in ("goal", "prompting")})
    app.number_input(key="rubric_needed").set_value(9080)
    assert "from 1 to 100, not 9,080" in said(press(app, "rubric_next"))
    assert app.query_params.get("at") != ["goal"]
    assert "rubric_goal" in {radio.key for radio in press(press(app, "rubric_back"), "rubric_back").radio}


def test_going_back_keeps_the_answers_and_later_ones_that_still_apply(empty_home: Home) -> None:
    app = open_page("rubric", **{k: v for k, v in TASTE.items() if k not in ("privacy", "hardware", "regressions")})
    assert "Who may see the texts?" in said(app)
    for key, question in (
        ("rubric_back", "How long may an answer take"),
        ("rubric_back", "How much of it?"),
        ("rubric_back", "What do you have"),
    ):
        app = press(app, key)
        assert question in said(app)
    assert app.checkbox(key="rubric_data_pairs").value
    app.checkbox(key="rubric_data_demonstrations").check()
    app = press(app, "rubric_next")
    assert "How much of it?" in said(app)  # what is new is asked for, what was there is still there
    assert app.number_input(key="rubric_pair_rows").value == 5000
    app.number_input(key="rubric_demonstration_rows").set_value(300)
    app = press(app, "rubric_next")
    assert "Who may see the texts?" in said(app)


def test_an_answer_is_changed_from_the_summary_and_the_way_goes_on_where_it_was(empty_home: Home) -> None:
    app = press(open_page("rubric", **TASTE), "rubric_change_prompting")
    assert "How good is it already" in said(app) and app.radio(key="rubric_prompting").value == "short"
    app.radio(key="rubric_prompting").set_value("enough")
    app = press(app, "rubric_next")
    assert "Do not train." in said(app)
    app = press(app, "rubric_again")
    assert "What should the model do better?" in said(app) and app.radio(key="rubric_goal").value is None


def test_the_advice_shows_every_way_with_reasons_and_sources(empty_home: Home) -> None:
    app = open_page("rubric", **TASTE)
    assert not app.exception
    text = said(app)
    assert "Train: DPO or KTO." in text and "2305.18290" in text and "never run here yet: the Pocket lab took" in text
    told = rubric.advise(rubric.questions.read(TASTE))
    for way in told.ways:
        assert f"{way.rank}. **{way.title}**" in text
        assert all(reason.text in text for reason in (*way.pros, *way.cons))
    assert "rubric_go_now_first" in buttons(app)


def test_an_advice_is_kept_once_and_shows_whether_it_held(empty_home: Home) -> None:
    app = press(open_page("rubric", **TASTE), "rubric_save")
    assert not app.exception
    (kept,) = advice.every(empty_home)
    assert app.query_params["advice"] in ("1", ["1"])
    assert "Not measured yet" in said(app)
    run = runs.insert(empty_home, kind="bakeoff", name="[four](x) ways", request={}, token=None)
    runs.claim(empty_home)
    found = [("prompt", 0.5), ("tuned", 0.9)]
    told = [{"name": k, "kind": k, "value": v, "low": v - 0.04, "high": v + 0.04, "n": 300} for k, v in found]
    runs.end(empty_home, run.id, "succeeded", summary={"candidates": told})
    app.run()
    app.selectbox(key="rubric_run").set_value(run.id)
    app = press(app, "rubric_hang")
    assert not app.exception
    assert "It held: training reached 0.90" in said(app)
    app = press(app, "rubric_leave")
    assert "Earlier advice" in said(app) and "It held: training reached 0.90" in said(app)
    assert "Train: DPO or KTO." in said(press(app, f"rubric_open_{kept.id}"))


def test_an_address_that_was_cut_or_made_up_asks_again_and_a_missing_advice_is_said(empty_home: Home) -> None:
    app = open_page("rubric", goal="<script>", prompting="short", needed="1e99", at="nowhere")
    assert not app.exception and "What should the model do better?" in said(app)
    app = open_page("rubric", advice="77")
    assert not app.exception and "There is no advice '77'" in said(app)


def test_a_road_opens_with_the_road_and_the_model_chosen(full: dict[str, Any]) -> None:
    app = open_page("train", road="r1", model="pocket")
    assert not app.exception
    assert app.selectbox(key="road_chosen").value == "r1"
    assert app.selectbox(key="road_model").value == full["base"].id
    app = open_page("train", road="no such road")
    assert "There is no road 'no such road'" in said(app)
