"""``train``, ``measure``, ``judge`` and ``sample``: what queues a run."""

import argparse
import sys
from typing import Any

from engine import keys
from engine.commands import output, runs
from engine.jobs import submit, supervisor
from engine.methods import METHODS
from engine.rewards import samples
from storage.home import Home


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    _add_train(commands, common)
    _add_judge(commands, common)
    _add_sample(commands, common)


def _add_train(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    train = commands.add_parser("train", parents=[common], help="queue a training run")
    train.add_argument("--method", required=True, choices=list(METHODS))
    train.add_argument("--model", required=True, help="the model to start from: name or #id")
    train.add_argument("--data", required=True, help="the data set: name, name@version or #id")
    train.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the method; may be repeated")
    train.add_argument("--name", help="name of the model that comes out")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16"))
    train.add_argument("--wait", action="store_true", help="wait for the end; exit code 4 when it fails")
    train.set_defaults(command=_train)
    measure = commands.add_parser("measure", parents=[common], help="score a model on a data set whose rows carry checks")
    measure.add_argument("model")
    measure.add_argument("--data", required=True)
    measure.add_argument("--against", help="another model, for the paired difference")
    measure.add_argument("--limit", type=int, help="only this many rows, a fixed random choice")
    measure.add_argument("--max-tokens", type=int, help="the longest answer in tokens; what goes on is cut")
    measure.set_defaults(command=_measure)


def _add_judge(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    judge = commands.add_parser("judge", parents=[common], help="make preference pairs: a model answers twice, a judge compares")
    judge.add_argument("model", help="the model that answers: name or #id")
    judge.add_argument("--data", required=True, help="the prompts")
    judge.add_argument("--name", required=True, help="name of the data set of pairs that comes out")
    judge.add_argument("--address", required=True, help="an OpenAI-compatible address, up to and with /v1")
    judge.add_argument("--judge", required=True, help="the judge's name at that address")
    judge.add_argument("--key", action="store_true", help="read the judge's key from standard input, and keep it for you alone")
    judge.add_argument(
        "--revise", action="store_true", help="let the judge criticise and rewrite one answer to each prompt instead"
    )
    judge.add_argument("--principles", metavar="FILE", help="what makes an answer the better one, a line each")
    _add_drawing(judge)
    judge.set_defaults(command=_judge)


def _add_sample(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    sample = commands.add_parser(
        "sample", parents=[common], help="let a model answer each prompt several times, and keep the answers"
    )
    sample.add_argument("model", help="the model that answers: name or #id")
    sample.add_argument("--data", required=True, help="the prompts")
    sample.add_argument("--name", required=True, help="name of the data set that comes out")
    sample.add_argument("--answers", type=int, default=4, help="answers to each prompt")
    sample.add_argument(
        "--keep", default="all", choices=list(samples.KEEPS), help="; ".join(f"{k}: {v}" for k, v in samples.KEEPS.items())
    )
    sample.add_argument("--reward", default="", help="what an answer is worth, like check + 0.2 * ended")
    sample.add_argument("--reward-model", default="", help="the reward model that model stands for in the reward")
    sample.add_argument(
        "--reward-code", metavar="FILE", help="Python with the function reward(prompt, answer, row) that python stands for"
    )
    sample.add_argument("--address", default="", help="of the judge that judge stands for in the reward")
    sample.add_argument("--judge", default="", help="the judge's name at that address")
    sample.add_argument(
        "--trust-anyway",
        action="store_true",
        help="though it does not beat the rule that the longer answer, or the shorter one, wins",
    )
    sample.add_argument("--least", type=float, default=0.0, help="with best: what an answer must be worth more than")
    _add_drawing(sample)
    sample.set_defaults(command=_sample)


def _add_drawing(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit", type=int, help="only this many prompts, a fixed random choice")
    command.add_argument("--temperature", type=float, default=1.0)
    command.add_argument("--top-p", type=float)
    command.add_argument("--max-tokens", type=int, help="the longest answer in tokens")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--wait", action="store_true", help="wait for the end; exit code 4 when it fails")


def _drawing(given: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(given, name) for name in ("temperature", "top_p", "max_tokens", "seed")}


def _train(home: Home, given: argparse.Namespace) -> int:
    run = submit.train(
        home, method=given.method, model=given.model, dataset=given.data, settings=runs.pairs("--set", given.set),
        name=given.name, seed=given.seed, dtype=given.dtype,
    )  # fmt: skip
    return runs.queued(home, run, given)


def _measure(home: Home, given: argparse.Namespace) -> int:
    run = submit.measure(
        home, model=given.model, dataset=given.data, against=given.against, limit=given.limit, max_tokens=given.max_tokens
    )
    supervisor.ensure(home)
    ended = runs.wait(home, run.id)
    runs.raise_if_failed(ended)
    if given.json:
        output.as_json(ended.summary)
        return 0
    s = ended.summary
    print(f"{ended.name}: {s['value']:.3f} (95 % interval {s['low']:.3f} to {s['high']:.3f}, n = {s['n']})")
    if s.get("difference"):
        d = s["difference"]
        print(
            f"difference to {given.against}: {d['value']:+.3f} (95 % interval {d['low']:+.3f} to {d['high']:+.3f}, the same {d['n']} items)"
        )
    return 0


def _judge(home: Home, given: argparse.Namespace) -> int:
    lines = output.text(given.principles, "a principle a line").splitlines()
    if given.key:
        keys.save(home, keys.JUDGE, sys.stdin.readline())
    run = submit.judge(
        home, model=given.model, dataset=given.data, address=given.address, judge=given.judge, name=given.name, principles=lines, revise=given.revise,
        limit=given.limit, sampling=_drawing(given),
    )  # fmt: skip
    return runs.queued(home, run, given)


def _sample(home: Home, given: argparse.Namespace) -> int:
    run = submit.sample(
        home, model=given.model, dataset=given.data, name=given.name, answers=given.answers, keep=given.keep, rewards=given.reward,
        reward_code=output.text(given.reward_code, "a function reward"), judge_address=given.address, judge=given.judge,
        reward_model=given.reward_model, trust_anyway=given.trust_anyway, least=given.least, limit=given.limit, sampling=_drawing(given),
    )  # fmt: skip
    return runs.queued(home, run, given)
