"""``ask``, ``host start | status | key | stop`` and ``outside list | allow | models | forget``: models that answer."""

import argparse
import sys

from engine.commands import output
from engine.deployments import freeze
from engine.errors import BadInput
from engine.generation import ask, outside
from engine.generation.answers import MAX_TOKENS, OWN, TEMPLATES, Asked, Sampling
from storage.home import Home


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    asking = commands.add_parser("ask", parents=[common], help="ask one or several models the same thing")
    asking.add_argument(
        "model", nargs="+", help="a name or #number, a deployment, a checkpoint name@step, or a model outside, model@address"
    )
    asking.add_argument("--prompt", required=True)
    asking.add_argument("--system")
    asking.add_argument("--greedy", action="store_true", help="the same as --temperature 0")
    asking.add_argument("--temperature", type=float, default=0.7)
    asking.add_argument("--top-p", type=float, default=1.0)
    asking.add_argument("--seed", type=int, default=0)
    asking.add_argument("--max-tokens", type=int, default=MAX_TOKENS)
    asking.add_argument("--template", choices=TEMPLATES, default=OWN, help="another chat template than the models' own")
    asking.add_argument("--index", default="", help="documents to look passages up in before each answers")
    asking.set_defaults(command=_ask)

    hosts = commands.add_parser("host", help="the model host, for other programs on this machine").add_subparsers(
        required=True, metavar="WHAT"
    )
    start = hosts.add_parser("start", parents=[common], help="start it, and say how an OpenAI client finds it")
    start.add_argument("--port", type=int, default=0, help="any free one by default")
    start.set_defaults(command=_start)
    status = hosts.add_parser("status", parents=[common], help="what it has in memory, and what it does")
    status.set_defaults(command=_status)
    key = hosts.add_parser("key", help="print its key alone, as in OPENAI_API_KEY=$(python -m engine host key)")
    key.set_defaults(command=_key)
    stop = hosts.add_parser("stop", parents=[common], help="end it; what it is saying ends too")
    stop.set_defaults(command=_stop)

    away = commands.add_parser("outside", help="models behind other OpenAI-compatible addresses").add_subparsers(
        required=True, metavar="WHAT"
    )
    listed = away.add_parser("list", parents=[common], help="the addresses that may be asked")
    listed.set_defaults(command=_list)
    allow = away.add_parser("allow", parents=[common], help="put an address on the list")
    allow.add_argument("name", help="what its models are called by: model@name")
    allow.add_argument("address", help="up to and with /v1, as in http://localhost:11434/v1")
    allow.add_argument("--model", action="append", default=[], help="a model to offer there; all that it lists by default")
    allow.add_argument("--key", action="store_true", help="read the key from standard input")
    allow.set_defaults(command=_allow)
    there = away.add_parser("models", parents=[common], help="what an address says it has")
    there.add_argument("name")
    there.set_defaults(command=_models)
    forget = away.add_parser("forget", parents=[common], help="take an address off the list, and its key off the disk")
    forget.add_argument("name")
    forget.set_defaults(command=_forget)


def _ask(home: Home, given: argparse.Namespace) -> int:
    messages = [{"role": "system", "content": given.system}] if given.system else []
    messages.append({"role": "user", "content": given.prompt})
    for name in given.model:
        if outside.find(home, name) is None:
            freeze.around(home, name, given.index)
    sampling = Sampling.checked(
        {
            "seed": given.seed, "temperature": 0.0 if given.greedy else given.temperature, "top_p": given.top_p,
            "max_tokens": given.max_tokens,
        }
    )  # fmt: skip
    asked = [Asked(name, messages, sampling, given.template, given.index) for name in given.model]
    answers = ask.wait_for(home, ask.start_each(home, asked))
    if given.json:
        output.as_json(answers)
    else:
        for answer in answers:
            who = answer.fingerprint[:12] or f"{answer.base} at {answer.outside}"
            print(f"── {answer.model} ({who}, {answer.tokens} tokens, {answer.seconds:.2f} s)")
            print(answer.error or answer.text)
            for source in answer.sources:
                print(
                    f"  [{source.number}]{'*' if source.cited else ' '} {source.document}: {' '.join(source.text.split())[:100]}"
                )
    return BadInput.exit_code if any(answer.error for answer in answers) else 0


def _start(home: Home, given: argparse.Namespace) -> int:
    address = ask.ensure(home, given.port)
    if given.json:
        output.as_json({"url": f"{address.url}/v1"})
        return 0
    print(f"The model host answers at {address.url}/v1 until it is stopped. For an OpenAI client:")
    print(f"export OPENAI_BASE_URL={address.url}/v1")
    print("export OPENAI_API_KEY=$(python -m engine host key)")
    return 0


def _status(home: Home, given: argparse.Namespace) -> int:
    seen = ask.health(home)
    if given.json:
        output.as_json(seen or {})
    elif seen is None:
        print("No model host runs. `python -m engine host start`, the chat or `ask` starts it.")
    else:
        print(f"{seen['live']} answers are being given, {seen['waiting']} wait.")
        for held in seen["memory"]:
            print(f"{held['name']}: {held['bytes'] / 1e6:,.0f} MB as {held['dtype']}, {len(held['adapters'])} adapters")
    return 0


def _key(home: Home, given: argparse.Namespace) -> int:
    print(ask.ensure(home).token)
    return 0


def _stop(home: Home, given: argparse.Namespace) -> int:
    ended = ask.shutdown(home)
    output.as_json({"ended": ended}) if given.json else print("The model host has ended." if ended else "No model host runs.")
    return 0


def _list(home: Home, given: argparse.Namespace) -> int:
    found = outside.places(home)
    if given.json:
        output.as_json(found)
    else:
        output.table([(place.name, place.address, ", ".join(place.references)) for place in found], ("name", "address", "models"))
    return 0


def _allow(home: Home, given: argparse.Namespace) -> int:
    key = sys.stdin.readline().strip() if given.key else ""
    place = outside.allow(home, given.name, given.address, key, given.model)
    if not given.model:
        place = outside.offer(home, place, outside.listed(home, place))
    if given.json:
        output.as_json(place)
    else:
        print(f"{place.address} may be asked. Its models: {', '.join(place.references) or 'none'}")
    return 0


def _models(home: Home, given: argparse.Namespace) -> int:
    found = outside.listed(home, outside.place(home, given.name))
    output.as_json(found) if given.json else print("\n".join(f"{model}@{given.name}" for model in found))
    return 0


def _forget(home: Home, given: argparse.Namespace) -> int:
    outside.forget(home, given.name)
    output.as_json({"forgotten": given.name}) if given.json else print(f"{given.name} is off the list, and its key is gone.")
    return 0
