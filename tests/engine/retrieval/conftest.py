"""A small embedder with random weights and a real tokenizer, so that tests need not wait for a real one."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.retrieval import embedding, indexes
from storage.home import Home
from storage.records import Index


@pytest.fixture(scope="session")
def small_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder: one layer of 32 numbers over the built-in tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    built_in = embedding.folder(Home(tmp_path_factory.mktemp("none")), embedding.BUILT_IN)
    folder = tmp_path_factory.mktemp("embedder")
    for name in ("modules.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(built_in / name, folder)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 256, "do_lower_case": false}')
    (folder / "1_Pooling").mkdir()
    pooling = json.loads((built_in / "1_Pooling" / "config.json").read_text())
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling | {"word_embedding_dimension": 32}))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def index(home: Home, small_embedder: Path) -> Index:
    """An index that holds nothing yet."""
    return indexes.create(home, "manual", settings={"embedder": str(small_embedder), "passage_tokens": 32, "overlap": 8})


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes files below a folder, from their names and texts or bytes."""

    def write(files: dict[str, str | bytes], name: str = "files") -> Path:
        for file, content in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return write


@pytest.fixture
def command(home: Home) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command of the engine in a process of its own."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "engine", "--home", str(home.root), *words], capture_output=True, text=True, check=False
        )

    return run
