"""What stands around models, in a filled home: prompt versions, an index, a bake-off with its items, a deployment. Some is hostile."""

import random
from typing import Any

from engine.deployments import freeze
from engine.deployments.setup import Setup
from engine.evaluation import intervals, measure, sentences
from engine.prompting import versions
from engine.retrieval import documents, indexes
from storage import evaluations, runs
from storage.home import Home
from storage.records import Deployment, Interval, Run
from tests.filled import HOSTILE

GUARDS = {
    "checks": [{"kind": "length", "most": 12}, {"kind": "words", "forbidden": ["sorry"]}],
    "retries": 1,
    "refusal": "It is not said.",
}
KINDS = {
    "base": ("base", 0.04),
    "base, polite": ("prompt", 0.06),
    "base, passages": ("retrieval", 0.82),
    "support-sft": ("tuned", 0.55),
    "support-sft, passages, guards": ("combined", 0.93),
    HOSTILE[:70]: ("guards", 0.05),
}
ASKED = 60


def fill(home: Home, made: dict[str, Any]) -> dict[str, Any]:
    """Fill a home that tests/filled.py has filled; what comes back names the new things."""
    versions.save(home, "polite", {"system": "Be polite.", "template": "{question}"}, "first words")
    versions.save(home, "polite", {"system": HOSTILE, "template": "{question}", "variables": {"company": HOSTILE}}, HOSTILE)
    index = indexes.create(home, "handbook")
    texts = {"hours.md": "The library opens at nine. On Sundays it is closed.", f"evil {HOSTILE[:40]}": HOSTILE}
    indexes.update(home, index, [documents.of_text(name, text) for name, text in texts.items()])
    setup = {"model": "support-sft", "prompt": "", "index": "handbook@1", "passages": 2, "by": "both", "guards": GUARDS}
    deployment = freeze.freeze(home, "desk", Setup.checked(setup))
    score(home, deployment, made)
    return {"index": indexes.find(home, "handbook"), "deployment": deployment, "bakeoff": bakeoff(home, made)}


def score(home: Home, deployment: Deployment, made: dict[str, Any]) -> None:
    """A measured score of the deployment."""
    evaluations.insert(
        home, model_id=deployment.model_id, dataset_id=made["data"]["prompt"].id, run_id=None, score=Interval(0.9, 0.8, 0.95, 60),
        settings={}, items=[("2 + 2 = ?", "4", 1.0)], deployment_id=deployment.id,
    )  # fmt: skip


def bakeoff(home: Home, made: dict[str, Any]) -> Run:
    """A bake-off that has ended, of candidates of every kind."""
    data, chance = made["data"]["prompt"], random.Random(0)
    candidates = [
        {"name": name, "model": f"#{(made['tuned'] if kind in ('tuned', 'combined') else made['base']).id}", "prompt": "",
         "index": "handbook@1" if "passages" in name else "", "passages": 2, "by": "both", "guards": GUARDS if "guards" in name else {}}
        for name, (kind, _) in KINDS.items()
    ]  # fmt: skip
    request = {
        "dataset_id": data.id,
        "candidates": candidates,
        "limit": None,
        "max_tokens": 24,
        "variants": ["paraphrase", "hostile", "absent"],
        "entailment": "",
    }
    queued = runs.insert(home, kind="bakeoff", name="sums-held-out, 6 ways", request=request, token=None)
    scores = {name: [float(chance.random() < share) for _ in range(ASKED)] for name, (_, share) in KINDS.items()}
    told = [candidate(home, one, scores, made, queued.id) for one in candidates]
    runs.reorder(home, [queued.id])
    claimed = runs.claim(home)
    assert claimed is not None and claimed.id == queued.id
    summary = {"n": ASKED, "cheapest": "base", "candidates": told, "sentences": sentences.of(told, scores), "differences": []}
    runs.end(home, queued.id, "succeeded", summary=summary)
    run = runs.get(home, queued.id)
    assert run is not None
    return run


def candidate(
    home: Home, one: dict[str, Any], scores: dict[str, list[float]], made: dict[str, Any], run_id: int
) -> dict[str, Any]:
    """What a bake-off's summary holds of one candidate, its items stored."""
    name, (kind, _) = one["name"], KINDS[one["name"]]
    its, cites = scores[one["name"]], "passages" in one["name"]
    passages = [{"document": "hours.md", "id": 1, "text": HOSTILE}] if cites else []
    stored = evaluations.insert(
        home, model_id=made["base"].id, dataset_id=made["data"]["prompt"].id, run_id=run_id, score=intervals.of_scores(its), settings={},
        items=[(f"2 + 2 = ? ({i}) {HOSTILE}", f"It is {i}. {HOSTILE}", score) for i, score in enumerate(its)],
        more=[{"tokens": 7, "tries": 2, "refused": not i % 9, "problems": [HOSTILE], "passages": passages} for i in range(ASKED)],
    )  # fmt: skip
    share = measure.named(intervals.wilson(ASKED - 4, ASKED))
    tuned = kind in ("tuned", "combined")
    return {
        "name": name,
        "kind": kind,
        "setup": {key: value for key, value in one.items() if key != "name"},
        "model_id": made["base"].id,
        "fingerprint": "ab12" * 16,
        "evaluation_id": stored.id,
        **measure.named(intervals.of_scores(its)),
        "difference": measure.named(intervals.paired_difference(its, scores["base"])) if name != "base" else None,
        "tokens": 9.2,
        "prompt_tokens": 143.0 if cites else 17.0,
        "seconds": 0.21 if cites else 0.05,
        "tries": 1.2,
        "refused": 3 if "guards" in name else 0,
        "training_seconds": 204.0 if tuned else 0.0,
        "variants": {
            "paraphrase": measure.named(intervals.of_scores(its[:40])),
            "hostile": measure.named(intervals.of_scores([0.0, *its[:20]])),
            **({"absent": measure.named(intervals.wilson(40, ASKED))} if cites else {}),
        },
        **(
            {"recall": share, "reciprocal_rank": 0.91, "faithful": share, "citations": 12, "citations_right": share}
            if cites
            else {}
        ),
    }
