"""The ways there are, from the cheapest to the dearest: what each needs at least, its risks, and what to measure."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.methods.card import Source
from engine.rubric import sources as of
from engine.rubric.facts import LEAST, LEAST_TO_READ, Facts


@dataclass(frozen=True)
class Need:
    """One kind of data that serves: the choice that names it, its amount, and the least of it in words."""

    data: str
    field: str
    least: float
    words: str

    def met(self, facts: Facts) -> bool:
        return getattr(facts, self.field) >= self.least if self.field else self.data in facts.data


READING = Need("documents", "document_tokens", LEAST_TO_READ, f"{LEAST_TO_READ:,} tokens of documents")
SEARCHED = Need("documents", "document_tokens", LEAST["document_tokens"], "documents")
SHOWN = Need(
    "demonstrations", "demonstration_rows", LEAST["demonstration_rows"], f"{LEAST['demonstration_rows']:,} demonstrations"
)
PAIRED = Need("pairs", "pair_rows", LEAST["pair_rows"], f"{LEAST['pair_rows']:,} pairs")
MARKED = Need("marks", "mark_rows", LEAST["mark_rows"], f"{LEAST['mark_rows']:,} marked answers")
CHECKED = Need("prompts", "prompt_rows", LEAST["prompt_rows"], f"{LEAST['prompt_rows']:,} questions that can be checked")
JUDGED = Need("judge", "", 0, "a judge")


@dataclass(frozen=True)
class Option:
    """A way to get there. ``needs`` holds groups of which each has to be met by one of its members."""

    id: str
    title: str
    idea: str
    needs: tuple[tuple[Need, ...], ...]
    smallest: str
    smallest_source: Source
    risks: tuple[str, ...]
    measure: tuple[str, ...]
    cheaper: str  # what has to be measured before it
    cost: str  # of the way itself, beside its training


HELD_OUT = "Right answers on 100 to 400 questions that were held out, with the interval"
ELSEWHERE = "The same on questions of other kinds, before and after: what was forgotten"
KEPT_GOOD = "The best prompt with validators, on the same questions"

OPTIONS = {
    option.id: option
    for option in (
        Option(
            "prompting", "Prompting with validators",
            "Instructions, a few examples, and checks that ask again with the reason or allow nothing but the form.",
            (), "Nothing, or 3 to 30 good examples for the prompt.", of.BROWN,
            (
                "Brittle under paraphrase: other wordings of the same question can break what looked fine.",
                "Hostile instructions in a question can talk the model out of the prompt; only a validator holds.",
                "Each retry costs another answer.",
            ),
            (HELD_OUT, "The same questions paraphrased, with distractors and with hostile instructions",
             "How often a validator had to ask again, and how often it refused in the end"),
            "The bare model on the same questions", "An hour of writing; every answer reads the prompt again.",
        ),
        Option(
            "retrieval", "Retrieval",
            "The passages that fit a question are searched in your documents and put before the model.",
            ((SEARCHED,),), "One document; it grows with what is asked.", of.LEWIS,
            (
                "An answer can only be as right as the passage that was found.",
                "Hallucinated citations: a passage can be named that does not say it.",
                "Instructions hidden in a document can speak to the model; they have to be quoted, never obeyed.",
            ),
            ("Whether the right passage is among the first four (recall), apart from the answers", HELD_OUT,
             "Whether the claims are in the passages that are cited", "Whether it says so where the answer is in no document"),
            KEPT_GOOD, "An index once, and with each answer a search and some hundred tokens to read.",
        ),
        Option(
            "sft", "SFT",
            "The model learns to write the answers of your demonstrations.",
            ((SHOWN,),), "1,000 careful demonstrations; below 100 put them into the prompt as examples.", of.LIMA,
            (
                "It imitates the mistakes in the data like the rest.",
                "Facts that the model does not know teach it to make up others.",
                "Forgetting: other abilities can get worse.",
            ),
            (HELD_OUT, "The same questions paraphrased: what was learnt should hold for other wordings", ELSEWHERE),
            f"{KEPT_GOOD}, with your best demonstrations as examples", "",
        ),
        Option(
            "rejection", "Rejection sampling",
            "The model answers each question several times, and learns from the best of its own answers.",
            ((CHECKED, PAIRED, JUDGED),), "Some thousand questions; the Pocket lab takes 2,000 sums.", of.CARD,
            (
                "It learns nothing where no answer is right, and gains less than reinforcement learning.",
                "Answers that fool the check are learnt as well: read some of the best.",
            ),
            (HELD_OUT, "How many questions have a right one among eight answers: that is the room there is", ELSEWHERE),
            "The best of several answers, chosen by the check while answering", "",
        ),
        Option(
            "preference", "DPO or KTO",
            "Of two answers the better becomes likelier (DPO), or those marked good against those marked bad (KTO).",
            ((PAIRED, MARKED, JUDGED),),
            "1,000 pairs show a style, 10,000 to 100,000 are usual; the Pocket lab takes 1,650. KTO: some thousand marks.", of.CARD,
            (
                "Longer answers where the better ones were longer.",
                "Both answers can become less likely: it teaches nothing new.",
                "Forgetting: other abilities can get worse, with KTO more than with DPO.",
            ),
            ("Which of two answers people prefer, blind, against the start: 90 to 200 votes", ELSEWHERE, "The length of the answers"),
            "A prompt that describes the taste, compared blind with the bare model", "",
        ),
        Option(
            "reinforcement", "A reward with PPO, RLOO or GRPO",
            "The model answers while it trains, and what a check or a reward model rewards becomes likelier.",
            ((CHECKED, PAIRED, JUDGED),),
            "1,000 questions that can be checked, some of which it gets right now and then; or 1,000 pairs for a reward model.", of.SHAO,
            (
                "Reward hacking: it finds what the reward likes and nobody wants.",
                "It learns nothing from questions that it always or never gets right.",
                "Drift: the further it goes from its start, the more of the rest is lost.",
            ),
            (HELD_OUT, "The distance from the start in nats an answer, beside the reward", "Twenty answers of high reward, read by a person", ELSEWHERE),
            "Rejection sampling with the same reward, and before it the best of several answers", "",
        ),
        Option(
            "pretrain", "Continual pre-training, then post-training",
            "The model reads on in your documents with general text replayed, and learns to answer again after that.",
            ((READING,),),
            "Some million tokens, each fact in several wordings; published domains read billions. The Pocket lab's new domain has 145,000.",
            of.GURURANGAN,
            (
                "Forgetting: without general text replayed, instructions are lost altogether.",
                "It cannot say where it has something from, and makes up what it did not read.",
                "Facts stay as they were on the day of the training.",
            ),
            ("Questions on the documents without the documents, with the interval", ELSEWHERE, "Retrieval on the same questions",
             "Facts that are added after the training"),
            "Retrieval over the same documents, on the same questions", "",
        ),
        Option(
            "chain", "A road of several methods",
            "Stages one after the other as they were published, each measured before the next is begun.",
            ((SHOWN,),), "What each of its stages needs; the first is SFT on about 1,000 demonstrations.", of.OUYANG,
            (
                "A weak stage spoils those after it: set a bar between them.",
                "Whatever single stages forget adds up.",
            ),
            (HELD_OUT, "The bar between the stages", ELSEWHERE),
            "Its first stage alone", "",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Road:
    """A road of the gallery that suits aims, and the data of its later stages."""

    name: str
    aims: tuple[str, ...]
    needs: tuple[tuple[Need, ...], ...]


# the first one whose aim and data are there is named; where no data suffices, the first one of the aim
ROADS = (
    Road("r1", ("skill",), ((SHOWN,), (CHECKED,))),
    Road("instructgpt", ("strict",), ((SHOWN,), (PAIRED,))),
    Road("constitutional-ai", ("strict",), ((SHOWN,), (JUDGED,))),
    Road("stablelm-zephyr", ("taste", "rules", "unknown"), ((SHOWN,), (PAIRED,))),
    Road("zephyr", ("taste", "rules", "unknown"), ((SHOWN,), (JUDGED,))),
    Road("domain-medicine", ("language", "knowledge"), ((READING,), (SHOWN,), (PAIRED,))),
    Road("domain-coding", ("language", "knowledge"), ((READING,), (SHOWN,), (CHECKED,))),
    Road("domain-law", ("language", "knowledge"), ((READING,), (SHOWN,))),
)
LEAST_ROAD = {"language": "domain-law", "knowledge": "domain-law"}


def road(facts: Facts) -> Road:
    """The road that suits the aim with the data that there is."""
    fitting = [road for road in ROADS if facts.aim in road.aims]
    least = next((road for road in fitting if road.name == LEAST_ROAD.get(facts.aim)), fitting[0])
    return next((road for road in fitting if met(road.needs, facts)), least)


def needed(option: Option, facts: Facts) -> tuple[tuple[Need, ...], ...]:
    """What an option needs for this aim: a skill is lifted by a check, for which no pairs and no judge stand in."""
    if facts.aim == "skill" and option.id in ("rejection", "reinforcement"):
        return ((CHECKED,),)
    return road(facts).needs if option.id == "chain" else option.needs


def met(needs: tuple[tuple[Need, ...], ...], facts: Facts) -> bool:
    """Whether each group of needs is met by one of its members."""
    return all(any(need.met(facts) for need in group) for group in needs)


def missing(needs: tuple[tuple[Need, ...], ...], facts: Facts) -> tuple[tuple[Need, ...], ...]:
    """The groups that none of their members meets."""
    return tuple(group for group in needs if not any(need.met(facts) for need in group))


# the methods that an option begins with, in the order in which they are run
METHODS_OF: dict[str, Callable[[Facts], tuple[str, ...]]] = {
    "prompting": lambda facts: (),
    "retrieval": lambda facts: (),
    "sft": lambda facts: ("sft",),
    "rejection": lambda facts: ("rejection",) if facts.checked or not facts.pairs else ("reward", "rejection"),
    "preference": lambda facts: ("kto",) if facts.marks and not facts.pairs else ("dpo",),
    "reinforcement": lambda facts: ("grpo",) if facts.checked else ("reward", "rloo") if facts.pairs else ("rloo",),
    "pretrain": lambda facts: ("pretrain", "sft"),
}
