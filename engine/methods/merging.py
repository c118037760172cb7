"""Merging an adapter into its base: one folder that any other program loads, proven to speak alike."""

from pathlib import Path

from engine.errors import Damaged
from engine.generation import batch
from engine.methods import loading
from storage import files

TOLERANCE = 2e-3  # of the largest logit, in float32; merging in float32 leaves about 1e-6


def merge(base: Path, adapter: Path | None, target: Path, dtype: str) -> float:
    """Write base plus adapter as one model in ``dtype``; returns the largest relative difference of the logits.

    Damaged when the merged float32 logits are not those of base plus adapter.
    """
    import torch
    from peft import PeftModel

    tokenizer = loading.load_tokenizer(adapter or base)
    model = loading.load_model(base, "float32").eval()
    generator = torch.Generator().manual_seed(0)
    probe = torch.randint(0, model.get_input_embeddings().num_embeddings, (2, 32), generator=generator)
    with torch.no_grad():
        joined = PeftModel.from_pretrained(model, str(adapter)).eval()
        wanted = joined(input_ids=probe, use_cache=False).logits
        whole = joined.merge_and_unload()
        found = whole(input_ids=probe, use_cache=False).logits
    difference = float((wanted - found).abs().max() / wanted.abs().max())
    if not difference <= TOLERANCE:
        raise Damaged(f"The merged weights answer differently from base and adapter (by {difference:.2g}). Nothing was written.")
    batch.name_ends(whole, tokenizer)
    whole.to(getattr(torch, dtype)).save_pretrained(target)
    tokenizer.save_pretrained(target)
    files.seal(target)
    return difference
