"""A merged model answers as base and adapter did, and tells other programs where its answers end."""

import json
from pathlib import Path

import pytest
import torch

from engine.data import tokens
from engine.errors import Damaged
from engine.methods import loading, merging
from tests.engine.methods import small


def adapter(tmp_path: Path) -> tuple[Path, Path]:
    """A base that names the end of a document only, as most do, and an adapter trained on it."""
    base = small.make(tmp_path / "base", "Llama")
    named = json.loads((base / "generation_config.json").read_text())
    (base / "generation_config.json").write_text(json.dumps({**named, "eos_token_id": 0}))
    trained, _ = small.run("sft", base, tmp_path / "run", small.ROWS, "prompt_completion")
    return base, trained.folder


def test_a_merged_model_speaks_as_its_parts_and_names_the_end_of_a_turn(tmp_path: Path) -> None:
    base, beside = adapter(tmp_path)
    difference = merging.merge(base, beside, tmp_path / "whole", "float32")
    assert difference < 1e-5
    tokenizer = loading.load_tokenizer(tmp_path / "whole")
    assert (
        tokens.end_of_turn(tokenizer) in json.loads((tmp_path / "whole" / "generation_config.json").read_text())["eos_token_id"]
    )
    whole, alone = (loading.load_model(folder, "float32").eval() for folder in (tmp_path / "whole", base))
    ids = torch.tensor([[5, 9, 12]])
    with torch.no_grad():
        assert not torch.allclose(whole(ids).logits, alone(ids).logits, atol=1e-3), "nothing was merged"


def test_weights_that_answer_otherwise_than_their_parts_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, beside = adapter(tmp_path)
    monkeypatch.setattr(merging, "TOLERANCE", -1.0)
    with pytest.raises(Damaged, match="Nothing was written"):
        merging.merge(base, beside, tmp_path / "whole", "float32")
    assert not (tmp_path / "whole").exists()
