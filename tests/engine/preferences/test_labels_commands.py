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
