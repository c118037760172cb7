"""Pairs whose answers models write themselves."""

import json
from collections.abc import Mapping
from pathlib import Path

from engine.data import curate
from engine.preferences import sampling
from storage.home import Home


class Silent:
    """A run that nobody watches."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...
    def phase(self, name: str, done: float | None = None) -> None: ...
    def log(self, text: str) -> None: ...
    def sample(self, step: int, prompt: str, text: str) -> None: ...
    def checkpoint(self, step: int, folder: Path, keep: int = 0) -> None: ...
    def flush(self) -> None: ...
    def stop_requested(self) -> bool:
        return False


def test_pairs_of_two_seeds_keep_who_wrote_them_and_the_topic_of_their_prompt(pocket: Home, tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    asked = [("What is 12 plus 30?", "sums"), ("Tell a story about a boat.", "tales"), ("List animals of the sea.", None)]
    file.write_text("".join(json.dumps({"prompt": prompt, "topic": topic}) + "\n" for prompt, topic in asked))
    data = curate.add(pocket, file, "asked")
    voices = sampling.voices(pocket, ["pocket"], [{"temperature": 1.5, "max_tokens": 12}], [""])
    drawn = sampling.draw(pocket, voices, data, None, tmp_path / "drawn", Silent())
    assert drawn is not None
    pairs, same = drawn
    assert len(pairs) + same == 3 and pairs
    topics = dict(asked)
    assert [pair.extra.get("topic") for pair in pairs] == [topics[pair.prompt[0]["content"]] for pair in pairs]
    assert all([pair.origin[side]["sampling"]["seed"] for side in ("first", "second")] == [0, 1] for pair in pairs)
