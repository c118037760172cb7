"""A row of each layout in which compared answers come, and files of such rows."""

import json
from pathlib import Path
from typing import Any

OWN: dict[str, Any] = {
    "pair": {"prompt": [{"role": "user", "content": "Hi?"}], "first": "a", "second": "b", "origin": {}, "gold": None, "extra": {}},
    "vote": {
        "labeller": "anna", "kind": "person", "choice": "first", "strength": 2, "preference": 1.2, "criteria": {"kind": "second"},
        "reason": "so", "edited": None, "seconds": 2.5, "round": 0, "flipped": True, "at": "2026-01-01T00:00:00Z", "token": "a" * 32,
        "extra": {},
    },
}  # fmt: skip

ALPACA = {
    "instruction": "Hi?", "output_1": "a", "output_2": "b", "generator_1": "x", "generator_2": "y", "annotator": "gpt", "preference": 1.8,
    "price": 0.1, "raw": {"n": [1]},
}  # fmt: skip

ARGILLA = {
    "id": "7", "fields": {"prompt": "Hi?", "response_1": "a", "response_2": "b"}, "metadata": {"source": "x"},
    "responses": {
        "preference": [{"value": "response_2", "user_id": "u1"}, {"value": "tie", "user_id": "u2"}], "reason": [{"value": "so", "user_id": "u1"}],
    },
    "suggestions": {"preference": {"value": "response_1", "agent": "gpt", "score": 0.9}}, "vectors": {},
}  # fmt: skip

STUDIO = {
    "id": 3, "data": {"prompt": "Hi?", "answer1": "a", "answer2": "b"},
    "annotations": [
        {
            "id": 9, "completed_by": {"id": 1, "email": "anna@example.org"}, "created_at": "2026-01-01T00:00:00Z", "lead_time": 4.5,
            "result": [
                {"from_name": "pw", "to_name": "answer1,answer2", "type": "pairwise", "value": {"selected": "right"}},
                {"from_name": "why", "to_name": "prompt", "type": "textarea", "value": {"text": ["so"]}},
            ],
        },
        {"id": 10, "completed_by": 2, "was_cancelled": True, "result": []},
    ],
}  # fmt: skip

ARENA = {
    "model_a": "x", "model_b": "y", "winner": "tie (bothbad)", "judge": "arena_user_1",
    "conversation_a": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "a"}],
    "conversation_b": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "b"}],
}  # fmt: skip

PLAIN = {"prompt": "Hi?", "response_a": "a", "response_b": "b", "winner": "model_b", "annotator": "anna", "note": 1}

CHOSEN = {"prompt": "Hi?", "chosen": "a", "rejected": [{"role": "assistant", "content": "b"}], "margin": 0.5}

SAMPLES = {
    "jsonl": OWN, "alpaca_eval": ALPACA, "argilla": ARGILLA, "label_studio": STUDIO, "arena": ARENA, "pairs": PLAIN, "preference": CHOSEN,
}  # fmt: skip


def written(folder: Path, rows: list[Any], name: str = "votes.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file
