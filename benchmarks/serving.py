"""What the model host is claimed to do: several models in the time of one, many clients at once, turns that are not read again.

Every answer has the same length, since the output rows of the tokens that end one are set to zero; times are the host's own.
"""

import math
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import psutil

from benchmarks import timing
from engine import prepare, registry
from engine.environment import OFFLINE
from engine.generation import ask
from engine.jobs import processes
from storage.home import Home
from tests.engine.generation.small_models import make_adapter, register_adapter

PROMPTS = (
    "Tell a long story about a boat, a bridge and a baker who lives far away.",
    "List animals of the sea, with a sentence on what each of them eats.",
    "What is the capital of the country in which Oster lies, and who built its harbour?",
)
TOKENS = 64
VARIANTS = ("base", "first", "second")
QUARTER = {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 16, "num_attention_heads": 16,
           "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 32_000, "max_position_embeddings": 8192}  # fmt: skip
SMALL = {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
         "head_dim": 64, "vocab_size": 1024, "max_position_embeddings": 8192}  # the Pocket model's, with a longer context  # fmt: skip
CLIENTS = 16
THINKING = 1.0  # seconds between two turns


def weights(folder: Path, shape: dict[str, int] | None = None) -> Path:
    """The Pocket model, or random weights of a ``shape`` with its tokenizer, that never end an answer by themselves."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import Qwen3Config, Qwen3ForCausalLM

    pocket = Path(__file__).resolve().parents[1] / "assets" / "pocket"
    shutil.copytree(pocket, folder)
    if shape is not None:
        torch.manual_seed(0)
        more: dict[str, Any] = {"tie_word_embeddings": True, "eos_token_id": [0, 2], "pad_token_id": 0, "initializer_range": 0.05}
        model: Any = Qwen3ForCausalLM(Qwen3Config(**shape, **more))
        for old in folder.glob("*.safetensors"):
            old.unlink()
        model.to(torch.bfloat16).save_pretrained(str(folder))
    file = folder / "model.safetensors"
    tensors = load_file(file)
    tensors["model.embed_tokens.weight"][[0, 2]] = 0
    save_file(tensors, file, {"format": "pt"})
    return folder


@contextmanager
def hosted(shape: dict[str, int] | None = None) -> Iterator[Home]:
    """A home with these weights as ``base``, two adapters over it, and a host that has them in memory."""
    with tempfile.TemporaryDirectory(prefix="temper-serving-") as folder:
        home = Home.resolve(Path(folder) / "home")
        prepare.prepare(home)
        base = registry.register_folder(home, weights(Path(folder) / "base", shape), "base", "made for a benchmark")
        for seed, name in enumerate(VARIANTS[1:], 1):
            register_adapter(home, base, make_adapter(Path(base.path), Path(folder) / name, seed, r=8), name)
        try:
            answered(home, list(VARIANTS), PROMPTS[0], 4)
            yield home
        finally:
            ask.shutdown(home)


def answered(home: Home, models: list[str], prompt: str, tokens: int = TOKENS) -> list[Any]:
    """The answers of models that were asked at once."""
    found = ask.answers(home, models, [{"role": "user", "content": prompt}], max_tokens=tokens)
    assert all(answer.status == "done" and answer.tokens == tokens for answer in found), found
    return found


def mixed() -> None:
    """Three variants at once against one after another: at most 0.7 of the time on Pocket and 0.85 on a quarter of a billion."""
    for name, shape, bar, tokens in (("Pocket", None, 0.7, TOKENS), ("0.25B", QUARTER, 0.85, 24)):
        with hosted(shape) as home:
            walls, firsts, same = [], [], True
            for round in range(timing.ROUNDS):
                prompt = PROMPTS[round % len(PROMPTS)]
                # nothing is remembered between the two: what one has read the other would not have to
                together = answered(home, list(VARIANTS), f"{prompt} ({2 * round})", tokens)
                apart = [answered(home, [variant], f"{prompt} ({2 * round + 1})", tokens)[0] for variant in VARIANTS]
                again = answered(home, list(VARIANTS), f"{prompt} ({2 * round + 1})", tokens)
                same = same and [a.text for a in again] == [a.text for a in apart]
                walls.append(max(a.waited + a.seconds for a in together) / sum(a.waited + a.seconds for a in apart))
                last = sum(a.waited + a.seconds for a in apart[:-1]) + apart[-1].waited + apart[-1].first_token_seconds
                firsts.append(max(a.waited + a.first_token_seconds for a in together) / last)
            held = ask.health(home)
            identity = processes.read_identity(home.root / ask.PLACE)
            assert held is not None and identity is not None
            stored = sum(path.stat().st_size for path in (Path(registry.find(home, "base").path)).glob("*.safetensors")) * 2
            resident = psutil.Process(identity.pid).memory_info().rss
        print(
            f"{name}: three at once / one after another {statistics.median(walls):.3f} (claimed: at most {bar}), all first tokens "
            f"{statistics.median(firsts):.3f} (0.35); the same tokens: {same}; weights of base and adapters / of the base alone "
            f"{held['memory'][0]['bytes'] / stored:.3f} (1.1), {resident / 1e9:.2f} GB resident"
        )


def clients() -> None:
    """Sixteen clients at once against one after another: at least three times as many tokens a second."""
    with hosted() as home, asking(home) as client:
        ratios = []
        for round in range(timing.ROUNDS):
            alone = sum(timed(client, f"{i} {round} {PROMPTS[i % 3]}") for i in range(CLIENTS))
            began = time.perf_counter()
            with ThreadPoolExecutor(CLIENTS) as pool:
                told = [f"{i} {round}, {PROMPTS[i % 3]}" for i in range(CLIENTS)]
                list(pool.map(timed, [client] * CLIENTS, told))
            ratios.append(alone / (time.perf_counter() - began))
        print(f"Pocket: {CLIENTS} clients at once, throughput x {statistics.median(ratios):.1f} (claimed: at least 3)")


@contextmanager
def asking(home: Home) -> Iterator[httpx.Client]:
    """A client of the home's host."""
    address = ask.ensure(home)
    header = {"Authorization": f"Bearer {address.token}"}
    with httpx.Client(base_url=address.url, headers=header, timeout=600, trust_env=False) as client:
        yield client


def timed(client: httpx.Client, prompt: str, tokens: int = TOKENS, model: str = "base") -> float:
    """Seconds of a completion as a client sees it."""
    body = {"model": model, "temperature": 0, "max_tokens": tokens, "messages": [{"role": "user", "content": prompt}]}
    began = time.perf_counter()
    answer = client.post("/v1/chat/completions", json=body)
    answer.raise_for_status()
    return time.perf_counter() - began


def turns() -> None:
    """The first token after 4,000 tokens that are known against that after 100: at most 1.5 times as late."""
    for name, shape in (("Pocket's shape", SMALL), ("0.25B", QUARTER)):
        with hosted(shape) as home:
            took: dict[int, list[float]] = {100: [], 4000: []}
            once, twice = (answered(home, ["base"], PROMPTS[0] * times, 1)[0].prompt_tokens for times in (1, 2))
            for round in range(2 * timing.ROUNDS):
                for length, times in took.items():
                    times.append(_next_turn(home, f"{round} " + PROMPTS[0] * math.ceil(length / (twice - once))))
            ratio = statistics.median(took[4000]) / statistics.median(took[100])
            print(f"{name}: first token after 4,000 known tokens / after 100: {ratio:.2f} (claimed: at most 1.5)")


def _next_turn(home: Home, prompt: str) -> float:
    """Seconds to the first token of the second turn of a conversation."""
    turns = [{"role": "user", "content": prompt}]
    said = ask.answers(home, ["base"], turns, max_tokens=2)[0]
    time.sleep(THINKING)  # the machine is not as fast right after a long prompt, and nobody asks again at once
    turns += [{"role": "assistant", "content": said.text}, {"role": "user", "content": "And then?"}]
    answer = ask.answers(home, ["base"], turns, max_tokens=2)[0]
    fresh, first = answer.prompt_tokens - (answer.cached_tokens or 0), answer.first_token_seconds
    assert first is not None
    print(f"  {answer.prompt_tokens} tokens, {fresh} read: first token after {first * 1000:.1f} ms")
    return first


def agreement() -> None:
    """How often the three say the same at once as one after another where it is computed in bfloat16; nothing is claimed."""
    from engine.generation import weights as held
    from engine.generation.answers import Prompt, Sampling
    from engine.generation.speaker import Speaker
    from engine.generation.tickets import Ticket
    from engine.generation.weights import Voice

    with hosted(QUARTER) as home, mock.patch.object(held, "speaking_dtype", lambda: "bfloat16"):
        speaker = Speaker()

        def told(prompt: str, *names: str) -> list[list[int]]:
            made = [
                Ticket(Voice.find(home, name), Prompt([{"role": "user", "content": prompt}]), Sampling(max_tokens=TOKENS // 2))
                for name in names
            ]
            speaker.submit(made)
            while not all(ticket.answer.ended for ticket in made):
                time.sleep(0.01)
            return [ticket.row.ids[ticket.answer.prompt_tokens :] if ticket.row else [] for ticket in made]

        same, alike = 0, 0.0
        for prompt in PROMPTS:
            for one, other in zip(
                told(f"{prompt} 1", *VARIANTS), [told(f"{prompt} 1", name)[0] for name in VARIANTS], strict=True
            ):
                first = next((i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), len(one))
                same, alike = same + (first == len(one)), alike + first / len(one)
        count = len(PROMPTS) * len(VARIANTS)
        print(
            f"0.25B in bfloat16: {same} of {count} answers are the same at once as alone; {alike / count:.0%} of tokens until they part"
        )
        speaker.close()


def beside() -> None:
    """Tokens a second of the host against those of ``transformers serve`` on the same whole model: as many for one, more for four."""
    for name, shape, tokens in (("Pocket", None, TOKENS), ("0.25B", QUARTER, 24)):
        with hosted(shape) as home, asking(home) as ours, served(Path(registry.find(home, "base").path)) as (theirs, model):
            for count in (1, 4):
                ratios = []
                for round in range(timing.ROUNDS):
                    took = [
                        at_once(client, [f"{round} {i} {PROMPTS[i % 3]}" for i in range(count)], tokens, called)
                        for client, called in ((ours, "base"), (theirs, model))
                    ]
                    ratios.append(took[1] / took[0])
                print(
                    f"{name}: {count} at once, tokens a second against transformers serve x {statistics.median(ratios):.2f} "
                    f"(claimed: at least 1{', more for several' if count > 1 else ''}; {min(ratios):.2f} to {max(ratios):.2f})",
                    flush=True,
                )


def at_once(client: httpx.Client, prompts: list[str], tokens: int, model: str) -> float:
    """Seconds until all of these have been answered."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(prompts)) as pool:
        list(pool.map(lambda prompt: timed(client, prompt, tokens, model), prompts))
    return time.perf_counter() - began


@contextmanager
def served(folder: Path) -> Iterator[tuple[httpx.Client, str]]:
    """A client of ``transformers serve`` that has a model in memory, and what the model is called there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "transformers.cli.transformers",
        "serve",
        "--port",
        str(port),
        "--dtype",
        "float32",
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(command, env={**os.environ, **OFFLINE}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600, trust_env=False) as client:
            until = time.monotonic() + 120
            while True:
                try:
                    timed(client, "Hello.", 4, str(folder))
                    break
                except httpx.HTTPError:
                    if process.poll() is not None or time.monotonic() > until:
                        raise
                    time.sleep(1)
            yield client, str(folder)
    finally:
        process.terminate()
        process.wait(30)


def serving() -> None:
    """All of it."""
    for part in (mixed, agreement, clients, turns, beside):
        part()


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ["serving"]:
        globals()[wanted]()
