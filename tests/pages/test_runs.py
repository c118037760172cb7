"""Runs: the list, one run and several, as they stand in the database; stop, resume, order."""

import dataclasses
import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.errors import FAILURES
from engine.jobs import chains
from engine.jobs.stages import read
from pages.runs import facts, listing, progress, view
from pages.runs.progress import Phase
from storage import events, runs
from storage.records import Event
from tests import filled
from tests.pages.conftest import open_page, words


def said(app: AppTest) -> str:
    return words(app).replace("\\", "")


def test_the_list_names_every_run_with_its_status_in_a_word_and_a_mark(full: dict[str, Any]) -> None:
    table = open_page("runs").dataframe[0].value
    told = dict(zip(table["name"], (status[0] for status in table["status"]), strict=True))
    assert told["support-sft"] == "✓ Succeeded"
    assert told["support-sft-large"] == "✕ Failed"
    assert told["support-sft-2"] == "▶ Running"
    assert len(told) == len(runs.page(full["home"]))


def test_the_list_is_searched_by_what_it_shows_and_by_status(full: dict[str, Any]) -> None:
    app = open_page("runs")
    app.text_input(key="runs_find").set_value("large support-questions").run()
    assert app.dataframe[0].value["name"].tolist() == ["support-sft-large"]
    app.text_input(key="runs_find").set_value("").run()
    app.get_by_key("runs_status").set_value(["stopped"]).run()
    assert app.dataframe[0].value["name"].tolist() == ["support-sft-short"]
    app.text_input(key="runs_find").set_value("nothing is called this").run()
    assert "No run fits" in said(app)


def test_an_empty_home_says_what_will_be_here(empty_home: Any) -> None:
    app = open_page("runs")
    assert "No run yet" in said(app)
    assert app.button(key="runs_new").label == "New run"


def test_the_queue_is_shown_in_its_order_and_can_be_changed(full: dict[str, Any]) -> None:
    home, first = full["home"], full["queued"]
    request = runs.get(home, full["done"])
    assert request is not None
    second = runs.insert(home, kind="train", name="for the night", request=request.request, token=None).id
    app = open_page("runs")
    assert said(app).index("1. **support-sft on") < said(app).index("2. **for the night**")
    assert app.button(key=f"up_{first}").disabled and app.button(key=f"down_{second}").disabled
    app.button(key=f"up_{second}").click().run()
    assert [run.id for run in runs.in_status(home, "queued")] == [second, first]
    assert said(app).index("1. **for the night**") < said(app).index("2. **support-sft on")


def test_a_live_run_shows_how_far_it_is_and_what_it_measured(full: dict[str, Any]) -> None:
    app = open_page("runs", run=str(full["live"]))
    assert not app.exception
    assert "step 200 of 300" in app.progress[0].text
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Step"] == "200 of 300"
    assert float(shown["Held-out loss"]) == pytest.approx(1.2, abs=0.05)
    assert len(app.get("echarts_chart")) == 3, "the losses share a chart; learning rate and seconds per step have their own"


def test_a_chart_says_in_words_what_it_shows(full: dict[str, Any]) -> None:
    chart = open_page("runs", run=str(full["live"])).get("echarts_chart")[0]
    assert "training" in chart.proto.alt and "at step 200" in chart.proto.alt and "held-out" in chart.proto.alt


def test_a_loss_that_is_no_number_is_said_to_be_none(full: dict[str, Any]) -> None:
    events.add_metrics(full["home"], full["live"], [("loss", 201, float("nan"))])
    app = open_page("runs", run=str(full["live"]))
    assert not app.exception
    assert {metric.label: metric.value for metric in app.metric}["Training loss"] == "not a number"


def test_samples_stand_as_a_time_line_and_are_inert(full: dict[str, Any]) -> None:
    home, live = full["home"], full["live"]
    events.add(home, live, "sample", {"prompt": "What is 2 plus 2?", "text": filled.HOSTILE}, step=80)
    app = open_page("runs", run=str(live), show="Samples")
    assert "Step 40" in said(app) and "Step 80**  newest  as before" in said(app)
    assert [text.value for text in app.text].count(filled.HOSTILE) == 1


def test_whoever_looks_at_the_newest_samples_sees_newer_ones_too(full: dict[str, Any]) -> None:
    home, live = full["home"], full["live"]
    steps = range(100, 1000, 100)
    for step in steps:
        events.add(home, live, "sample", {"prompt": "What is 2 plus 2?", "text": f"Said at {step}."}, step=step)
    app = open_page("runs", run=str(live), show="Samples")
    assert app.select_slider[0].value[1] == 900
    events.add(home, live, "sample", {"prompt": "What is 2 plus 2?", "text": "Said at 1000."}, step=1000)
    assert app.run().select_slider[0].value[1] == 1000 and "Said at 1000." in [text.value for text in app.text]
    app.select_slider[0].set_range(200, 500).run()
    events.add(home, live, "sample", {"prompt": "What is 2 plus 2?", "text": "Said at 1100."}, step=1100)
    assert tuple(app.run().select_slider[0].value) == (200, 500), "whoever looks back goes on looking there"


def test_the_recipe_marks_what_was_changed_and_names_where_it_comes_from(full: dict[str, Any]) -> None:
    app = open_page("runs", run=str(full["done"]), show="Recipe")
    assert not app.exception
    table = app.table[0].value.to_string()
    assert "120  :blue-badge[changed]" in table and "16" in table
    for part in ("pocket", "support-questions@2", "step 80"):
        assert part in said(app)
    assert "--set steps=120" in app.code[0].value and "--data support-questions@2" in app.code[0].value


def test_the_log_tells_what_the_run_told_and_where_the_rest_lies(full: dict[str, Any]) -> None:
    app = open_page("runs", run=str(full["live"]), show="Log")
    assert "16 rows at once" in app.code[0].value
    (full["home"].run(full["live"]) / "log.txt").write_text("a line that the process printed\n")
    app.session_state[f"log_{full['live']}"] = True
    app.run()
    assert "a line that the process printed" in app.code[1].value
    assert "log.txt" in said(app)


def test_a_failed_run_says_why_and_leads_to_the_form_with_a_smaller_batch(full: dict[str, Any]) -> None:
    failed = next(run for run in runs.page(full["home"]) if run.name == "support-sft-large")
    app = open_page("runs", run=str(failed.id))
    assert app.error[0].value.replace("\\", "").startswith("CUDA ran out of memory at step 12")
    step = app.button(key="card_step")
    assert step.label == "Run again, 4 rows at once"
    step.click().run()
    assert not app.exception
    assert app.title[0].value == "Train"
    assert app.number_input(key="train_sft_micro_batch").value == 4
    assert app.number_input(key="train_sft_steps").value == 30


@pytest.mark.parametrize(("method", "given", "told", "label", "change"), [
    ("sft", {"micro_batch": 0, "batch_size": 64}, 2, "Run again, 1 row at once", "micro_batch=1"),
    ("sft", {"micro_batch": 0, "batch_size": 64, "max_length": 512}, 1, "Run again with max length 256", "max_length=256"),
    ("kto", {"batch_size": 16}, 2, "Run again with max length 256", "max_length=256"),
    ("grpo", {"max_length": 64, "max_answer": 256}, 1, "Run again with max answer 128", "max_answer=128"),
    ("sft", {"max_length": 8}, 1, "Run again with a smaller model", ""),
    ("pretrain", {"tuning": "full"}, None, "Run again with LoRA", "tuning=lora"),
    ("sft", {"tuning": "lora"}, None, "Run again with a smaller model", ""),
])  # fmt: skip
def test_what_is_tried_after_too_little_memory_takes_less_of_it(
    method: str, given: dict[str, Any], told: int | None, label: str, change: str, full: dict[str, Any]
) -> None:
    home = full["home"]
    request = {**runs.get(home, full["done"]).request, "method": method, "settings": given}  # type: ignore[union-attr]
    run = runs.insert(home, kind="train", name="too-large", request=request, token=None)
    if told:
        events.add(home, run.id, "log", {"text": "device: CPU, 2 threads"})
        events.add(home, run.id, "log", {"text": "micro_batch: 64 rows at once"})  # of an earlier go
        events.add(home, run.id, "log", {"text": f"micro_batch: {told} rows at once, so that a step fits into memory"})
    failed = dataclasses.replace(run, status="failed", failure="out of memory")
    step = facts.next_step(home, failed)
    assert step is not None and step.label == label
    assert step.query == {"again": str(run.id)} | ({"set": change} if change else {})


@pytest.mark.parametrize(("loss", "shown"), [(-1e-9, "0.000"), (-0.0004, "0.000"), (-0.0006, "-0.001"), (0.25, "0.250")])
def test_a_figure_that_comes_to_zero_has_no_minus_sign(loss: float, shown: str, full: dict[str, Any]) -> None:
    home, live = full["home"], full["live"]
    events.add_metrics(home, live, [("loss", 201, loss), ("eval_loss", 201, loss)])
    app = open_page("runs", run=str(live))
    assert {m.label: m.value for m in app.metric}["Training loss"] == shown
    run = runs.get(home, live)
    assert run is not None
    line = listing.line(home, run, listing.Names({}, {}))
    assert f"{line['loss']:.3f}" == f"{line['held_out']:.3f}" == shown


def test_a_loss_that_was_no_number_leads_to_a_lower_rate(full: dict[str, Any]) -> None:
    home = full["home"]
    run_id = filled.train_run(home, "too-fast", full["base"], full["data"]["messages"], steps=30)
    runs.end(home, run_id, "failed", reason="The loss of step 20 is not a number.", failure="not a number", next_step="Lower it.")
    app = open_page("runs", run=str(run_id))
    app.button(key="card_step").click().run()
    assert app.number_input(key="train_sft_learning_rate").value == pytest.approx(1e-3 / 3, rel=0.05)


def test_an_interrupted_run_is_resumed_by_the_button_on_its_card(full: dict[str, Any], engine_there: None) -> None:
    lost = next(run for run in runs.page(full["home"]) if run.status == "interrupted")
    app = open_page("runs", run=str(lost.id))
    assert [button.label for button in app.button if "Resume" in button.label] == ["Resume from step 10"]
    app.button(key="run_resume").click().run()
    assert not app.exception and not app.error
    again = runs.get(full["home"], lost.id)
    assert again is not None and again.status == "queued"
    assert "in the queue" in app.progress[0].text


def test_a_resume_that_comes_too_late_is_refused_in_words(full: dict[str, Any], engine_there: None) -> None:
    stopped = next(run for run in runs.page(full["home"]) if run.status == "stopped")
    app = open_page("runs", run=str(stopped.id))
    runs.requeue(full["home"], stopped.id)  # someone else was quicker
    app.button(key="run_resume").click().run()
    assert not app.exception
    assert "only a failed, stopped or interrupted run can be resumed" in said(app)


def test_a_stop_asks_first(full: dict[str, Any]) -> None:
    app = open_page("runs", run=str(full["live"]))
    app.button(key="run_stop").click().run()
    assert "writes a checkpoint" in said(app)
    live = runs.get(full["home"], full["live"])
    assert live is not None and not live.stop_requested


def test_a_run_that_was_asked_to_stop_says_so_until_it_has(full: dict[str, Any]) -> None:
    runs.request_stop(full["home"], full["live"])
    app = open_page("runs", run=str(full["live"]))
    assert app.button(key="run_stop").disabled
    assert "Stopping" in json.dumps([element.value for element in app.get("markdown")] + [app.button(key="run_stop").label])


def test_a_finished_run_leads_to_the_chat_with_base_and_tuned(full: dict[str, Any]) -> None:
    app = open_page("runs", run=str(full["done"]))
    app.button(key="run_chat").click().run()
    assert not app.exception
    assert app.title[0].value == "Chat"
    assert [str(box.value) for box in app.selectbox if str(box.key).startswith("chat_model_")] == ["pocket", "support-sft"]


def test_a_measurement_shows_what_it_came_to(full: dict[str, Any]) -> None:
    home = full["home"]
    runs.reorder(home, [full["queued"]])
    claimed = runs.claim(home)
    assert claimed is not None and claimed.id == full["queued"]
    runs.end(home, claimed.id, "succeeded", summary={"value": 0.81, "low": 0.76, "high": 0.85, "n": 300})
    app = open_page("runs", run=str(claimed.id))
    assert not app.exception
    assert "0.81" in app.table[0].value.to_string().replace("\\", "")


@pytest.mark.parametrize("asked", ["999999", "one", "-1", ""])
def test_a_run_that_is_not_there_is_said_in_words(asked: str, full: dict[str, Any]) -> None:
    app = open_page("runs", run=asked)
    assert not app.exception
    assert (asked == "" and app.title[0].value == "Runs") or "run" in app.error[0].value


def test_two_runs_are_compared_by_what_differs(full: dict[str, Any]) -> None:
    failed = next(run for run in runs.page(full["home"]) if run.name == "support-sft-large")
    app = open_page("runs", compare=f"{full['done']},{failed.id}")
    assert not app.exception
    assert app.dataframe[1].value["Setting"].tolist() == ["steps"]
    app.toggle(key="compare_differences").set_value(False).run()
    assert {"method", "model", "learning_rate", "seed"} <= set(app.dataframe[1].value["Setting"])
    assert app.dataframe[0].value["Status"].tolist() == ["Succeeded", "Failed"]
    assert "support-sft-large" in app.get("echarts_chart")[0].proto.alt


def test_choosing_another_run_to_compare_changes_the_address(full: dict[str, Any]) -> None:
    app = open_page("runs", compare=str(full["done"]))
    assert "Choose another run" in said(app)
    app.multiselect(key="compared").set_value([full["done"], full["live"]]).run()
    assert not app.exception
    assert app.query_params["compare"] == f"{full['done']},{full['live']}"
    assert len(app.dataframe[0].value) == 2


def test_every_class_of_failure_has_a_title() -> None:
    assert set(view.TITLES) == set(FAILURES)


def test_an_engine_that_is_gone_is_said_where_the_run_is_looked_at(full: dict[str, Any]) -> None:
    app = open_page("runs", run=str(full["live"]))
    assert "The engine is not running. A run that has begun goes on." in said(app).replace("*", "")
    assert app.button(key=f"start_engine_{full['live']}").label == "Start the engine"


def test_a_road_shows_its_stages_and_can_be_gone_on_with(full: dict[str, Any], engine_there: None) -> None:
    home = full["home"]
    stages = [
        {"name": "first", "method": "sft", "data": "support-questions", "bar": {"data": "sums-held-out", "least": 0.8}},
        {"name": "second", "method": "dpo", "data": full["data"]["preference"].name},
    ]
    chain = chains.begin(home, "the-road", full["base"].name, read(stages))
    app = open_page("runs")
    assert not app.exception
    said = words(app).replace("\\", "")
    assert "the-road" in said and "Waiting" in said and "At least 80% on sums-held-out" in said
    app.button(key=f"chain_stop_{chain.id}").click().run()
    assert chains.find(home, "the-road").status == "stopped"
    app.text_area(key=f"chain_changes_{chain.id}").set_value("steps: 3").run()
    app.button(key=f"chain_again_{chain.id}").click().run()
    assert "A change is KEY" in " ".join(error.value for error in app.error)
    app.text_area(key=f"chain_changes_{chain.id}").set_value("steps=3").run()
    app.button(key=f"chain_again_{chain.id}").click().run()
    assert chains.standings(home, chains.find(home, "the-road-from-first"))[0].stage.settings == {"steps": "3"}
    app.button(key=f"chain_resume_{chain.id}").click().run()
    assert chains.find(home, "the-road").status == "live"


def test_a_road_below_its_bar_can_be_stopped_or_begun_again_in_spite_of_it(full: dict[str, Any], engine_there: None) -> None:
    home = full["home"]
    first = {"name": "first", "method": "sft", "data": "support-questions", "bar": {"data": "sums-held-out", "least": 0.8}}
    second = {"name": "second", "method": "dpo", "data": full["data"]["preference"].name}
    chain = chains.begin(home, "the-road", full["base"].name, read([first, second]))
    for summary in ({"model_id": full["tuned"].id}, {"value": 0.1, "low": 0.0, "high": 0.2, "n": 20}):
        chains.advance(home)
        newest = runs.page(home)[0]
        runs.end(home, newest.id, "succeeded", before="queued", summary=summary)
    chains.advance(home)
    app = open_page("runs")
    assert "Below its bar" in words(app)
    app.selectbox(key=f"chain_stage_{chain.id}").set_value("second").run()
    app.button(key=f"chain_again_{chain.id}").click().run()
    assert "all the same, say so" in " ".join(error.value for error in app.error)
    app.checkbox(key=f"chain_anyway_{chain.id}").check().run()
    app.button(key=f"chain_again_{chain.id}").click().run()
    assert chains.find(home, "the-road-from-second").waived == ("first",)
    assert "Bars that need not be met: first" in words(app)
    app.button(key=f"chain_stop_{chain.id}").click().run()
    assert chains.find(home, "the-road").status == "stopped"
    assert app.button(key=f"chain_waive_{chain.id}").label == "Go on all the same"


def test_a_phase_that_comes_again_is_told_once_with_all_its_time() -> None:
    times = [("loading", 0), ("training", 2), ("evaluating", 10), ("training", 15), ("evaluating", 25), ("training", 30)]
    told = [Event(i, 1, f"2026-01-01T00:00:{at:02d}.000Z", "phase", None, {"name": name}) for i, (name, at) in enumerate(times)]
    assert progress.phases(told, None) == [Phase("loading", 2.0), Phase("evaluating", 10.0), Phase("training", None)]
    assert progress.phases(told, "2026-01-01T00:00:40.000Z")[-1] == Phase("training", 28.0)
    assert progress.phases(told[:5], None)[-2:] == [Phase("training", 18.0), Phase("evaluating", None)]
