"""Files of every kind and encoding are read; where one cannot be, the place is named."""

import csv
import gzip
import io
import json
from pathlib import Path

import polars as pl
import pytest

from engine.data import curate
from engine.errors import UnreadableFile, WrongShape

ROWS = [
    {"question": "Où?", "answer": 'Là, "vite"'},
    {"question": "Two\nlines?", "answer": "Yes\nno; |\tmaybe"},
    {"question": "3?", "answer": "3"},
]
READ = [{"prompt": row["question"], "completion": row["answer"]} for row in ROWS]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def as_csv(separator: str = ",", end: str = "\r\n") -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=end)
    writer.writerows([["question", "answer"], *([row["question"], row["answer"]] for row in ROWS)])
    return text.getvalue()


def as_parquet() -> bytes:
    held = io.BytesIO()
    pl.DataFrame(ROWS).write_parquet(held)
    return held.getvalue()


FILES = {
    "a.jsonl": LINES.encode(),
    "without-end.jsonl": LINES.rstrip().encode(),
    "windows.jsonl": LINES.replace("\n", "\r\n").encode(),
    "blank-lines.jsonl": LINES.replace("\n", "\n\n  \n").encode(),
    "mark.jsonl": LINES.encode("utf-8-sig"),
    "utf-16.jsonl": LINES.encode("utf-16"),
    "utf-16-be.jsonl": b"\xfe\xff" + LINES.encode("utf-16-be"),
    "packed.jsonl.gz": gzip.compress(LINES.encode()),
    "lines.json": LINES.encode(),
    "lines": LINES.encode(),
    "list.json": json.dumps(ROWS).encode(),
    "pretty.json": json.dumps(ROWS, indent=2).encode(),
    "list.jsonl": json.dumps(ROWS).encode(),
    "objects.jsonl": "\n".join(json.dumps(row, indent=2) for row in ROWS).encode(),
    "objects.json": ",\n".join(json.dumps(row, indent=2) for row in ROWS).encode(),
    "wrapped.json": json.dumps({"version": "1", "data": ROWS}).encode(),
    "columns.json": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}).encode(),
    "utf-16.json": json.dumps(ROWS, ensure_ascii=False).encode("utf-16"),
    "a.csv": as_csv().encode(),
    "mark.csv": as_csv().encode("utf-8-sig"),
    "utf-16.csv": as_csv("\t").encode("utf-16"),
    "semicolons.csv": as_csv(";").encode(),
    "bars.csv": as_csv("|", "\n").encode(),
    "a.tsv": as_csv("\t", "\n").encode(),
    "packed.csv.gz": gzip.compress(as_csv().encode()),
    "blank-lines.csv": b"\n\n" + as_csv(end="\n\n").encode(),
    "a.parquet": as_parquet(),
    "no-ending": as_parquet(),
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_rows_are_the_same_data_whatever_file_they_come_in(name, drafted, tmp_path: Path, jsonl):
    (tmp_path / name).write_bytes(FILES[name])
    draft = drafted(tmp_path / name)
    assert draft.kept == READ
    assert draft.sha256 == drafted(jsonl(*ROWS)).sha256


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jsonl", b"", "empty.jsonl is empty"),
        ("blank.csv", b" \n\n", "blank.csv is empty"),
        ("header.csv", b"question,answer\n", "header.csv holds no rows"),
        ("none.json", b"[]", "none.json holds no rows"),
        ("double.csv", b"answer,answer\n1,2\n", "two columns called 'answer'"),
        ("open.csv", b'question,answer\na,b\nc,"d\ne,f\n', "a quotation mark opened in the row of line 3 is not closed"),
        ("latin.csv", "fr\u00e4ge,antwort\n1,2\n".encode("cp1252"), "line 1: Byte 3, 0xE4, is not UTF-8 (in Windows-1252 it would be 'ä')"),
        ("broken.json", b'[{"question": "a", "answer": "b"},\n {"question" "c"}]', "line 2, character 14: Expecting ':' delimiter"),
        ("oneline.json", b'[{"question": "a", "answer": "b"}, {"question" "c"}]', "line 1, character 48: Expecting ':' delimiter"),
        ("cut.json", b'[{"question": "a", "answer": "b"},\n', "cut.json is not JSON: line 2, character 1: Expecting value"),
        ("comma.json", b'[{"question": "a", "answer": "b"}\n {"question": "c"}]', "line 2, character 2: a comma or the end of the list is missing"),
        ("more.json", b'[{"question": "a", "answer": "b"}]\n]', "line 2, character 1: something follows after the end"),
        ("prose.json", b"Dear all,", "prose.json is not JSON: line 1, character 1"),
        ("uneven.json", b'{"question": ["a", "b"], "answer": ["c"]}', "columns of different lengths: `question` 2, `answer` 1"),
        ("zeros.txt", b"ab\0cdefgh", "zeros.txt is not text: byte 3 is zero. Give a text file"),
        ("wide.txt", "ab".encode("utf-16-le"), "wide.txt is not text: byte 2 is zero. If it is UTF-16 without its mark"),
        ("noise.parquet", b"x\0yzabc", "no Parquet file either, or a damaged one"),
        ("wide.jsonl", "{}".encode("utf-32"), "written in UTF-32"),
        ("odd.jsonl", b'\xff\xfe{\0"\0a', "odd.jsonl begins like UTF-16 but does not go on so"),
        ("book.xlsx", b"PK\x03\x04....", "is a zip archive or an office document"),
        ("paper.txt", b"%PDF-1.7", "is a PDF document"),
        ("a.parquet", b"PAR1" + b"x" * 50, "a.parquet is not a whole Parquet file"),
        ("cut.parquet", as_parquet()[:-30], "cut.parquet is not a whole Parquet file"),
        ("cut.jsonl.gz", gzip.compress(LINES.encode())[:-12], "cut.jsonl.gz"),
        ("what.bin", b"hello", "what.bin is of no known kind. Choose a file called .json, .jsonl, .csv"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_gives_one_error_that_says_where(name, content, message, drafted, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFile) as told:
        drafted(tmp_path / name)
    assert message in str(told.value)


@pytest.mark.parametrize(("path", "message"), [(".", "is a folder"), ("missing.jsonl", "There is no file")])
def test_a_path_that_is_no_file_is_refused(path, message, home, tmp_path: Path):
    with pytest.raises(UnreadableFile, match=message):
        curate.open_draft(tmp_path / path, home=home)


def test_a_csv_of_one_column_is_refused_with_what_can_be_done(drafted, tmp_path: Path):
    (tmp_path / "one.csv").write_text("notes\na\nb\n")
    with pytest.raises(WrongShape, match="one column, `notes`.*call the column `text`.*parted by another sign"):
        drafted(tmp_path / "one.csv")


def test_a_csv_of_one_column_of_text_is_text(drafted, tmp_path: Path):
    (tmp_path / "one.csv").write_text("text\nOnce.\n")
    assert drafted(tmp_path / "one.csv").kept == [{"text": "Once."}]


def test_rows_of_a_csv_are_numbered_by_the_line_they_begin_on(drafted, tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(b'\nquestion,answer\na,"b\nb"\n\nc\nd,"e"f\ng,h,i\nj,\xe9\nk,\nl,m\n')
    draft = drafted(tmp_path / "a.csv")
    told = draft.problems
    assert told.keys() == {6, 7, 8, 9, 10}
    assert told[6] == "The row has 1 values, but the header has 2 columns."
    assert told[7].startswith("Not CSV")
    assert told[8] == "The row has 3 values, but the header has 2 columns."
    assert told[9].startswith("Line 9: Byte 3, 0xE9, is not UTF-8")
    assert told[10] == "`answer` is missing."
    assert [row["prompt"] for row in draft.kept] == ["a", "l"]


def test_a_line_in_another_encoding_is_named_by_line_and_byte(drafted, tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(b'{"question": "a", "answer": "b"}\n{"question": "\xc3\xa9", "answer": "caf\xe9"}\n')
    draft = drafted(tmp_path / "a.jsonl")
    assert draft.problems == {2: "Byte 34, 0xE9, is not UTF-8 (in Windows-1252 it would be 'é'). Save the file as UTF-8."}


def test_a_value_in_another_encoding_is_named_by_its_place_in_the_list(drafted, tmp_path: Path):
    (tmp_path / "a.json").write_bytes(b'[{"question": "a", "answer": "b"}, {"question": "c", "answer": "\xe9"}]')
    ((row, message),) = drafted(tmp_path / "a.json").problems.items()
    assert (row, message[:14]) == (2, "Byte 30, 0xE9,")


def test_a_long_list_is_read_through_a_window(drafted, tmp_path: Path):
    rows = [{"question": f"{i} " + "é" * (i % 4000), "answer": str(i)} for i in range(2000)]
    (tmp_path / "a.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    assert drafted(tmp_path / "a.json").kept == [{"prompt": row["question"], "completion": row["answer"]} for row in rows]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_fault_far_into_a_list_is_named_by_its_line_and_character(indent, drafted, tmp_path: Path):
    good = json.dumps([{"question": "a" * 900_000, "answer": "b"}] * 3, indent=indent)
    (tmp_path / "a.json").write_text(good[:-1] + ', {"question" "c"}]')
    before = good[:-1] + ', {"question" '
    line, character = before.count("\n") + 1, len(before) - before.rfind("\n")
    with pytest.raises(UnreadableFile, match=rf"line {line}, character {character}: Expecting ':' delimiter"):
        drafted(tmp_path / "a.json")


def test_one_object_is_one_row(drafted, tmp_path: Path):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    (tmp_path / "a.json").write_text(json.dumps({"messages": turns}, indent=1))
    assert drafted(tmp_path / "a.json").kept == [{"messages": turns}]


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "validation"), ("validation", "test")])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_file_of_several_parts_is_refused_with_their_names(parts, rows, drafted, tmp_path: Path):
    path = tmp_path / "split.json"
    row = {"prompt": "Hi", "completion": "Hello"}
    path.write_text(json.dumps({parts[0]: [row] * 2, parts[1]: [row] * rows}))
    with pytest.raises(UnreadableFile, match=rf"`{parts[0]}` 2, `{parts[1]}` {rows}.*a file of its own"):
        drafted(path)


def test_a_part_without_rows_does_not_keep_the_other_out(drafted, tmp_path: Path):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"train": [{"prompt": "Hi", "completion": "Hello"}], "test": []}))
    assert drafted(path).good == 1


def test_a_list_of_conversations_under_data_is_not_taken_for_one_conversation(drafted, tmp_path: Path):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    (tmp_path / "a.json").write_text(json.dumps({"data": [{"messages": turns}] * 3}))
    assert drafted(tmp_path / "a.json").rows == 3


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.txt", "One.\nStill one.\n\n\nTwo.\n", [(1, "One.\nStill one."), (5, "Two.")]),
        ("lines.txt", "One.\nTwo.\n", [(1, "One."), (2, "Two.")]),
        ("single.txt", "One.", [(1, "One.")]),
        ("windows.txt", "One.\r\n\r\nTwo.", [(1, "One."), (3, "Two.")]),
        ("ends.txt", "One.\n\nStill.\n<|endoftext|>\nTwo.<|endoftext|>Three.", [(1, "One.\n\nStill."), (5, "Two."), (5, "Three.")]),
        ("pages.txt", "One.\n\nStill.\fTwo.", [(1, "One.\n\nStill."), (3, "Two.")]),
        ("a.md", "Intro.\n\n# A\n\ntext\n\n## B\nmore\n", [(1, "Intro."), (3, "# A\n\ntext"), (7, "## B\nmore")]),
        ("titles.md", "# A\n\n## B\nmore\n# C\n", [(1, "# A\n\n## B\nmore"), (5, "# C")]),
        ("code.md", "# A\n```\n# not a heading\n```\n#hashtag\n", [(1, "# A\n```\n# not a heading\n```\n#hashtag")]),
    ],
)  # fmt: skip
def test_plain_text_is_cut_into_passages(name, content, texts, drafted, tmp_path: Path):
    from engine.data import reading

    (tmp_path / name).write_bytes(content.encode())
    assert [(found.row, found.value["text"].replace("\r", "")) for found in reading.rows(tmp_path / name)] == texts
    draft = drafted(tmp_path / name)
    assert (draft.shape, draft.good) == ("text", len(texts))


def test_a_passage_in_another_encoding_is_named_by_its_line(drafted, tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"One.\n\nTwo\ncaf\xe9.\n\nThree.")
    draft = drafted(tmp_path / "a.txt")
    assert (list(draft.problems), draft.good) == ([3], 2)
    assert draft.problems[3].startswith("Line 4: Byte 4, 0xE9, is not UTF-8")


def test_conversations_in_cells_of_a_csv_are_read(drafted, tmp_path: Path):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["messages"], [json.dumps(turns)]])
    assert drafted(tmp_path / "a.csv").kept == [{"messages": turns}]


def test_parquet_with_damaged_pages_is_refused(drafted, tmp_path: Path):
    content = bytearray(as_parquet())
    content[60:120] = b"\0" * 60
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(UnreadableFile, match="a.parquet is not a whole Parquet file"):
        drafted(tmp_path / "a.parquet")


def test_dates_and_nulls_in_parquet_come_in_as_text_and_nothing(drafted, tmp_path: Path):
    from datetime import date

    pl.DataFrame({"prompt": ["a", "b"], "day": [date(2026, 1, 2), None], "score": [1, None]}).write_parquet(
        tmp_path / "a.parquet"
    )
    assert drafted(tmp_path / "a.parquet").kept == [
        {"prompt": "a", "day": "2026-01-02", "score": 1},
        {"prompt": "b", "day": None, "score": None},
    ]


def test_a_row_of_parquet_that_is_not_a_number_is_named(drafted, tmp_path: Path):
    pl.DataFrame({"prompt": ["a", "b"], "score": [1.0, float("nan")]}).write_parquet(tmp_path / "a.parquet")
    draft = drafted(tmp_path / "a.parquet")
    assert draft.problems == {2: "`score` is nan, not a number that can be used."}
