"""Why one way is better than another: the literal table of rules. The more weight, the more it decides; below zero it speaks against.

A rule that ``bars`` says that a way cannot do what is wanted at all. Every rule has its source.
"""

from collections.abc import Callable
from dataclasses import dataclass

from engine.methods.card import Source
from engine.rubric import sources as of
from engine.rubric.facts import CLOSE, ONE_PROMPT, SOON, Facts
from engine.rubric.sources import OWN, gained

TRAININGS = ("pretrain", "sft", "preference", "reinforcement", "rejection", "chain")
UNTRAINED = ("prompting", "retrieval")
ANSWERS = "instructions followed"


@dataclass(frozen=True)
class Rule:
    """Where ``when`` holds, ``reason`` speaks for (weight above 0) or against each of ``options``."""

    options: tuple[str, ...]
    weight: int
    when: Callable[[Facts], bool]
    reason: str
    source: Source
    bars: bool = False


def _for(option: str, aims: str, weight: int, reason: str, source: Source, bars: bool = False) -> Rule:
    """A rule on what an option does for some aims."""
    wanted = aims.split()
    return Rule((option,), weight, lambda facts: facts.aim in wanted, reason, source, bars)


FITS = (
    _for("prompting", "rules", 6,
         "A few rules of form can be said and enforced: a validator asks again with the reason, constrained decoding allows no other form.", of.WILLARD),
    _for("prompting", "knowledge", 1, "Facts that stand in the prompt are used without any training.", of.BROWN),
    _for("prompting", "language", 2,
         "A glossary and some examples in the prompt go a long way with a field's words.", of.BROWN),
    _for("prompting", "strict", 3,
         "Each rule that can be checked can be a validator, which lets no answer through that breaks it.", of.MADAAN),
    _for("prompting", "strict", -1,
         "Long prompts are brittle: other wordings of the same question, or of the prompt, move how many rules are kept.", of.SCLAR),
    _for("prompting", "skill", 2,
         "Worked examples, and room to reason before the answer, lift what a model can do already.", of.WEI),
    _for("prompting", "taste", 2,
         "A description of the tone with two or three examples is often enough, and costs an hour.", of.BROWN),
    _for("prompting", "unknown", 6,
         "Read twenty answers to a clear prompt first: what goes wrong decides everything else.", of.RIBEIRO),
    _for("retrieval", "rules taste", -4,
         "It brings facts, not form or tone: the answers would know more and look as before.", of.LEWIS, bars=True),
    _for("retrieval", "skill", -4,
         "Passages bring facts; they do not make a model better at working something out.", of.LEWIS, bars=True),
    _for("retrieval", "strict", 1,
         "With a long policy, the rules that matter to a question can be looked up instead of all being in the prompt.", of.LIU),
    _for("retrieval", "knowledge", 6,
         "Looked-up passages brought more right answers on new facts than fine-tuning on the same text did.", of.OVADIA),
    _for("retrieval", "language", 2,
         "Passages show a field's words in use, and explain them where the documents do.", of.LEWIS),
    _for("retrieval", "unknown", 1,
         "If answers turn out wrong for want of facts, documents are the first thing to try.", of.OVADIA),
    _for("pretrain", "rules strict taste", -4,
         "It teaches to go on with a text, not how an answer has to be.", of.GURURANGAN, bars=True),
    _for("pretrain", "skill", -2,
         "Reading about a skill helps with much text only; being rewarded for right results helps sooner.", of.SHAO),
    _for("pretrain", "knowledge", 2,
         f"It puts facts into the weights: closed-book answers on a new domain rose by {gained('pretrain', 'facts of the new domain, closed book')}.", OWN),
    _for("pretrain", "language", 5, "Reading on in a field's own text is what adapts a model to its language.", of.GURURANGAN),
    _for("sft", "rules", 2, f"Examples teach a form well: instructions followed rose by {gained('sft', ANSWERS)}.", OWN),
    _for("sft", "knowledge", -2, "Answers with facts that a model does not know teach it to invent others.", of.GEKHMAN),
    _for("sft", "language", 2, "Questions and answers in a field's own words show how they are used.", of.LIMA),
    _for("sft", "strict", 4,
         "Answers that keep every rule, and refuse what has to be refused, teach it without a long prompt.", of.OUYANG),
    _for("sft", "skill", 2, "Worked solutions are the usual first step before rewards.", of.R1),
    _for("sft", "taste", 2, "A thousand careful answers in one voice set the tone.", of.LIMA),
    _for("preference", "rules", -3, "A form is said exactly by a rule; comparing answers says it with noise.", of.RAFAILOV),
    _for("preference", "knowledge", -4,
         "Comparing its own answers teaches no fact that the model does not have.", of.CARD, bars=True),
    _for("preference", "language", -3, "It moves which wording is chosen among those the model knows already.", of.RAFAILOV),
    _for("preference", "strict", 3,
         "A kept and a broken rule side by side show where the line is, which examples alone do not.", of.RAFAILOV),
    _for("preference", "skill", -3, "Preferences between solutions are a weaker sign than the check that there is.", of.SHAO),
    _for("preference", "taste", 9,
         "Taste is easier to point at than to write down, and pairs move it without a reward model.", of.RAFAILOV),
    _for("reinforcement", "rules", 1, "A form that can be checked is an exact reward.", of.R1),
    _for("reinforcement", "knowledge language", -4,
         "Only what the model says now and then can be rewarded; what it does not know it never says.", of.CARD, bars=True),
    _for("reinforcement", "strict", 2, "Rules can be rewards, beside what people prefer.", of.GLAESE),
    _for("reinforcement", "skill", 7,
         f"Rewarding right results is what lifts a skill that can be checked: sums rose by {gained('grpo', 'sums right')}.", OWN),
    _for("reinforcement", "taste", 2, "A reward model of people's pairs, pushed further than pairs alone go.", of.OUYANG),
    _for("rejection", "rules", 1,
         "Of several own answers those that keep the form are learnt; that is as stable as SFT.", of.TOUVRON),
    _for("rejection", "knowledge language", -4,
         "The best of its own answers still hold no fact that the model does not have.", of.CARD, bars=True),
    _for("rejection", "strict", 2,
         "Own answers that pass every check become examples, without anybody writing them.", of.ZELIKMAN),
    _for("rejection", "skill", 4,
         f"Learning from its own right answers is simple and lifts a skill: sums rose by {gained('rejection', 'sums right')}.", OWN),
    _for("rejection", "taste", 1, "The answer that a reward model likes best can be learnt as an example.", of.TOUVRON),
    _for("chain", "rules", -2, "Several stages for what one prompt with a validator can do.", of.WILLARD),
    _for("chain", "knowledge language", 1,
         "Reading on and then SFT on the field's questions is how domain models were made.", of.GURURANGAN),
    _for("chain", "strict", 3,
         "Published assistants that keep a policy were made in stages: examples, then preferences or rewards.", of.OUYANG),
    _for("chain", "skill", 2,
         "Examples, rewards, and examples again of the best answers: the road that DeepSeek-R1 took.", of.R1),
    _for("chain", "taste", 1, "Examples first and pairs after is the usual order.", of.TUNSTALL),
    Rule(TRAININGS, -6, lambda f: f.aim == "unknown",
         "Until somebody has read what goes wrong, nobody can say whether this would mend it.", of.RIBEIRO),
)  # fmt: skip

TRIED = (
    Rule(("prompting",), 2, lambda f: f.untried, "It has not been tried, and nothing is cheaper to find out.", of.BROWN),
    Rule(("prompting",), -5, lambda f: f.fell_short,
         "It was tried and is not good enough; examples, validators and constrained decoding may not be exhausted yet.", of.SCLAR),
    Rule(("prompting",), 4, lambda f: f.aim == "rules" and f.fell_short and "guards" not in f.measured,
         "What was tried by hand was only asked for; a validator or constrained decoding enforces it.", of.WILLARD),
    Rule(("prompting",), 4, lambda f: f.fell_short and f.prompted is not None and f.needed - f.prompted <= CLOSE,
         "Only a few answers of 100 are missing: asking again with the reason often closes that.", of.MADAAN),
    Rule(("prompting",), 20, lambda f: f.prompting_suffices,
         "It is good enough as it is: there is nothing to train for.", of.BROWN),
    Rule(("retrieval",), 20, lambda f: f.retrieval_suffices,
         "It was measured, and is good enough: there is nothing to train for.", of.OVADIA),
    Rule(("retrieval",), -5, lambda f: f.retrieved is not None and not f.retrieval_suffices,
         "It was measured and is not good enough; first see whether the right passages were found at all.", of.LEWIS),
    Rule(TRAININGS, -20, lambda f: f.suffices,
         "What needs no training is good enough, and a training can only add cost and side effects.", of.OVADIA),
    Rule(TRAININGS, -1, lambda f: f.untried,
         "Nobody knows yet what a good prompt reaches, so nobody would know what this has added.", of.BROWN),
)  # fmt: skip

FRESHNESS = (
    Rule(("retrieval",), 3, lambda f: f.factual and f.changes == "daily",
         "Facts change daily: a document is exchanged in seconds, weights are not.", of.LEWIS),
    Rule(("retrieval",), 2, lambda f: f.factual and f.changes == "monthly",
         "Facts change every month: the index follows by its changed documents alone.", of.LEWIS),
    Rule(("retrieval",), 1, lambda f: f.factual and f.changes == "yearly",
         "Some facts change every year, and an index follows.", of.LEWIS),
    Rule(("pretrain", "chain"), -8, lambda f: f.factual and f.changes == "daily",
         "Facts change daily: what was read into the weights is out of date before the training ends.", of.OVADIA),
    Rule(("pretrain", "chain"), -3, lambda f: f.factual and f.changes == "monthly",
         "Facts change every month, and each time it would have to be trained again.", of.OVADIA),
    Rule(("pretrain",), -1, lambda f: f.factual and f.changes == "yearly",
         "It has to be repeated when the facts change.", of.IBRAHIM),
    Rule(("pretrain",), 1, lambda f: f.factual and f.changes == "never",
         "What hardly changes is worth learning once.", of.GURURANGAN),
    Rule(("sft",), -2, lambda f: f.factual and f.changes in ("daily", "monthly"),
         "Answers with facts of today teach what will be wrong soon.", of.GEKHMAN),
    Rule(("retrieval",), 3, lambda f: f.citations,
         "An answer can name the passage that it rests on, and the citation can be checked.", of.GAO_CITE),
    Rule(("pretrain", "sft", "chain"), -3, lambda f: f.citations,
         "A model that answers from its weights has nothing to cite, and citations that it writes may be invented.", of.GAO_CITE),
    Rule(("prompting",), 4, lambda f: f.factual and 0 < f.document_tokens <= ONE_PROMPT,
         "The documents are short enough to stand in every prompt as they are.", of.LIU),
    Rule(("retrieval",), -4, lambda f: f.factual and 0 < f.document_tokens <= ONE_PROMPT,
         "The documents fit into one prompt, so there is nothing to search.", of.LIU),
    Rule(("prompting",), -2, lambda f: f.aim == "knowledge" and f.document_tokens > ONE_PROMPT,
         "The documents are too long for one prompt, and what stands in the middle of a long one is overlooked.", of.LIU),
)  # fmt: skip

AMOUNTS = (
    Rule(("pretrain",), 2, lambda f: f.document_tokens >= 10_000_000,
         "There is enough text for reading on to show.", of.GURURANGAN),
    Rule(("pretrain",), -2, lambda f: 0 < f.document_tokens < 1_000_000,
         "So little text teaches facts only when each stands there in many wordings.", of.ALLEN_ZHU),
    Rule(("sft",), 2, lambda f: f.demonstration_rows >= 1_000,
         "A thousand careful demonstrations were enough to make an assistant.", of.LIMA),
    Rule(("prompting",), 1, lambda f: 0 < f.demonstration_rows < 100,
         "So few demonstrations do more as examples in the prompt.", of.BROWN),
    Rule(("preference",), 2, lambda f: f.pair_rows >= 1_000 or f.mark_rows >= 5_000,
         "There are enough judgements to move a style.", OWN),
    Rule(("preference",), 1, lambda f: f.marks and not f.pairs,
         "Single answers marked good or bad are enough for KTO; nobody has to make pairs of them.", of.ETHAYARAJH),
    Rule(("chain",), 1, lambda f: f.aim == "strict" and f.judge,
         "A judge can criticise answers by written principles, so that rules need not be labelled.", of.BAI),
    Rule(("preference",), 1, lambda f: f.judge and not f.pairs,
         "A judge can compare the model's own answers, so that nobody has to label.", of.TUNSTALL),
    Rule(("reinforcement",), 2, lambda f: f.prompt_rows >= 1_000, "A thousand questions and more can be checked.", of.SHAO),
    Rule(("rejection",), 1, lambda f: f.checked, "The checks pick the right ones among its own answers.", of.ZELIKMAN),
    Rule(("reinforcement", "rejection"), -3, lambda f: not f.checked and f.judge and not f.pairs,
         "A judge alone can be fooled, and pushing towards it finds out how.", of.GAO),
    Rule(("reinforcement",), -2, lambda f: not f.checked and f.pairs,
         "A reward model is fooled in the end by what is pushed towards it; pairs alone need none.", of.GAO),
    Rule(("chain",), 1, lambda f: f.demonstrations and (f.pairs or f.checked or f.readable),
         "There is data for more than one stage.", of.OUYANG),
)  # fmt: skip

BOUNDS = (
    Rule(("prompting",), -1, lambda f: f.seconds < SOON,
         "Long prompts and second tries take time that there is not.", of.MADAAN),
    Rule(("retrieval",), -2, lambda f: f.seconds < SOON,
         "Searching, and reading the passages, comes before the first word of every answer.", of.LEWIS),
    Rule(("sft",), 2, lambda f: f.seconds < SOON,
         "What a long prompt says can be put into the weights, and answers begin at once.", of.ASKELL),
    Rule(TRAININGS, -20, lambda f: f.hours == 0, "There is no time for a training.", OWN),
    Rule(("pretrain", "chain"), -2, lambda f: 0 < f.hours < 1,
         "Of all ways these take the longest, and there is less than an hour.", OWN),
    Rule(("reinforcement",), -1, lambda f: 0 < f.hours < 1,
         "Most of its time goes into writing answers, and there is less than an hour.", OWN),
    Rule(("retrieval",), 2, lambda f: f.factual and f.privacy == "rights",
         "What somebody may not read can be kept in an index of its own.", of.LEWIS),
    Rule(("pretrain", "sft", "chain"), -2, lambda f: f.privacy == "rights",
         "What was learnt can be drawn out again by anybody who may ask.", of.CARLINI),
    Rule(("preference", "reinforcement", "rejection"), -1, lambda f: f.privacy == "inside" and f.judge,
         "A judge elsewhere would see the texts; only one on your own machines may be asked.", of.ZHENG),
    Rule(("pretrain",), -2, lambda f: f.hardware == "cpu", "Without a GPU only a small model can read a useful amount.", OWN),
    Rule(("reinforcement",), -1, lambda f: f.hardware == "cpu",
         "Without a GPU the writing of answers while it trains takes long.", OWN),
    Rule(("rejection",), 1, lambda f: f.hardware == "cpu" and f.checked,
         "Answers are written once and then learnt as in SFT, which a CPU can bear for a small model.", OWN),
    Rule(("sft", "preference"), 1, lambda f: f.hardware in ("medium", "large"),
         "Adapters on a quantised model fit this GPU well.", of.DETTMERS),
)  # fmt: skip

REGRESSIONS = (
    Rule(UNTRAINED, 1, lambda f: f.regressions == "none",
         "The weights stay as they are, so nothing else gets worse.", of.LEWIS),
    Rule(("pretrain",), -2, lambda f: f.regressions == "none",
         f"It moves other answers: {gained('pretrain', ANSWERS)} with general text replayed, {gained('pretrain without replay', ANSWERS)} without.", OWN),
    Rule(("sft", "chain"), -1, lambda f: f.regressions == "none",
         "Fine-tuning forgets; adapters forget less than full fine-tuning does.", of.BIDERMAN),
    Rule(("preference",), -1, lambda f: f.regressions == "none",
         f"It moves other answers: instructions followed went by {gained('dpo', ANSWERS)} with DPO, {gained('kto', ANSWERS)} with KTO.", OWN),
    Rule(("reinforcement",), -1, lambda f: f.regressions == "none",
         "What is not rewarded drifts; the distance from the start has to be watched.", of.OUYANG),
    Rule(("pretrain",), 1, lambda f: f.regressions == "any", "That other answers get worse may be borne.", of.IBRAHIM),
)  # fmt: skip

RULES = (*FITS, *TRIED, *FRESHNESS, *AMOUNTS, *BOUNDS, *REGRESSIONS)
