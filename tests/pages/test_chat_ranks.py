"""Chat: the ranking where models never met, and where it is drawn again."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.preferences import exchange, ranking
from engine.preferences.rating import Battle, Fit
from storage.home import Home
from tests.pages.conftest import open_page
from tests.pages.test_chat import said


def bring(home: Home, tmp_path: Path, battles: list[tuple[str, str, str]]) -> None:
    """Battles of a file as votes of a project called fights."""
    rows = []
    for i, (one, other, winner) in enumerate(battles):
        told = {
            f"conversation_{side}": [{"role": "user", "content": f"{i}?"}, {"role": "assistant", "content": f"{name} says {i}"}]
            for side, name in (("a", one), ("b", other))
        }
        rows.append({"model_a": one, "model_b": other, "winner": winner, "judge": "ann", **told})
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    exchange.bring(home, "fights", str(tmp_path / "in.jsonl"), "arena")


def test_models_that_never_met_are_drawn_and_ranked_by_group(empty_home: Home, tmp_path: Path) -> None:
    bring(empty_home, tmp_path, [("a", "b", "model_a")] * 30 + [("x", "y", "model_a"), ("x", "y", "model_b")])
    app = open_page("chat", view="ranking")
    app.selectbox(key="ranks_anchor").set_value("b").run()
    assert not app.exception and "32 votes" in said(app)
    assert "Group 1" in said(app) and "Group 2" in said(app) and "its ratings compare among themselves only" in said(app)
    assert "The anchor b holds for its own group" in said(app) and "a has won every battle against b" in said(app)
    table = app.dataframe[0].value
    assert [list(table[column]) for column in ("Group", "Model", "Rank")] == [[1, 1, 2, 2], ["a", "b", "x", "y"], [1, 2, 1, 1]]
    assert list(table["Against the next"]) == ["surely ahead", "", "even", ""]
    assert list(table["Rating"])[1:] == [1000, 1000, 1000]


def test_the_ranking_is_fitted_once_however_often_the_page_is_drawn(
    empty_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(empty_home, tmp_path, [("fast", "slow", "model_a")] * 3 + [("fast", "slow", "tie")])
    fitted: list[bool] = []
    fit = ranking.fit

    def counted(battles: Sequence[Battle], prior: float, style: bool) -> Fit:
        fitted.append(style)
        return fit(battles, prior, style)

    monkeypatch.setattr(ranking, "fit", counted)
    app = open_page("chat", view="ranking")
    app.run()
    app.toggle(key="ranks_style").set_value(True).run()
    app.run()
    app.toggle(key="ranks_style").set_value(False).run()
    assert not app.exception and fitted == [False, True]
    assert "Group" not in app.dataframe[0].value.columns
