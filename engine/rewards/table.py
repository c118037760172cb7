"""The one table of rewards: what an answer can be given a number for. A new reward is one entry here."""

import ast
import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from engine.data import tokens
from engine.errors import BadInput, NoSandbox, RunFailed
from engine.evaluation import judge as grading
from engine.evaluation import scorers
from engine.evaluation.scorer import Scorer
from engine.rewards import scoring
from engine.sandbox import contained

OWN = "reward"  # the function that a person's own reward code has
AT_ONCE = 8  # answers that a judge grades at the same time


@dataclass(frozen=True)
class Answer:
    """An answer to be rewarded: the row it answers, its text, its tokens, and whether the model ended it by itself."""

    row: Mapping[str, Any]
    text: str
    tokens: int
    ended: bool


Reward = Callable[[Sequence[Answer]], list[float | None]]  # None: it cannot say


@dataclass(frozen=True)
class Context:
    """What a reward may need beside the answers: the reward model's weights and its tokenizer, a person's own code, a judge's
    reply to messages; each when one is named."""

    model: Callable[[], tuple[Any, Any]] | None = None
    code: str = ""
    judge: Callable[[list[dict[str, str]]], str] | None = None


# the setting that names what an entry of the table draws on
SOURCES = {"model": "reward_model", "python": "reward_code", "judge": "judge_address"}


@dataclass(frozen=True)
class Kind:
    """A kind of reward: what it rewards, the arguments it takes with their defaults, and how it is made from them."""

    name: str
    help: str
    arguments: Mapping[str, Any]
    make: Callable[..., Reward]
    needs: tuple[str, ...] = ()  # columns of the data


def _each(score: Callable[[Answer], float | None]) -> Reward:
    return lambda answers: [score(answer) for answer in answers]


def _check(context: Context) -> Reward:
    return _each(lambda answer: scorers.score(scorers.validate(answer.row["check"]), answer.text, answer.row))


def _scored(kind: str) -> Callable[..., Reward]:
    """The reward of a kind of check whose arguments are the same for all rows, or whose value stands in a ``column``."""

    def make(context: Context, column: str | None = None, **given: Any) -> Reward:
        check = {"kind": kind, **{name: value for name, value in given.items() if value is not None}}
        if column is None:
            whole = scorers.validate(check, f"The reward {kind}")
            return _each(lambda answer: scorers.score(whole, answer.text, answer.row))

        def score(answer: Answer) -> float:
            whole = scorers.validate({**check, "value": answer.row[column]}, f"The column {column}")
            return scorers.score(whole, answer.text, answer.row)

        return _each(score)

    return make


def _of_check(scorer: Scorer) -> Kind:
    arguments = dict.fromkeys((*scorer.required, *scorer.options))
    valued = "value" in arguments
    return Kind(
        scorer.kind, f"{scorer.help}{'; column names a column that holds the value' if valued else ''}",
        {**arguments, "column": None} if valued else arguments, _scored(scorer.kind),
    )  # fmt: skip


def _ended(context: Context) -> Reward:
    return _each(lambda answer: float(answer.ended))


def _length(context: Context, least: int = 0, most: int = 64) -> Reward:
    if not (isinstance(least, int) and isinstance(most, int) and 0 <= least <= most and most > 0):
        raise BadInput(
            f"The reward length takes least and most, numbers of tokens with least <= most, not {least!r} and {most!r}."
        )

    def score(answer: Answer) -> float:
        if not answer.ended:
            return 0.0  # what was cut off has no length of its own
        if answer.tokens < least:
            return answer.tokens / least
        return max(0.0, 1 - max(0, answer.tokens - most) / most)

    return _each(score)


def _model(context: Context) -> Reward:
    if context.model is None:
        raise BadInput("The reward names model, and reward_model names none. Set reward_model to a reward model.")
    loaded = functools.cache(context.model)  # with the first answer, so that a reward can be read without any weights

    def score(answers: Sequence[Answer]) -> list[float | None]:
        weights, tokenizer = loaded()
        stop = tokens.stop_text(tokenizer)
        rows = [tokens.encode_answer(tokenizer, answer.row["prompt"], answer.text, stop).input_ids for answer in answers]
        return list(scoring.scores(weights, rows, tokenizer.pad_token_id))

    return score


def _python(context: Context) -> Reward:
    if not context.code.strip():
        raise BadInput("The reward names python, and reward_code is empty. Write a function reward(prompt, answer, row) into it.")
    try:
        written = {node.name for node in ast.parse(context.code).body if isinstance(node, ast.FunctionDef)}
    except SyntaxError as problem:
        raise BadInput(f"reward_code is no Python: {problem.msg} in line {problem.lineno}.") from None
    if OWN not in written:
        raise BadInput(f"reward_code has no function {OWN}(prompt, answer, row). It has: {', '.join(written) or 'none'}.")
    if (why := contained.missing()) is not None:
        raise NoSandbox(f"Your own reward runs contained or not at all, and here it cannot be: {why}.")

    def score(answers: Sequence[Answer]) -> list[float | None]:
        given = [[answer.row["prompt"], answer.text, dict(answer.row)] for answer in answers]
        try:
            told = contained.call(context.code, OWN, json.loads(json.dumps(given, default=str)))
        except contained.Ended as problem:
            raise RunFailed(f"Your reward gave nothing for {len(answers)} answers: {problem}.", "bad reward") from None
        return [_number(one, answer) for one, answer in zip(told, answers, strict=True)]

    return score


def _number(told: Mapping[str, Any], answer: Answer) -> float | None:
    value = told.get("value")
    if "error" in told or isinstance(value, bool) or not isinstance(value, int | float | None) or not math.isfinite(value or 0):
        what = told.get("error") or f"it gives {value!r}, which is no number"
        raise RunFailed(f"Your reward failed on the answer {answer.text[:200]!r}: {what}.", "bad reward")
    return None if value is None else float(value)


def _judged(context: Context) -> Reward:
    ask = context.judge
    if ask is None:
        raise BadInput("The reward names judge, and none is named. Set judge_address and judge.")

    def grade(answer: Answer) -> float | None:
        return grading.grade(ask, grading.question(answer.row["prompt"]), answer.text)

    def score(answers: Sequence[Answer]) -> list[float | None]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(grade, answers))

    return score


REWARDS = {
    kind.name: kind
    for kind in (
        Kind("check", "1 where the answer passes the row's own check, else 0", {}, _check, ("check",)),
        Kind("model", "What the reward model that is named gives the answer", {}, _model, ("prompt",)),
        Kind("python", "What your own function reward(prompt, answer, row) in reward_code gives, run in a sandbox", {}, _python, ("prompt",)),
        Kind("judge", "What a judge at judge_address gives the answer, from 0 to 1", {}, _judged, ("prompt",)),
        Kind("ended", "1 where the model ended its answer by itself within max_answer tokens, else 0", {}, _ended),
        Kind(
            "length", "1 from least to most tokens, falling to 0 on both sides, so that neither more nor less pays on and on; "
            "0 where the answer was cut off", {"least": 0, "most": 64}, _length,
        ),
        *map(_of_check, scorers.SCORERS.values()),
    )
}  # fmt: skip
