"""One base model in memory with the adapters that share it, and the one place where logits are computed."""

import itertools
import json
import math
import threading
import time
from collections.abc import Callable, Set
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import registry
from engine.errors import BadInput, NotFound
from engine.generation import attention
from engine.generation import fingerprint as prints
from engine.generation.prefixes import Prefixes, can_be_cut
from engine.generation.problems import is_out_of_memory
from engine.methods import loading
from storage import models
from storage.home import Home
from storage.records import Model

# bytes of weights times tokens below which one thread is faster than several that wait for each other after every layer
SMALL = 80_000_000
MOST_ADAPTERS = 8  # on a base; more only while more of them speak
_importing = threading.Lock()
BASE = "__base__"  # PEFT's word for a row without an adapter
# what every adapter and its base are asked once, to see that they differ
PROBE = (
    "What is 12 plus 30? It is 42. Write a short letter to a friend, in two sentences, and thank them for the book. "
    'Dear Ann, I have read it twice. {"name": "Ann", "read": true}'
)
# what an adapter may carry beside plain low-rank matrices; PEFT cannot mix these with other rows in one batch
UNMIXABLE = (
    "use_dora", "modules_to_save", "target_parameters", "layer_replication", "trainable_token_indices",
    "alora_invocation_tokens", "use_qalora", "use_bdlora",
)  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """Weights that can be asked, by name: a base and, on top of it, an adapter or none."""

    model: Model
    base: Model
    alone: Path | None = None  # the adapter, if it is of a kind that needs a base for itself

    @classmethod
    def find(cls, home: Home, reference: str) -> "Voice":
        """The model of that name or #id. NotFound names what there is."""
        model = registry.speaker(home, reference)
        if model.kind == "model":
            return cls(model, model)
        base = models.get(home, model.base_id or 0)
        if base is None or base.kind != "model":
            raise NotFound(f"The base model of {model.name} is gone. Register it again.")
        adapter = Path(model.path)
        return cls(model, base, None if mixes(adapter) else adapter)

    @property
    def adapter(self) -> Path | None:
        return Path(self.model.path) if self.model.kind == "adapter" else None

    @property
    def place(self) -> tuple[str, str]:
        """Names the weights in memory that this voice speaks with."""
        return self.base.path, str(self.alone or "")


@dataclass(frozen=True)
class Attached:
    """A voice that is ready to speak: its row name in PEFT, its tokenizer and what proves it.

    ``differs`` is how far an adapter's next tokens lie from its base's on PROBE, in nats a token; None where there is no adapter.
    """

    name: str
    tokenizer: Any
    fingerprint: str
    signature: prints.Signature
    differs: float | None = None


def adapter_configuration(adapter: Path) -> dict[str, Any]:
    """What ``adapter_config.json`` says. NotFound or BadInput where it cannot be read."""
    try:
        return json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(f"The adapter is gone from {adapter}. Put the folder back, or train or register it again.") from None
    except ValueError as problem:
        raise BadInput(f"The adapter_config.json in {adapter} cannot be read ({problem}). Train the adapter again.") from None


def mixes(adapter: Path) -> bool:
    """Whether this adapter's rows may share a batch with rows of the base and of other adapters."""
    said = adapter_configuration(adapter)
    plain = said.get("peft_type") == "LORA" and said.get("bias", "none") == "none"
    # other ways to begin (PiSSA, OLoRA, ...) change the base's own weights when the adapter is loaded
    return plain and isinstance(said.get("init_lora_weights", True), bool) and not any(said.get(name) for name in UNMIXABLE)


def warm() -> None:
    """Import the heavy libraries, once, in one thread at a time: they import each other in circles."""
    with _importing:
        import peft  # noqa: F401
        from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache  # noqa: F401


def speaking(base: Path, adapter: Path | None) -> Any:
    """Weights for one piece of work, as chat speaks with them: on the device that computes here, with the adapter on top.

    BadInput when the adapter does not fit.
    """
    weights = loading.load_model(base, speaking_dtype())
    if adapter is not None:
        from peft import PeftModel

        try:
            weights = PeftModel.from_pretrained(weights, str(adapter), autocast_adapter_dtype=False)
        except (RuntimeError, ValueError, KeyError) as problem:
            last = str(problem).strip().splitlines()[-1].strip()
            raise BadInput(f"The adapter in {adapter} does not fit its base ({last}). Train it again on that base.") from problem
    return weights.to(loading.device().name)


def speaking_dtype() -> str:
    """What answers are computed in here: bfloat16 on GPUs that have it, float32 on a CPU."""
    here = loading.device()
    return "float32" if here.name == "cpu" else "bfloat16" if here.bfloat16 else "float16"


class Weights:
    """A base model in memory. Made in any thread; after that only the generating thread touches it."""

    def __init__(self, voice: Voice) -> None:
        import torch

        base, here = Path(voice.base.path), loading.device()
        self.name = voice.base.name
        self.place = voice.place
        self.signature = prints.signature(base)
        self.dtype = speaking_dtype()
        self.device = here.name
        self.tokenizer = loading.load_tokenizer(base)
        self.model: Any = loading.load_model(base, self.dtype).to(self.device).eval()
        attention.use(self.model)
        self.bytes = self._count()
        self._threads = torch.get_num_threads()
        # an adapter broke while it was put in: what speaks may finish, then the base is loaded afresh
        self.spoiled = False
        self.used = time.monotonic()
        self._peft: Any = None
        self._attached: dict[str, Attached] = {}
        self._numbers = itertools.count(1)
        self._speaking: list[str] = []
        self._plain = True  # nobody speaks with an adapter
        self._hooked: set[Any] = set()
        self.prefixes = Prefixes(can_be_cut(self.new_cache()))
        # reads the whole files: done here, off the generating thread, it delays no stream
        prints.fingerprint(base, None, "", voice.base.dtype)

    @property
    def vocabulary(self) -> int:
        """How many tokens the weights know."""
        return self.model.get_input_embeddings().num_embeddings

    @property
    def adapters(self) -> list[str]:
        """The folders of the adapters in memory."""
        return sorted(place for place, attached in list(self._attached.items()) if attached.name != BASE)

    def stand(self, voice: Voice) -> bool:
        """Whether these weights can still speak for ``voice``, or its files were changed or an adapter broke."""
        held = self._attached.get(str(voice.alone))
        # an adapter that needs a base for itself may have changed it, so another one cannot take its place
        if voice.alone is not None and held is not None and held.signature != prints.signature(voice.alone, adapter=True):
            return False
        return not self.spoiled and self.signature == prints.signature(Path(voice.base.path))

    def attach(self, voice: Voice, speaking: Set[str] = frozenset()) -> Attached:
        """The voice ready to speak with what lies on the disk now; an adapter that is not in memory is loaded.

        It may take the place of those that rested longest, never of those in ``speaking``.
        """
        adapter = voice.adapter
        now = prints.signature(adapter, adapter=True) if adapter else self.signature
        place = str(adapter or voice.base.path)
        attached = self._attached.pop(place, None)
        if attached is None or attached.signature != now:
            attached = self._ready(voice, now)
        self._attached[place] = attached  # the last one is the one used last
        if self._peft is not None:
            self._drop_idle({attached.name, *speaking})
        return attached

    def _ready(self, voice: Voice, now: prints.Signature) -> Attached:
        base, adapter, name, differs = Path(voice.base.path), voice.adapter, BASE, None
        if adapter is not None:
            name = f"adapter{next(self._numbers)}"
            self._put_in(name, adapter, alone=voice.alone is not None)
            self.bytes = self._count()
            differs = self._probe(name, alone=voice.alone is not None)
        where = prints.tokenizer_folder(base, adapter)
        return Attached(
            name=name,
            tokenizer=self.tokenizer if where == base else loading.load_tokenizer(where),
            fingerprint=prints.fingerprint(base, adapter, prints.template_of(base, adapter).text, voice.model.dtype),
            signature=now,
            differs=differs,
        )

    def _probe(self, name: str, alone: bool) -> float | None:
        """How far an adapter that was put in lies from the base, as it speaks: 0 says that it changes nothing, None that its
        weights give no numbers."""
        import torch

        ids = torch.tensor([self.tokenizer(PROBE)["input_ids"]], device=self.device)
        mask, positions = torch.ones_like(ids), torch.arange(ids.shape[1], device=self.device)[None]

        def shares(adapter: str) -> Any:
            return self.logits(ids, mask, positions, self.new_cache(), [adapter], every=True)[0].log_softmax(-1)

        with torch.inference_mode():
            tuned = shares(name)
            with self._peft.disable_adapter() if alone else nullcontext():
                base = shares(BASE)
            differs = float((tuned.exp() * (tuned - base)).sum(-1).mean().clamp(min=0))
        return differs if math.isfinite(differs) else None

    def _drop_idle(self, needed: Set[str]) -> None:
        """Delete the adapters whose files were changed and, beyond the most that stay, those that rested longest."""
        loaded = list(self._peft.peft_config)
        places = {attached.name: place for place, attached in self._attached.items() if attached.name != BASE}
        replaced = [name for name in loaded if name not in places and name not in needed]
        resting = [name for name in places if name not in needed]
        dropped = [*replaced, *resting[: max(0, len(loaded) - len(replaced) - MOST_ADAPTERS)]]
        kept = [name for name in loaded if name not in dropped]
        if dropped and kept:
            # PEFT would choose another one, and warn, when the active adapter is deleted; rows name theirs in any case
            self._peft.set_adapter(kept[-1], inference_mode=True)
        for name in dropped:
            self._peft.delete_adapter(name)
            self._attached.pop(places.get(name, ""), None)
        if dropped:
            self.bytes = self._count()

    def _count(self) -> int:
        """The bytes of the base and of its adapters."""
        return sum(p.numel() * p.element_size() for p in self.model.parameters())

    def _put_in(self, name: str, adapter: Path, alone: bool) -> None:
        """Load an adapter beside the others. The base's own rows stay what they are, even when it fails half-way."""
        from peft import PeftConfig, PeftModel

        try:
            if self._peft is None:
                config = PeftConfig.from_pretrained(str(adapter))
                config.inference_mode = True
                self._peft = PeftModel(self.model, config, adapter_name=name, autocast_adapter_dtype=False)
            result = self._peft.load_adapter(
                str(adapter), adapter_name=name, autocast_adapter_dtype=False, torch_device=self.device
            )
            if result.missing_keys or result.unexpected_keys:
                odd = (result.missing_keys + result.unexpected_keys)[0]
                raise BadInput(f"The adapter in {adapter} does not belong to {self.name}: {odd} does not fit. Take its own base.")
        except BadInput:
            self.spoiled = True
            raise
        except (RuntimeError, ValueError, KeyError, OSError) as problem:
            self.spoiled = True
            if is_out_of_memory(problem):
                raise
            first = str(problem).strip().splitlines()[-1].strip()
            raise BadInput(
                f"The adapter in {adapter} cannot be put on {self.name}: {first} Train or register it again, on this base."
            ) from problem
        finally:
            if not alone:
                self._hook()
            self.model.eval()

    def _hook(self) -> None:
        """Let every adapted layer ask which row speaks with which adapter, or do without where none does.

        PEFT's own ``adapter_names`` puts hooks in for each call and leaves them there when the call raises. This is put in once
        and stays.
        """
        from peft.tuners.lora.layer import LoraLayer

        layers: list[Any] = [module for module in self.model.modules() if isinstance(module, LoraLayer)]
        for layer in layers:
            if layer not in self._hooked:
                layer.forward = self._by_rows(layer, layer.forward)
                self._hooked.add(layer)

    def _by_rows(self, layer: Any, adapted: Callable[..., Any]) -> Callable[..., Any]:
        plain = layer.base_layer.forward  # found once: it is asked dozens of times a token

        def forward(x: Any, *args: Any, **kwargs: Any) -> Any:
            if self._plain:
                return plain(x, *args, **kwargs)
            return adapted(x, *args, adapter_names=self._speaking, **kwargs)

        return forward

    def logits(self, ids: Any, mask: Any, positions: Any, cache: Any, adapters: list[str], every: bool = False) -> Any:
        """The logits of the next token of each row, (rows, vocabulary), float32; with ``every`` of the next one after each of
        ``ids``, (rows, columns, vocabulary). The cache grows by ``ids``."""
        import torch

        torch.set_num_threads(1 if self.bytes * ids.numel() < SMALL else self._threads)
        self._speaking, self._plain = adapters, all(name == BASE for name in adapters)
        out = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=0 if every else 1,
        )
        return out.logits.float() if every else out.logits[:, -1].float()

    def new_cache(self) -> Any:
        """An empty key-value cache for a batch."""
        from transformers import DynamicCache
        from transformers.cache_utils import DynamicLayer

        from engine.generation.room import RoomyLayer

        cache: Any = DynamicCache(config=self.model.config)
        cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
        return cache

    def cache_bytes(self, tokens: int) -> int:
        """About what a cache of this many tokens takes, at its largest."""
        config = self.model.config.get_text_config(decoder=True)
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        # keys and values; they are copied layer by layer when a token is added
        return int(2 * (config.num_hidden_layers + 1) * heads * width * self.model.dtype.itemsize * tokens)

    def forget(self) -> None:
        """Give the memory back; nothing can be asked any more."""
        self.prefixes.forget()
        self.model = self._peft = None
        self._attached, self._hooked = {}, set()
