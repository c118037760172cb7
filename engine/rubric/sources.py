"""Where the rules come from: papers, and what this project has measured itself."""

import functools
import json
from pathlib import Path
from typing import Any

from engine.methods.card import Source, arxiv

RECIPE = Path(__file__).parents[2] / "assets" / "pocket" / "recipe.json"
OWN = Source("Measured on the Pocket model, README: Methods", "README.md#methods")
CARD = Source("The method's card, README: Methods", "README.md#methods")

LEWIS = arxiv("Lewis et al. 2020, Retrieval-augmented generation for knowledge-intensive NLP tasks", "2005.11401")
OVADIA = arxiv("Ovadia et al. 2023, Fine-tuning or retrieval?", "2312.05934")
GEKHMAN = arxiv("Gekhman et al. 2024, Does fine-tuning LLMs on new knowledge encourage hallucinations?", "2405.05904")
LIMA = arxiv("Zhou et al. 2023, LIMA: Less is more for alignment", "2305.11206")
GURURANGAN = arxiv("Gururangan et al. 2020, Don't stop pretraining", "2004.10964")
IBRAHIM = arxiv(
    "Ibrahim et al. 2024, Simple and scalable strategies to continually pre-train large language models", "2403.08763"
)
ALLEN_ZHU = arxiv("Allen-Zhu and Li 2023, Physics of language models 3.1", "2309.14316")
OUYANG = arxiv("Ouyang et al. 2022, InstructGPT", "2203.02155")
RAFAILOV = arxiv("Rafailov et al. 2023, Direct preference optimization", "2305.18290")
ETHAYARAJH = arxiv("Ethayarajh et al. 2024, KTO", "2402.01306")
TUNSTALL = arxiv("Tunstall et al. 2023, Zephyr", "2310.16944")
SHAO = arxiv("Shao et al. 2024, DeepSeekMath (GRPO)", "2402.03300")
R1 = arxiv("DeepSeek-AI 2025, DeepSeek-R1", "2501.12948")
GAO = arxiv("Gao et al. 2022, Scaling laws for reward model overoptimization", "2210.10760")
GLAESE = arxiv("Glaese et al. 2022, Sparrow", "2209.14375")
BAI = arxiv("Bai et al. 2022, Constitutional AI", "2212.08073")
TOUVRON = arxiv("Touvron et al. 2023, Llama 2", "2307.09288")
ZELIKMAN = arxiv("Zelikman et al. 2022, STaR", "2203.14465")
BROWN = arxiv("Brown et al. 2020, Language models are few-shot learners", "2005.14165")
WEI = arxiv("Wei et al. 2022, Chain-of-thought prompting", "2201.11903")
MADAAN = arxiv("Madaan et al. 2023, Self-Refine", "2303.17651")
SCLAR = arxiv("Sclar et al. 2023, Quantifying language models' sensitivity to spurious features in prompt design", "2310.11324")
RIBEIRO = arxiv("Ribeiro et al. 2020, Beyond accuracy: Behavioral testing of NLP models with CheckList", "2005.04118")
WILLARD = arxiv("Willard and Louf 2023, Efficient guided generation for large language models", "2307.09702")
LIU = arxiv("Liu et al. 2023, Lost in the middle", "2307.03172")
GAO_CITE = arxiv("Gao et al. 2023, Enabling large language models to generate text with citations", "2305.14627")
CARLINI = arxiv("Carlini et al. 2020, Extracting training data from large language models", "2012.07805")
ASKELL = arxiv("Askell et al. 2021, A general language assistant as a laboratory for alignment", "2112.00861")
BIDERMAN = arxiv("Biderman et al. 2024, LoRA learns less and forgets less", "2405.09673")
ZHENG = arxiv("Zheng et al. 2023, Judging LLM-as-a-judge with MT-Bench and Chatbot Arena", "2306.05685")
DETTMERS = arxiv("Dettmers et al. 2023, QLoRA", "2305.14314")


@functools.cache
def effects() -> tuple[dict[str, Any], ...]:
    """What `make effects` has measured on the Pocket model, a method and seed each."""
    return tuple(json.loads(RECIPE.read_text(encoding="utf-8"))["measured"])


def gained(method: str, means: str) -> str:
    """The points that the seeds of a method gained or lost, as in ``-4 to +1 points`` or ``86 to 88 points``."""
    found = [
        round(100 * measured["gain"]["value"])
        for effect in effects()
        if effect["method"] == method
        for measured in effect["measured"]
        if measured["means"] == means
    ]
    low, high = min(found), max(found)
    signed = "d" if low > 0 else "+d"
    return f"{low:{signed}} points" if low == high else f"{low:{signed}} to {high:{signed}} points"


def seconds(method: str) -> float | None:
    """What the quickest seed of a method took on the Pocket model and two CPU cores."""
    return min((effect["seconds"] for effect in effects() if effect["method"] == method), default=None)
