"""What a launch, a measurement or a download refuses before anything is queued, and the room it asks for."""

import json
import shutil
import sys
from collections import namedtuple
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine import hub, names, registry
from engine.errors import BadInput, NotFound, TryLater, WrongShape
from engine.jobs import room, submit, supervisor, work
from engine.jobs.reporter import RunReporter
from engine.methods import METHODS
from engine.methods.method import parse_settings
from engine.samples import pocket
from storage import db, events, models, runs
from storage.home import Home
from storage.records import Dataset, Model
from tests import filled


@pytest.fixture
def data(home: Home) -> dict[str, Dataset]:
    return filled.all_shapes(home)


@pytest.fixture
def base(home: Home) -> Model:
    return registry.register_folder(home, pocket.POCKET, "pocket", "test")


@pytest.fixture
def adapter(home: Home, base: Model, tmp_path: Path) -> Model:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 12, "lora_dropout": 0.25}))
    return models.insert(
        home, name="tuned", kind="adapter", path=str(folder), base_id=base.id, run_id=None, fingerprint="f", parameters=1000,
        bytes=4000, dtype="bfloat16", context=1024, license=None, template="own", source="test",
    )  # fmt: skip


def train(home: Home, model: Model, dataset: Dataset, method: str = "sft", **more: Any) -> Any:
    given: dict[str, Any] = {"settings": {}, **more}
    return submit.train(home, method=method, model=f"#{model.id}", dataset=f"#{dataset.id}", **given)


def settings(method: str = "sft", **more: object) -> Mapping[str, Any]:
    return vars(parse_settings(METHODS[method].settings, more))


def sized(model: Model, parameters: int, config: dict[str, int] | None = None, folder: Path | None = None) -> Model:
    if folder is not None:
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
    return replace(model, parameters=parameters, path=str(folder), dtype="bfloat16")


def test_full_tuning_asks_for_the_checkpoints_that_lie_there_at_once(base: Model) -> None:
    model = sized(base, 600_000_000)
    kept = room.needed(model, model, settings(tuning="full", checkpoints=9, keep_checkpoints=2))
    assert 3 * 7.2e9 < kept < 3 * 7.2e9 + 2e9
    assert room.needed(model, model, settings(tuning="full", checkpoints=9, keep_checkpoints=0)) > 10 * 7.2e9
    assert room.needed(model, model, settings(tuning="full", checkpoints=0)) < 1 * 7.2e9 + 2e9


def test_lora_on_a_large_model_asks_for_little(base: Model, tmp_path: Path) -> None:
    config = {"num_hidden_layers": 36, "hidden_size": 4096, "intermediate_size": 12288}
    model = sized(base, 8_200_000_000, config, tmp_path / "large")
    assert 1e9 < room.needed(model, model, settings(checkpoints=3, keep_checkpoints=2)) < 3e9


def test_full_tuning_of_an_adapter_asks_for_the_room_of_its_base(base: Model, adapter: Model) -> None:
    full = settings(tuning="full")
    assert room.needed(base, adapter, full) == room.needed(base, base, full) > 12 * base.parameters


def test_a_disk_that_is_too_small_is_told_before_the_launch(
    home: Home, base: Model, data: dict[str, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 300_000_000))
    assert train(home, base, data["messages"]).status == "queued"
    with pytest.raises(BadInput, match="keep fewer checkpoints"):
        train(home, base, data["messages"], settings={"tuning": "full"})


@pytest.mark.parametrize(
    ("settings", "start", "said"),
    [
        ({"fresh": True, "tuning": "lora"}, "base", "Set tuning to full"),
        ({"fresh": True, "tuning": "full"}, "adapter", "Start from its base"),
    ],
)
def test_random_weights_are_trained_in_full_and_from_no_adapter(
    home: Home, base: Model, adapter: Model, data: dict[str, Dataset], settings: dict[str, Any], start: str, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        train(home, {"base": base, "adapter": adapter}[start], data["text"], "pretrain", settings=settings)
    assert runs.page(home) == []


def test_a_run_that_continues_an_adapter_stores_that_one_s_rank(home: Home, adapter: Model, data: dict[str, Dataset]) -> None:
    stored = train(home, adapter, data["messages"], settings={"lora_rank": 64}).recipe.settings
    assert (stored["lora_rank"], stored["lora_alpha"], stored["lora_dropout"]) == (4, 12, 0.25)
    merged = train(home, adapter, data["messages"], settings={"lora_rank": 64, "tuning": "full"}).recipe.settings
    assert merged["lora_rank"] == 64


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused(home: Home, base: Model, data: dict[str, Dataset], seed: int) -> None:
    with pytest.raises(BadInput, match="seed takes"):
        train(home, base, data["messages"], seed=seed)


@pytest.mark.parametrize("name", ["a,b", "#7", "../out", "a@2", "x" * 81, "a\nb", ".."])
def test_a_name_that_means_something_else_is_refused(home: Home, base: Model, data: dict[str, Dataset], name: str) -> None:
    with pytest.raises(BadInput, match="cannot be the name"):
        train(home, base, data["messages"], name=name)
    with pytest.raises(BadInput, match="cannot be the name"):
        registry.register_folder(home, pocket.POCKET, name, "test")
    with pytest.raises(BadInput, match="cannot be the name"):
        submit.download(home, "owner/name", name)
    assert names.check(names.made_from(name), "a run")


def test_a_default_name_of_long_names_is_cut(home: Home, base: Model, data: dict[str, Dataset]) -> None:
    long = registry.register_folder(home, Path(shutil.copytree(pocket.POCKET, home.root / "w")), "x" * 80, "test")
    assert len(train(home, long, data["messages"]).name) == 80
    assert train(home, base, data["messages"]).name == "pocket-sft-support-questions"


def test_a_name_that_is_cut_keeps_its_ending() -> None:
    assert names.made_from("x" * 90, "-pairs") == "x" * 74 + "-pairs"
    assert names.made_from("road", "-a/b") == "road-a-b"
    assert names.made_from("road", "-" + "s" * 80) == "s" * 80
    assert names.made_from("x" * 73 + " y", "-pairs") == "x" * 73 + " -pairs"


def test_samples_that_cannot_be_drawn_are_refused_at_once(home: Home, base: Model, data: dict[str, Dataset]) -> None:
    asked = {"model": "pocket", "dataset": f"#{data['prompt'].id}", "name": "mine"}
    for change, error, said in (
        ({"dataset": f"#{data['preference'].id}"}, WrongShape, "Choose a data set of questions"),
        ({"answers": 0}, BadInput, "answers takes a whole number of at least 1"),
        ({"keep": "pairs", "answers": 1, "rewards": "ended"}, BadInput, "at least 2"),
        ({"keep": "some"}, BadInput, "keep takes all, best, pairs, not 'some'"),
        ({"keep": "best"}, BadInput, "name a reward such as check"),
        ({"rewards": "checked"}, BadInput, "there is no reward 'checked'"),
        ({"rewards": "number(column='total')"}, BadInput, "reads the column 'total'"),
        ({"rewards": "ended", "reward_code": "def reward(p, a, r): return 1"}, BadInput, "does not use python"),
        ({"rewards": "judge", "judge_address": "http://x/v1"}, BadInput, "set judge_address and judge, or neither"),
        ({"rewards": "judge", "judge_address": "x", "judge": "large"}, BadInput, "begins with http"),
        ({"reward_model": "no-such-model"}, BadInput, "Without a reward nothing uses reward_model"),
        ({"judge": "j", "judge_address": "http://x/v1"}, BadInput, "nothing uses judge_address and judge"),
        ({"rewards": "ended", "least": 0.5}, BadInput, "least is 0.5, and to keep all takes no notice of it"),
        ({"sampling": {"stop": ["."]}}, BadInput, "sampling has 'stop'; it takes seed, temperature, top_p, max_tokens"),
        ({"sampling": {"temperature": 0.0}}, BadInput, "all 4 answers to a prompt are the same"),
    ):
        with pytest.raises(error, match=said):
            submit.sample(home, **{**asked, **change})
    assert runs.page(home) == []
    assert submit.sample(home, **asked, rewards="ended", keep="best", limit=10**6).request["limit"] == data["prompt"].rows


def test_a_measurement_that_cannot_be_made_is_refused_at_once(home: Home, base: Model, data: dict[str, Dataset]) -> None:
    held_out = f"#{data['prompt'].id}"
    for change, error, said in (
        ({"against": "pocket"}, BadInput, "against itself"),
        ({"dataset": f"#{data['preference'].id}"}, WrongShape, "Choose a data set of questions"),
        ({"max_tokens": 0}, BadInput, "max_tokens"),
        ({"limit": 0}, BadInput, "limit"),
    ):
        with pytest.raises(error, match=said):
            submit.measure(home, **{"model": "pocket", "dataset": held_out, **change})
    assert runs.page(home) == []
    assert submit.measure(home, model="pocket", dataset=held_out, max_tokens=9).request["max_tokens"] == 9


def test_a_hub_model_that_is_registered_is_given_back_and_not_fetched_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    there = registry.register_folder(
        home, Path(shutil.copytree(pocket.POCKET, hub.folder_of(home, "lab/whole"))), "mine", "lab/whole"
    )
    for name in ("look_up", "download"):
        monkeypatch.setattr(hub, name, lambda *_: pytest.fail("the hub was asked"))
    run = submit.download(home, "lab/whole", name="again")
    home.run(run.id).mkdir()
    reporter = RunReporter(home, run.id)
    outcome = work.download(home, run, reporter)
    reporter.close()
    assert outcome.summary["model_id"] == there.id
    assert "here already, as mine" in events.of_run(home, run.id, "log")[0].body["text"]


def test_a_hub_model_gets_the_name_that_was_asked_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(home: Home, id: str, *_: object) -> Path:
        return Path(shutil.copytree(pocket.POCKET, hub.folder_of(home, id)))

    monkeypatch.setattr(hub, "download", fetch)
    monkeypatch.setattr(hub, "look_up", lambda *_: namedtuple("offer", "license")("mit"))
    run = submit.download(home, "lab/whole", name="my own")
    home.run(run.id).mkdir()
    reporter = RunReporter(home, run.id)
    assert work.download(home, run, reporter).summary["model"] == "my own"
    reporter.close()


def test_an_engine_that_cannot_start_is_told_with_the_log_to_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(TryLater, match=r"could not be started.*engine\.log"):
        supervisor.ensure(home)


def test_a_run_is_named_by_its_number_or_its_name_of_which_the_newest_is_meant(
    home: Home, base: Model, data: dict[str, Dataset]
) -> None:
    made = [
        submit.train(home, method="sft", model="pocket", dataset="support-questions", settings={}, name="twice") for _ in range(2)
    ]
    assert submit.number(home, "twice") == made[1].id
    assert submit.number(home, f"#{made[0].id}") == submit.number(home, str(made[0].id)) == made[0].id
    for unknown in ("thrice", "#999", "999"):
        with pytest.raises(NotFound, match="There is no run"):
            submit.number(home, unknown)


def test_a_row_may_not_be_longer_than_the_model_takes(base: Model, data: dict[str, Dataset]) -> None:
    assert submit.check(METHODS["sft"], data["messages"], {"max_length": 1024}, base)["max_length"] == 1024
    small = replace(base, context=128)
    assert submit.check(METHODS["sft"], data["messages"], {}, small)["max_length"] == 128  # a default is lowered to it
    with pytest.raises(BadInput, match="max_length is 256, and pocket takes 128 tokens"):
        submit.check(METHODS["sft"], data["messages"], {"max_length": 256}, small)
    with pytest.raises(BadInput, match="max_length is 1,025, and pocket takes 1,024 tokens"):
        submit.check(METHODS["sft"], data["messages"], {"max_length": 1025}, base)


def test_a_folder_that_cannot_be_written_is_told_in_words(home: Home, base: Model) -> None:
    with pytest.raises(BadInput, match=r"/proc/nowhere/model cannot be written \(No such file or directory\)"):
        registry.export(home, base, Path("/proc/nowhere/model"))


def test_a_resumed_run_that_waits_is_stopped_in_other_words_than_one_that_never_began(
    home: Home, base: Model, data: dict[str, Dataset]
) -> None:
    run = submit.train(home, method="sft", model="pocket", dataset="support-questions", settings={})
    assert submit.stop(home, run.id).reason == "Stopped before it began."
    submit.resume(home, run.id)
    with db.transaction(home) as connection:
        connection.execute("UPDATE run SET attempt = 1 WHERE id = ?", (run.id,))
    assert submit.stop(home, run.id).reason == "Stopped while it waited to go on."


def test_what_a_run_makes_takes_no_name_that_stands_for_other_data(pocket: Home) -> None:
    for refused in ("pocket-sums", "pocket-preferences"):
        with pytest.raises(BadInput, match=f"There is a data set {refused} already"):
            submit.sample(pocket, model="pocket", dataset="pocket-sums", name=refused)
    assert submit.sample(pocket, model="pocket", dataset="pocket-sums", name="of-my-own").kind == "sample"


def test_an_answer_longer_than_the_model_takes_is_refused(pocket: Home) -> None:
    with pytest.raises(BadInput, match="max_answer is 100,000, and pocket takes 1,024 tokens"):
        submit.train(pocket, method="grpo", model="pocket", dataset="pocket-sums", settings={"max_answer": 100_000})


def test_a_default_length_of_prompts_leaves_room_for_the_answer(base: Model, data: dict[str, Dataset]) -> None:
    small = replace(base, context=128)

    def length(**given: Any) -> int:
        return submit.check(METHODS["grpo"], data["prompt"], {"batch_size": 8, **given}, small)["max_length"]

    assert (length(), length(max_answer="100"), length(max_answer=100, max_length=128)) == (64, 28, 128)
    assert submit.check(METHODS["rejection"], data["prompt"], {}, small)["max_length"] == 64
    assert submit.check(METHODS["grpo"], data["prompt"], {"batch_size": 8}, base)["max_length"] == 512
    with pytest.raises(BadInput, match="max_answer is 121, and pocket takes 128 tokens, the prompt among them"):
        length(max_answer=121)


def test_a_loss_whose_settings_do_not_fit_it_is_refused_before_it_is_queued(
    home: Home, base: Model, data: dict[str, Dataset]
) -> None:
    with pytest.raises(BadInput, match="loss is exo_pair"):
        train(home, base, data["preference"], "dpo", settings={"loss": "exo_pair"})
    assert runs.page(home) == []


def test_prompts_with_tools_are_refused_where_nothing_could_call_them(pocket: Home) -> None:
    with pytest.raises(BadInput, match="come with tools"):
        submit.train(pocket, method="rloo", model="pocket", dataset="pocket-tool-questions", settings={})
    assert submit.train(pocket, method="grpo", model="pocket", dataset="pocket-tool-questions", settings={}).status == "queued"
