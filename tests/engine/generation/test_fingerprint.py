"""What a fingerprint stands for, and what it does not notice."""

import json
import os
import shutil
from pathlib import Path

import pytest

from engine.errors import NotFound
from engine.generation import fingerprint as prints
from engine.generation.fingerprint import fingerprint
from engine.methods import loading
from engine.methods.loading import STANDARD_TEMPLATE
from tests.engine.generation.small_models import World, make_base


def test_every_part_that_speaks_is_in_it(world: World) -> None:
    base, left = world.model("base").path, world.model("left").path
    seen = {
        fingerprint(base, None, "t", "float32"),
        fingerprint(base, left, "t", "float32"),
        fingerprint(base, world.model("right").path, "t", "float32"),
        fingerprint(world.model("full").path, None, "t", "float32"),
        fingerprint(base, None, "u", "float32"),
        fingerprint(base, None, "t", "bfloat16"),
    }
    assert len(seen) == 6
    assert fingerprint(base, left, "t", "torch.float32") in seen


def test_a_copy_elsewhere_has_the_same(world: World, tmp_path: Path) -> None:
    base, left = Path(world.model("base").path), Path(world.model("left").path)
    shutil.copytree(base, tmp_path / "b")
    shutil.copytree(left, tmp_path / "l")
    assert fingerprint(tmp_path / "b", tmp_path / "l", "t", "float32") == fingerprint(base, left, "t", "float32")


def test_a_changed_scale_of_the_adapter_is_noticed_and_its_notes_are_not(world: World, tmp_path: Path) -> None:
    base = world.model("base").path
    shutil.copytree(world.model("left").path, tmp_path / "l")
    before = fingerprint(base, tmp_path / "l", "t", "float32")
    place = tmp_path / "l" / "adapter_config.json"
    said = json.loads(place.read_text())
    place.write_text(json.dumps({**said, "base_model_name_or_path": "elsewhere", "target_modules": said["target_modules"][::-1]}))
    assert fingerprint(base, tmp_path / "l", "t", "float32") == before
    place.write_text(json.dumps({**said, "lora_alpha": said["lora_alpha"] * 2}))
    assert fingerprint(base, tmp_path / "l", "t", "float32") != before


def test_one_changed_byte_of_the_weights_is_noticed(tmp_path: Path) -> None:
    folder = make_base(tmp_path / "m")
    before = fingerprint(folder, None, "t", "float32")
    path = folder / "model.safetensors"
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)
    os.utime(path, ns=(1, 1))
    assert fingerprint(folder, None, "t", "float32") != before


def test_weights_that_are_gone_are_told_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=str(tmp_path)):
        fingerprint(tmp_path, None, "t", "float32")
    with pytest.raises(NotFound, match="adapter"):
        prints.signature(tmp_path, adapter=True)


def test_the_template_is_the_one_that_the_tokenizer_has(world: World, tmp_path: Path) -> None:
    for name in ("base", "left"):
        model = world.model(name)
        folder = world.model("base").path
        assert (
            prints.template_of(folder, model.path if model.kind == "adapter" else None).text
            == loading.load_tokenizer(folder).chat_template
        )
    bare = make_base(tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    template = prints.template_of(bare)
    assert template.source == "standard"
    assert template.text == STANDARD_TEMPLATE == loading.load_tokenizer(bare).chat_template
