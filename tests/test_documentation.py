"""What the README says is what there is, both ways where it can be."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import __main__ as command_line
from engine.methods import METHODS
from engine.methods.method import Setting, settings_of
from engine.rewards.table import REWARDS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every command with its words, down to those that have no commands below them."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield path, parser
    for action in below:
        for word, part in action.choices.items():
            yield from commands(part, (*path, word))


COMMANDS = dict(commands(command_line.parser()))
SETTINGS = [(method, setting) for method in METHODS.values() for setting in settings_of(method.settings)]


def section(title: str) -> str:
    """The README's text below the heading ``title``."""
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, f"the README has no section {title!r}"
    return found[1]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_and_each_of_its_options_are_in_the_readme(words: tuple[str, ...]) -> None:
    block = section("Command line")
    line = next((line for line in block.splitlines() if line.startswith(" ".join(words))), None)
    assert line is not None, f"no line of the README's command line section begins with {' '.join(words)!r}"
    options = {option for action in COMMANDS[words]._actions for option in action.option_strings if option.startswith("--")}
    missing = {option for option in options - {"--help", "--json"} if not re.search(rf"{option}\b", line)}
    assert not missing, f"{' '.join(words)}: the README does not name {missing}"


def test_the_readme_names_no_command_that_is_not_there() -> None:
    lines = [
        line
        for block in re.findall(r"```\n(.*?)```", section("Command line"), re.DOTALL)
        for line in block.splitlines()
        if line.strip()
    ]
    known = {" ".join(words) for words in COMMANDS}
    assert lines
    assert not [line for line in lines if not any(line == name or line.startswith(f"{name} ") for name in known)]


def test_every_command_says_in_a_line_what_it_does() -> None:
    def without_help(parser: argparse.ArgumentParser) -> Iterator[str]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                told = {choice.dest for choice in action._choices_actions if choice.help}
                yield from set(action.choices) - told
                for part in action.choices.values():
                    yield from without_help(part)

    assert not list(without_help(command_line.parser()))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_in_the_readmes_table(name: str) -> None:
    assert re.search(rf"^\| `{name}` \|", section("Methods"), re.MULTILINE)


@pytest.mark.parametrize("name", REWARDS)
def test_a_reward_is_in_the_readmes_table(name: str) -> None:
    assert re.search(rf"^\| [^|]*`{name}`[^|]* \|", section("Rewards"), re.MULTILINE)


@pytest.mark.parametrize(("method", "setting"), SETTINGS, ids=[f"{m.name}-{s.name}" for m, s in SETTINGS])
def test_a_setting_has_help_and_bounds_and_a_default_within_them(method: object, setting: Setting) -> None:
    assert len(setting.help.split()) >= 3
    if setting.kind in (int, float):
        assert setting.low is not None and setting.high is not None
    elif setting.kind is str:
        assert setting.choices or setting.refers or setting.name in ("rewards", "reward_code", "judge_address", "judge")
    assert setting.parse(setting.default) == setting.default


def test_the_readmes_file_tree_names_what_is_there_and_only_that() -> None:
    tree = re.search(r"```text\n(.*?)```", section("The house"), re.DOTALL)
    assert tree
    named, stack = set(), []
    for line in tree[1].splitlines():
        match = re.match(r"^( *)(\S+)", line)
        if match:
            depth = len(match[1]) // 2
            stack = [*stack[:depth], match[2].rstrip("/")]
            named.add("/".join(stack))
    assert not [name for name in named if not (ROOT / name).exists()]
    there = {
        path.parent.relative_to(ROOT).as_posix() for top in ("pages", "engine", "storage") for path in (ROOT / top).rglob("*.py")
    }
    missing = {name for name in there if name not in named and "/migrations" not in name}
    assert not missing, f"the README's tree does not name {missing}"


def test_what_make_can_do_is_in_the_readme() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets
    assert not [target for target in targets if f"make {target}" not in README]


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = re.findall(r"^## (\d+)\. ", (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert numbers and [int(number) for number in numbers] == list(range(1, len(numbers) + 1))
