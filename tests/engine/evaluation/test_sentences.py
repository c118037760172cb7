"""What a bake-off says in plain sentences."""

from typing import Any

from engine.evaluation import sentences


def way(name: str, kind: str, scores: list[float], trained: float = 0.0) -> dict[str, Any]:
    return {"name": name, "kind": kind, "value": sum(scores) / len(scores), "training_seconds": trained, "tokens": 5.0}


def told(*ways: tuple[str, str, list[float]]) -> str:
    scores = {name: each for name, _, each in ways}
    return " ".join(sentences.of([way(*one) for one in ways], scores))


def shares(right: int, n: int = 200) -> list[float]:
    return [1.0] * right + [0.0] * (n - right)


def test_a_cheaper_way_that_is_as_good_is_named_with_the_interval_of_the_difference() -> None:
    text = told(("base", "base", shares(4)), ("look", "retrieval", shares(168)), ("fine", "tuned", shares(172)))
    assert text.startswith("Retrieval alone (look) reaches what training (fine) reaches: 0.84 against 0.86")
    assert "interval of the difference -0.05 to 0.00" in text
    assert text.endswith("Nothing has to be trained for these questions.")


def test_passages_beside_a_trained_model_are_cheaper_than_training_it_once_more() -> None:
    ways = [
        way("fine", "tuned", shares(4), 200.0),
        way("fine, look", "combined", shares(168), 200.0),
        way("more", "tuned", shares(170), 400.0),
    ]
    text = " ".join(sentences.of(ways, {"fine": shares(4), "fine, look": shares(168), "more": shares(170)}))
    assert text.startswith(
        "Training with something around it (fine, look) reaches what training (more) reaches: 0.84 against 0.85"
    )
    assert text.endswith("The cheaper one will do.")


def test_training_that_is_clearly_better_is_said_to_be() -> None:
    text = told(("base", "base", shares(4)), ("look", "retrieval", shares(80)), ("fine", "tuned", shares(172)))
    assert text.startswith("Training (fine) does best with 0.86.")
    assert "Nothing has to be trained" not in text


def test_few_questions_decide_nothing() -> None:
    scattered = [1.0, 0.0] * 5
    text = told(("look", "retrieval", scattered), ("fine", "tuned", [*scattered[1:8], 1.0, 1.0, 1.0]))
    assert "cannot be told from 10 questions" in text and "Ask more." in text
    assert "Nothing has to be trained" not in text


def test_a_base_that_is_best_needs_nothing_beside_it() -> None:
    assert told(("base", "base", shares(190)), ("fine", "tuned", shares(100))) == (
        "The base alone (base) is the cheapest and the best: 0.95. Nothing has to be trained for these questions."
    )


def test_where_nobody_knows_anything_nothing_is_chosen() -> None:
    assert told(("base", "base", shares(0)), ("fine", "tuned", shares(0))) == (
        "No candidate answered a single question right, so nothing is to be chosen between them."
    )
