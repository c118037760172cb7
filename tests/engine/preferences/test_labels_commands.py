"""`labels` on the command line: what a person or a script does from pairs to a data set."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine import __main__ as command_line
from storage.home import Home


class Shell:
    """The command line over a home, in this process."""

    def __init__(self, home: Home, printed: pytest.CaptureFixture[str]) -> None:
        self.home, self.printed = home, printed

    def run(self, *words: str) -> tuple[int, str, str]:
        """Exit code, output, errors."""
        code = command_line.main(["--home", str(self.home.root), "labels", *words])
        told = self.printed.readouterr()
        return code, told.out, told.err

    def json(self, *words: str) -> Any:
        code, out, err = self.run(*words, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def shell(pocket: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    """A project of ten pairs."""
    made = Shell(pocket, capsys)
    (tmp_path / "pairs.jsonl").write_text(
        "".join(json.dumps({"prompt": f"{i}?", "first": "a", "second": f"b {i}"}) + "\n" for i in range(10))
    )
    (tmp_path / "how.md").write_text("Be kind.")
    made.run("create", "tone", "--instructions", str(tmp_path / "how.md"), "--criterion", "helpful", "--set", "overlap=0")
    made.run("settings", "tone", "--set", "repeats=0", "--set", "gold=0")
    assert made.json("import", "tone", str(tmp_path / "pairs.jsonl"))["pairs"] == 10
    return made


def token(shell: Shell, labeller: str = "anna") -> str:
    return shell.json("queue", "tone", "--labeller", labeller)[0]["token"]


def test_from_pairs_to_a_data_set(shell: Shell, tmp_path: Path) -> None:
    for _ in range(10):
        shell.json("vote", token(shell), "left", "--strength", "2", "--criterion", "helpful=right", "--reason", "so")
    assert shell.json("queue", "tone", "--labeller", "anna") == []
    listed = shell.json("list")[0]
    assert (listed["name"], listed["pairs"], listed["done"], listed["votes"]) == ("tone", 10, 10, 10)
    code, out, _ = shell.run("freeze", "tone", "--name", "tone-pairs", "--margin", "strength", "--held-out", "0.2")
    assert code == 0 and "tone-pairs@1 with 8 rows, and tone-pairs-held-out@1 with 2" in out and "Be kind." in out
    assert shell.json("export", "tone", str(tmp_path / "out.json"), "--layout", "argilla")["rows"] == 10


def test_undo_gold_and_decide(shell: Shell) -> None:
    first = shell.json("vote", token(shell), "left")
    assert shell.json("undo", "tone", "--labeller", "anna")["token"] == first["token"]
    assert shell.run("undo", "tone", "--labeller", "anna")[0] == 2
    pair = str(first["pair_id"])
    assert shell.run("gold", "tone", pair, "first")[0] == 0
    assert shell.json("list")[0]["gold"] == 1
    assert shell.run("gold", "tone", pair, "none")[0] == 0
    assert shell.json("decide", "tone", pair, "tie", "--labeller", "boss")["choice"] == "tie"


def test_agreement_is_told_for_people_and_machines(shell: Shell) -> None:
    shell.run("settings", "tone", "--set", "overlap=1", "--set", "raters=2")
    for labeller in ("anna", "ben"):
        for choice in ("left", "tie", "right"):
            shell.run("vote", token(shell, labeller), choice)
    code, out, _ = shell.run("agreement", "tone")
    assert code == 0 and "Krippendorff's alpha" in out and "Cohen's kappa, anna and ben" in out
    assert {each["name"] for each in shell.json("agreement", "tone")["labellers"]} == {"anna", "ben"}


def test_the_order_is_of_chance_or_of_what_judges_disagree_on(shell: Shell) -> None:
    assert shell.json("order", "tone", "--by", "chance") == {"moved": 0}
    code, _, err = shell.run("order", "tone", "--by", "judges")
    assert code == 2 and "was judged by the judges" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("queue", "gone", "--labeller", "anna"), "There is no project gone. There is: tone."),
        (("create", "tone"), "There is a project tone already"),
        (("create", "new", "--set", "overlap=2"), "overlap takes a share from 0 to 1"),
        (("create", "new", "--set", "raters=x"), "raters takes a number, not 'x'"),
        (("create", "new", "--set", "what=1"), "There is no setting 'what'"),
        (("gold", "tone", "999", "first"), "There is no pair 999 in tone"),
        (("import", "tone"), "Name either a file or, with --data, a data set"),
        (("import", "tone", "/gone.json"), "There is no file"),
        (("freeze", "tone", "--name", "x"), "No pair of tone has an outcome"),
        (("queue", "tone", "--labeller", "a/b"), "cannot be the name of a labeller"),
        (("sample", "tone", "--model", "gone", "--data", "pocket-sums"), "gone"),
        (
            ("sample", "tone", "--model", "pocket", "--data", "pocket-sums", "--temperature", "0"),
            "both answers to a prompt are the same",
        ),
        (("judge", "tone", "--address", "x", "--judge", "y"), "begins with http"),
        (("order", "tone", "--by", "pocket"), "is no reward model"),
    ],
)
def test_what_cannot_be_ends_with_two_and_one_sentence(shell: Shell, words: tuple[str, ...], said: str) -> None:
    code, _, err = shell.run(*words)
    assert (code, said in err) == (2, True), err
    assert "Traceback" not in err


def test_a_vote_on_a_token_of_nothing_stores_nothing(shell: Shell) -> None:
    code, _, err = shell.run("vote", "0" * 32, "left")
    assert code == 1 and "nothing was stored" in err
    assert shell.json("list")[0]["votes"] == 0


def test_settings_are_shown_and_changed(shell: Shell) -> None:
    before = shell.json("settings", "tone")["settings"]
    assert (before["instructions"], before["criteria"], before["overlap"], before["gold"]) == ("Be kind.", ["helpful"], 0, 0)
    after = shell.json("settings", "tone", "--set", "raters=3", "--set", "strength=false")["settings"]
    assert after == before | {"raters": 3, "strength": False}
    assert shell.json("settings", "#1")["settings"] == after


def test_projects_are_listed_with_how_far_they_are(shell: Shell) -> None:
    shell.run("create", "second")
    shell.json("vote", token(shell), "tie")
    code, out, _ = shell.run("list")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert ["#2", "second", "0", "0", "0", "0"] in rows and ["#1", "tone", "10", "1", "1", "0"] in rows


def test_what_is_exported_comes_into_another_project(shell: Shell, tmp_path: Path) -> None:
    for choice in ("left", "right", "tie"):
        shell.json("vote", token(shell), choice)
    file = str(tmp_path / "out.jsonl")
    assert shell.json("export", "tone", file)["rows"] == 10
    code, _, err = shell.run("export", "tone", file)
    assert code == 2 and "is there already, and nothing was written" in err
    code, out, _ = shell.run("import", "other", file)
    assert code == 0 and "other: 10 pairs and 3 votes, from 10 rows of Temper's own export" in out
    assert "known before: 10 pairs, 3 votes" in shell.run("import", "other", file)[1]


def test_rows_that_cannot_be_used_are_named(shell: Shell, tmp_path: Path) -> None:
    rows = [{"prompt": "x?", "first": "a", "second": i if i < 25 else "b"} for i in range(26)]
    file = tmp_path / "bad.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _ = shell.run("import", "tone", str(file))
    assert code == 0 and "1 pairs and 0 votes, from 26 rows" in out
    assert "row 1: second is int, not a text." in out and "and 5 more rows that could not be used" in out


def test_a_frozen_data_set_comes_into_a_project(shell: Shell) -> None:
    for _ in range(10):
        shell.json("vote", token(shell), "left")
    code, out, _ = shell.run("freeze", "tone", "--name", "tone-pairs", "--held-out", "0")
    assert code == 0 and out.startswith("tone-pairs@1 with 10 rows\n")
    brought = shell.json("import", "again", "--data", "tone-pairs")
    assert (brought["pairs"], brought["votes"], brought["layout"]) == (10, 10, "preference")
    again = shell.json("import", "again", "--data", "tone-pairs")
    assert (again["pairs"], again["known_pairs"], again["votes"], again["known_votes"]) == (0, 10, 0, 10)


def test_judges_put_first_what_they_are_least_sure_of(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "judged.jsonl"
    rows = [
        {"instruction": f"{i}?", "output_1": "a", "output_2": f"b {i}", "annotator": "j", "preference": 1 + i / 20}
        for i in range(10)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert shell.json("import", "tone", str(file))["known_pairs"] == 10
    assert shell.json("order", "tone", "--by", "judges", "--control", "0", "--share", "0.5") == {"uncertain": 5, "random": 0}
    seen = []
    for _ in range(5):
        first = shell.json("queue", "tone", "--labeller", "anna")[0]
        seen.append(first["prompt"][0]["content"])
        shell.json("vote", first["token"], "left")
    assert seen == [f"{i}?" for i in (9, 8, 7, 6, 5)]
    assert shell.json("order", "tone", "--by", "chance") == {"moved": 0}
    code, out, _ = shell.run("agreement", "tone")
    assert code == 0 and "j says what people say" in out


def test_the_same_token_twice_is_one_vote_and_a_vote_that_cannot_be_is_none(shell: Shell, tmp_path: Path) -> None:
    given = token(shell)
    (tmp_path / "better.txt").write_text("better")
    for words in (("--criterion", "kind=left"), ("--criterion", "helpful=up"), ("--edited", str(tmp_path / "gone.txt"))):
        code, _, err = shell.run("vote", given, "left", *words)
        assert code == 2 and err and "Traceback" not in err
    first = shell.json("vote", given, "left", "--edited", str(tmp_path / "better.txt"))
    assert (first["edited"], first["source"]) == ("better", "command")
    assert shell.json("vote", given, "right") == first
    assert shell.json("list")[0]["votes"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ("create", "new", "--set", "strength=maybe"),
        ("queue", "#\u00b2", "--labeller", "anna"),
        ("queue", "#99999999999999999999", "--labeller", "anna"),
        ("gold", "tone", "99999999999999999999", "first"),
        ("decide", "tone", "99999999999999999999", "first", "--labeller", "boss"),
        ("decide", "tone", "1", "first", "--labeller", "boss", "--reason", "half \udcff"),
    ],
)
def test_odd_words_end_with_two_and_one_sentence_and_store_nothing(shell: Shell, words: tuple[str, ...]) -> None:
    code, _, err = shell.run(*words)
    assert code == 2 and err.strip() and "Traceback" not in err
    listed = shell.json("list")
    assert [(p["name"], p["gold"], p["votes"]) for p in listed] == [("tone", 0, 0)]
