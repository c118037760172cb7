"""Two ways of searching as one list, what cannot be asked for, and how well questions find their answers."""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.commands import index as commands
from engine.data import curate
from engine.errors import BadInput
from engine.retrieval import documents, indexes, measure, search
from storage.home import Home
from storage.records import Index, Passage

FACTS = ("The mill opens at nine.", "Otters sleep in the reeds.", "The ferry costs two coins.")


@pytest.fixture
def filled(home: Home, index: Index) -> Index:
    indexes.update(home, index, [documents.of_text(f"fact {i}", text) for i, text in enumerate(FACTS)])
    return indexes.find(home, index.name)


def test_what_both_ways_find_comes_before_what_one_finds_first() -> None:
    found = search.fused([(1, 9.0), (2, 8.0)], [(3, 0.9), (2, 0.8)])
    assert [(p.id, p.words_rank, p.meaning_rank) for p in found] == [(2, 2, 2), (1, 1, None), (3, None, 1)]
    assert found[0].score == pytest.approx(2 / 62) and found[1].score == pytest.approx(1 / 61)
    assert [(p.id, p.score) for p in search.fused([(1, 9.0), (2, 8.0)], [], "words")] == [(1, 9.0), (2, 8.0)]
    assert search.fused([], []) == []


def test_each_query_has_its_own_hits_and_one_without_words_has_none(home: Home, filled: Index) -> None:
    found = search.search(home, filled, ["When does the mill open?", " ", "ferry coins"], 1)
    assert [[hit.passage.document for hit in hits] for hits in found] == [["fact 0"], [], ["fact 2"]]
    assert found == [search.search(home, filled, [q], 1)[0] for q in ("When does the mill open?", " ", "ferry coins")]
    assert len(search.search(home, filled, ["mill"], 50)[0]) == 3, "by meaning there is always something near"


@pytest.mark.parametrize("query", ['"', "*", "NEAR(mill", "text:mill", "mill OR", "^", "\0", "mill " * 30_000, "\ud800 mill"])
@pytest.mark.parametrize("by", search.WAYS)
def test_any_text_can_be_asked(home: Home, filled: Index, by: str, query: str) -> None:
    hits = search.search(home, filled, [query], 3, by=by)[0]
    assert len(hits) <= 3 and (by == "meaning" or "mill" not in query or hits[0].passage.document == "fact 0")


def test_what_cannot_be_searched_so_is_told(home: Home, filled: Index, small_embedder: Path) -> None:
    for given, told in (
        ({"k": 0}, "From 1 to 50"), ({"k": 51}, "not 51"), ({"by": "smell"}, "not by 'smell'"), ({"version": 2}, "versions 1 to 1"),
        ({"version": 0}, "and 0 is none"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=told):
            search.search(home, filled, ["mill"], **given)
    empty = indexes.create(home, "empty", settings={"embedder": str(small_embedder)})
    with pytest.raises(BadInput, match="empty holds nothing yet"):
        search.search(home, empty, ["mill"])


def test_a_reranker_orders_what_was_found_anew(home: Home, small_embedder: Path, tmp_path: Path) -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(small_embedder / name, tmp_path)
    torch.manual_seed(1)
    BertForSequenceClassification(
        BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, num_labels=1)
    ).save_pretrained(tmp_path)
    index = indexes.create(home, "ranked", settings={"embedder": str(small_embedder), "reranker": str(tmp_path)})
    indexes.update(home, index, [documents.of_text(f"fact {i}", text) for i, text in enumerate(FACTS)])
    [hits] = search.search(home, indexes.find(home, "ranked"), ["When does the mill open?"], 2)
    [all_hits] = search.search(home, indexes.find(home, "ranked"), ["When does the mill open?"], 50)
    assert hits == all_hits[:2] and [hit.score for hit in all_hits] == sorted((hit.score for hit in all_hits), reverse=True)
    assert {hit.words_rank for hit in all_hits} >= {1}, "the places of both lists are still told"


def passage(document: str, text: str) -> Passage:
    return Passage(1, document, 0, "", text)


def test_recall_and_reciprocal_rank_are_what_a_hand_counts() -> None:
    places = [[1], [0], [2, 0], [4, 3]]  # found first; not found; one of two at 2; both, the first at 3
    assert measure.recall(places).value == pytest.approx((1 + 0 + 0.5 + 1) / 4)
    assert measure.reciprocal_rank(places).value == pytest.approx((1 + 0 + 1 / 2 + 1 / 3) / 4)
    whole = measure.recall([[1], [2], [0]])
    assert (whole.value, whole.n) == (pytest.approx(2 / 3), 3) and 0 < whole.low < whole.value < whole.high < 1


def test_a_passage_holds_an_answer_as_whole_words() -> None:
    assert measure.holds("It was Anna-Lena, of course.", "anna lena") and measure.holds("In 1,234 days", "1,234")
    assert not measure.holds("Annabel", "Anna") and not measure.holds("anything", "...") and not measure.holds("12340", "1,234")
    shown = [passage("a", "no"), passage("b", "It is blue."), passage("a", "red")]
    assert measure.Wanted("", answers=("blue", "green")).found(shown) == [2]
    assert measure.Wanted("", answers=("green",)).found(shown) == [0]
    assert measure.Wanted("", documents=("b", "c", "a")).found(shown) == [2, 0, 1]


def test_what_a_row_wants_follows_from_its_documents_or_its_check() -> None:
    assert measure.wanted({"kind": "contains", "value": ["a", "b"]}, {}, "q") == measure.Wanted("q", answers=("a", "b"))
    assert measure.wanted({"kind": "number", "value": 7}, {}, "q") == measure.Wanted("q", answers=("7",))
    assert measure.wanted({"kind": "number", "value": 7}, {"documents": ["x", "x"]}, "q") == measure.Wanted("q", documents=("x",))
    assert measure.wanted({"kind": "regex", "pattern": "a"}, {}, "q") is None
    assert measure.wanted({"kind": "exact", "value": "--"}, {}, "q") is None


def test_questions_are_measured_by_their_checks(home: Home, filled: Index, tmp_path: Path) -> None:
    rows = [
        {"prompt": "When does the mill open?", "check": {"kind": "exact", "value": "at nine"}},
        {"prompt": "What does the ferry cost?", "check": {"kind": "contains", "value": "two coins"}},
        {"prompt": "Where do otters sleep?", "check": {"kind": "contains", "value": "in a house"}},
        {"prompt": "Why?", "check": {"kind": "regex", "pattern": "x"}},
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = curate.add(home, tmp_path / "q.jsonl", "asked")
    made = measure.measure(home, filled, dataset, 3, by="words")
    assert (made.recall.value, made.reciprocal_rank.value) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (made.recall.n, made.left_out, made.version, made.by) == (3, 1, 1, "words")
    (tmp_path / "r.jsonl").write_text(json.dumps(rows[-1]) + "\n")
    with pytest.raises(BadInput, match="tells which passage answers it"):
        measure.measure(home, filled, curate.add(home, tmp_path / "r.jsonl", "untold"))


@pytest.fixture
def say(home: Home, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command in this process; what it prints."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true")
    parser = argparse.ArgumentParser()
    commands.add_to(parser.add_subparsers(required=True), common)

    def run(*words: str) -> str:
        given = parser.parse_args(["index", *words])
        assert given.command(home, given) == 0
        return capsys.readouterr().out

    return run


def test_the_commands_walk_the_whole_way(home: Home, say: Callable[..., str], small_embedder: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for i, text in enumerate(FACTS):
        (tmp_path / "docs" / f"{i}.md").write_text(f"# Fact {i}\n{text}")
    assert "#1" in say("create", "facts", "--set", f"embedder={small_embedder}", "--set", "passage_tokens=64")
    assert "facts@1: 3 documents in 3 passages; 3 added" in say("add", "facts", str(tmp_path / "docs"))
    assert "3 the same; 0 passages embedded" in say("add", "facts", str(tmp_path / "docs"))
    assert "facts@1" in say("list") and json.loads(say("list", "--json"))[0]["passages"] == 3
    shown = say("show", "facts")
    assert "whole" in shown and "passage_tokens 64" in shown and "docs/2.md" in shown
    assert "1. docs/0.md, Fact 0" in say("search", "facts", "When does the mill open?", "--k", "2", "--by", "words")
    assert "facts@2: 2 documents" in say("remove", "facts", "docs/0.md")
    assert "Nothing was found." in say("search", "facts", "mill", "--by", "words")
    assert (
        json.loads(say("search", "facts", "mill", "--by", "words", "--version", "1", "--json"))[0]["passage"]["document"]
        == "docs/0.md"
    )
    (tmp_path / "q.jsonl").write_text(
        json.dumps({"prompt": "What does the ferry cost?", "check": {"kind": "contains", "value": "two coins"}}) + "\n"
    )
    curate.add(home, tmp_path / "q.jsonl", "asked")
    assert "recall in the first 1  1.000" in say(
        "measure", "facts", "--data", "asked", "--k", "1", "--by", "words", "--limit", "1"
    )
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": "Owls fly at night."}) + "\n")
    curate.add(home, tmp_path / "t.jsonl", "owls")
    assert json.loads(say("add", "facts", "--data", "owls", "--json"))["added"] == 1
    with pytest.raises(BadInput, match="Name files and folders, or a data set"):
        say("add", "facts")
    assert "is deleted" in say("delete", "facts") and say("list", "--json").strip() == "[]"
