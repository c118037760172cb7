"""`arena` on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine import __main__ as command_line
from storage.home import Home


@pytest.fixture
def battles(tmp_path: Path) -> Path:
    """Twenty battles: ``b`` beats ``a`` in most, ``c`` and ``d`` never met the others."""
    rows = [
        {"model_a": "a", "model_b": "b", "winner": "model_b" if i % 8 else "model_a", "judge": f"j{i % 2}"} for i in range(16)
    ]
    rows += [{"model_a": "c", "model_b": "d", "winner": winner} for winner in ("tie", "model_a", "model_b", "tie (bothbad)")]
    file = tmp_path / "battles.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def run(home: Home, printed: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = command_line.main(["--home", str(home.root), "arena", *words])
    told = printed.readouterr()
    return code, told.out, told.err


def test_a_file_of_battles_is_ranked_with_what_it_does_not_tell(
    pocket: Home, capsys: pytest.CaptureFixture[str], battles: Path
) -> None:
    code, out, _ = run(pocket, capsys, "rank", str(battles), "--anchor", "a", "--elo")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[1] == "group 1, which met no other:".split() and lines[4] == "group 2, which met no other:".split()
    assert (lines[2][0], lines[2][-1]) == ("1", "b") and (lines[3][1], lines[3][-1]) == ("1000", "a")
    assert "surely ahead" in out.splitlines()[2], "14 of 16"
    assert "never met, not even through others" in out and "group 1: a, b; group 2: c, d." in out
    assert "The anchor a holds for its own group" in out
    assert "even" in lines[5], "there is nothing to decide"
    assert "Elo of b" in out
    _, out, _ = run(pocket, capsys, "rank", str(battles), "--json", "--labeller", "j1")
    told: Any = json.loads(out)
    assert told["battles"] == 8 and {each["name"] for each in told["standings"]} == {"a", "b"}
    _, out, _ = run(pocket, capsys, "rank", str(battles), "--json")
    told = json.loads(out)
    points = {(each["one"], each["other"]): each["points"] for each in told["differences"]}
    assert points["a", "c"] is None and points["b", "a"]["low"] > 0 and len(points) == 12
    assert (told["votes"], told["groups"], {each["group"] for each in told["standings"]}) == (
        20,
        [["a", "b"], ["c", "d"]],
        {1, 2},
    )
    _, out, _ = run(pocket, capsys, "votes", str(battles))
    assert "b against a: 14 of 16 (88%)" in out and "c against d: 2 of 4 (50%)" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [(("rank", "nothing"), "There is no project nothing"), (("rank", "{file}", "--anchor", "x"), "x has no votes yet"),
     (("rank", "{file}", "--labeller", "nobody"), "of all labellers and topics there are 20"), (("export", "nothing", "x.csv"), "no project")],
)  # fmt: skip
def test_what_cannot_be_ranked_is_told_so(
    pocket: Home, capsys: pytest.CaptureFixture[str], battles: Path, words: tuple[str, ...], said: str
) -> None:
    code, _, err = run(pocket, capsys, *(word.format(file=battles) for word in words))
    assert code == 2 and said in err


def test_battles_come_in_as_pairs_to_label_and_go_out_again(
    pocket: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def told(text: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": text}]

    row = {
        "model_a": "x",
        "model_b": "y",
        "winner": "model_a",
        "judge": "ann",
        "conversation_a": told("one"),
        "conversation_b": told("two"),
    }
    (tmp_path / "in.jsonl").write_text(json.dumps(row) + "\n")
    assert "1 pairs and 1 votes from 1 battles" in run(pocket, capsys, "import", "fights", str(tmp_path / "in.jsonl"))[1]
    assert run(pocket, capsys, "export", "fights", str(tmp_path / "out.jsonl"))[0] == 0
    out = json.loads((tmp_path / "out.jsonl").read_text())
    assert {name: out[name] for name in row} == row
    code, _, err = run(pocket, capsys, "export", "fights", str(tmp_path / "out.jsonl"))
    assert code == 2 and "is there already" in err
