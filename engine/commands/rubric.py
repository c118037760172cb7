"""``rubric ask | advise | list | show | hang | questions``: from a wish to a method, with the reasons, the cost and what to measure."""

import argparse
import json
import shlex
import sys
import textwrap
import tomllib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine import advice, rubric
from engine.commands import output, runs
from engine.errors import BadInput, UnreadableFile
from engine.jobs import submit
from engine.rubric import costs, questions
from engine.rubric.questions import Number, Question
from engine.rubric.ranking import NEVER, Advised, Ranked
from storage.home import Home
from storage.records import Advice

BACK, WIDTH = "<", 110
LINE = ".venv/bin/python -m engine"


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    group = commands.add_parser("rubric", help="whether to train at all, and how").add_subparsers(required=True, metavar="WHAT")
    ask = group.add_parser("ask", parents=[common], help="one question at a time, then the advice")
    ask.add_argument("--save", action="store_true", help="keep the advice")
    ask.set_defaults(command=_ask)
    given = group.add_parser("advise", parents=[common], help="the advice on answers that are given")
    given.add_argument("--answer", action="append", default=[], metavar="KEY=VALUE", help="an answer; may be repeated")
    given.add_argument("--file", metavar="ANSWERS", help="answers as TOML or JSON; those given by --answer come before it")
    given.add_argument("--save", action="store_true", help="keep the advice")
    given.set_defaults(command=_advise)
    listed = group.add_parser("list", parents=[common], help="the advice that was kept, and whether it held")
    listed.set_defaults(command=_list)
    show = group.add_parser("show", parents=[common], help="an advice, what was run on it, and whether it held")
    show.add_argument("advice", help="its number")
    show.set_defaults(command=_show)
    hang = group.add_parser("hang", parents=[common], help="say that a bake-off or a training was begun on an advice")
    hang.add_argument("advice", help="its number")
    hang.add_argument("run", help="number or name")
    hang.set_defaults(command=_hang)
    told = group.add_parser("questions", parents=[common], help="every question with its choices")
    told.set_defaults(command=_questions)


def _ask(home: Home, given: argparse.Namespace) -> int:
    answers: dict[str, Any] = {}
    walked: list[str] = []
    while (question := rubric.asked(answers)) is not None:
        output.note(f"\n{len(walked) + 1} of at most {questions.longest(answers)}: {question.text}\n  {question.why}")
        found = _answer(question, answers, home)
        if found is not None:
            answers |= found
            walked.append(question.id)
        elif walked:
            last = questions.find(walked.pop())
            for name in [last.id, *(number.id for number in last.numbers)]:
                answers.pop(name, None)
    return _give(home, answers, given)


def _answer(question: Question, answers: Mapping[str, Any], home: Home) -> dict[str, Any] | None:
    """What is typed to a question, asked for until it can be used; None for the way back."""
    found: dict[str, Any] = {}
    if question.choices:
        for place, choice in enumerate(question.choices, 1):
            output.note(f"  {place:2}  {choice.words}" + (f" ({choice.note})" if choice.note else ""))
    for field in question.fields(answers) or (None,):
        typed = _typed(question, field, advice.hardware(home) if question.id == "hardware" else "")
        if typed is None:
            return None
        found |= typed
    return found


def _typed(question: Question, field: Number | None, usual: str) -> dict[str, Any] | None:
    """One line that was typed, as an answer; asked again, with the reason, until it is one."""
    offered = [choice.id for choice in question.choices]
    several = ", several with commas between" if question.several else ""
    asks = (
        f"{field.text} ({field.examples})" if field else f"Number{several}" + (f" [{offered.index(usual) + 1}]" if usual else "")
    )
    if field is not None and field.default is not None:
        asks += f" [{field.default:g}]"
    while True:
        print(f"{asks}, or {BACK} to go back: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise BadInput("The answers ended before the questions did. `rubric questions` shows what is asked.")
        text = line.strip() or (f"{field.default:g}" if field and field.default is not None else usual)
        if text == BACK:
            return None
        parts = [
            offered[int(part) - 1] if part.strip().isdecimal() and 0 < int(part) <= len(offered) else part
            for part in text.split(",")
        ]
        try:
            return questions.read({field.id: text} if field else {question.id: ",".join(parts)})
        except BadInput as problem:
            output.note(f"  {problem}")


def _advise(home: Home, given: argparse.Namespace) -> int:
    return _give(home, {**_file(given.file), **runs.pairs("--answer", given.answer)}, given)


def _file(path: str | None) -> dict[str, Any]:
    text = output.text(path, "answers, as KEY = VALUE")
    try:
        found = json.loads(text or "{}") if not path or Path(path).suffix == ".json" else tomllib.loads(text)
    except ValueError as problem:
        raise UnreadableFile(
            f"{path} cannot be read ({problem}). Give answers as TOML, or as JSON in a file that is called .json."
        ) from None
    if not isinstance(found, dict):
        raise BadInput(f"{path} holds no answers by their names. `rubric questions` shows them.")
    return found


def _give(home: Home, answers: Mapping[str, Any], given: argparse.Namespace) -> int:
    complete = questions.complete(answers)
    advised = rubric.advise(complete)
    saved = advice.save(home, complete, token=uuid.uuid4().hex) if given.save else None
    if given.json:
        output.as_json({"id": saved.id if saved else None, "answers": complete, **output.plain(advised)})
        return 0
    _print(home, advised)
    if saved:
        print(f"\nKept as advice #{saved.id}; `rubric show {saved.id}` says later whether it held.")
    return 0


def _print(home: Home, advised: Advised) -> None:
    print(f"{advised.headline} {advised.sentence}")
    took = costs.costs(home)
    for way in advised.ways:
        print(f"\n{way.rank}. {way.title}: {way.verdict}")
        for sign, text in _lines(home, way, took):
            print(
                textwrap.fill(
                    text,
                    WIDTH,
                    initial_indent=f"   {sign} ",
                    subsequent_indent="     ",
                    break_on_hyphens=False,
                    break_long_words=False,
                )
            )


def _lines(home: Home, way: Ranked, took: Mapping[str, costs.Cost]) -> list[tuple[str, str]]:
    """What is told of a way, each line with its sign: for, against, or anything else."""
    lines = [("+", f"{reason.text} [{reason.source.name}]") for reason in way.pros]
    lines += [("-", f"{reason.text} [{reason.source.name}]") for reason in way.cons]
    if way.verdict == NEVER:
        return lines
    place = advice.filled(home, way)
    lines += [(" ", f"Missing: {'; '.join(way.missing)}")] if way.missing else []
    lines += [(" ", f"Smallest data: {way.smallest} [{way.smallest_source.name}]")]
    lines += [(" ", f"Cost: {way.cost}")] if way.cost else []
    lines += [(" ", f"Cost of {method}: {_seconds(took[method])}{took[method].basis}") for method in way.methods]
    lines += [(" ", f"Risk: {risk}") for risk in way.risks]
    lines += [(" ", f"Measure: {what}") for what in way.measure]
    lines += [(" ", f"Measure before it: {way.cheaper}"), (">", f"{LINE} {shlex.join(place.command)}")]
    return lines


def _seconds(cost: costs.Cost) -> str:
    return f"about {cost.seconds:,.0f} s, " if cost.runs and cost.seconds is not None else ""


def _told(home: Home, one: Advice) -> dict[str, Any]:
    held = advice.held(home, one)
    return {
        "id": one.id, "created_at": one.created_at, "advice": one.body["headline"], "first": one.body["ways"][0]["title"],
        "runs": [run.id for run in advice.runs_of(home, one)], "held": held.word, "sentence": held.sentence,
    }  # fmt: skip


def _list(home: Home, given: argparse.Namespace) -> int:
    told = [_told(home, one) for one in advice.every(home)]
    if given.json:
        output.as_json(told)
    else:
        rows = [
            (f"#{one['id']}", one["created_at"][:16].replace("T", " "), one["advice"], len(one["runs"]), one["held"])
            for one in told
        ]
        output.table(rows, ("advice", "given", "advised", "first", "runs", "held"))
    return 0


def _show(home: Home, given: argparse.Namespace) -> int:
    one = advice.find(home, given.advice)
    told = {**_told(home, one), "answers": one.answers, "body": one.body, "rules_changed": one.rubric != questions.fingerprint()}
    if given.json:
        output.as_json(told)
        return 0
    print(f"Advice #{one.id} of {one.created_at[:16].replace('T', ' ')}: {one.body['headline']} {one.body['sentence']}")
    print(told["sentence"] + (" The rules have changed since." if told["rules_changed"] else ""))
    print(f"Runs on it: {', '.join(map(str, told['runs'])) or 'none yet'}\n")
    output.table([(q.text, questions.told(q, one.answers)) for q in rubric.path(one.answers)], ("asked", "answered"))
    print()
    output.table([(way["rank"], way["title"], way["verdict"]) for way in one.body["ways"]], ("", "way", "verdict"))
    return 0


def _hang(home: Home, given: argparse.Namespace) -> int:
    one = advice.find(home, given.advice)
    advice.hang(home, one.id, submit.number(home, given.run))
    told = _told(home, one)
    if given.json:
        output.as_json(told)
    else:
        print(f"Runs on advice #{one.id}: {', '.join(map(str, told['runs']))}. {told['sentence']}")
    return 0


def _questions(home: Home, given: argparse.Namespace) -> int:
    if given.json:
        output.as_json(rubric.QUESTIONS)
        return 0
    for question in rubric.QUESTIONS:
        print(f"{question.text}\n  {question.why}")
        asks = "several of" if question.several else "one of"
        if question.choices:
            print(f"  {question.id} = {asks}: " + ", ".join(choice.id for choice in question.choices))
        for choice in question.choices:
            print(f"    {choice.id:15} {choice.words}" + (f" ({choice.note})" if choice.note else ""))
        for number in question.numbers:
            print(f"  {number.id} = {number.low:g} to {number.high:g} {number.unit}. {number.examples}")
        print()
    return 0
