"""The tools that models may call here, one line each. None of them reaches anything outside its own arguments and the row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput
from engine.evaluation.queries import FAILURES, Tables
from engine.tools.calculator import calculate

DATABASE = "database"  # the column of a row whose statements make the tables that lookup reads
ROWS = 20  # of a result that a model is shown


class ToolFailed(Exception):
    """A call that came to nothing; the message is what the model is told."""


@dataclass(frozen=True)
class Tool:
    """A function that a model may call: what it is told about it, and what a call gives.

    ``parameters`` are texts, each with a description. ``run`` takes the arguments and the row of the prompt.
    """

    name: str
    about: str
    parameters: Mapping[str, str]
    run: Callable[[Mapping[str, str], Mapping[str, Any]], str]

    @property
    def specification(self) -> dict[str, Any]:
        """The tool as chat templates take it: OpenAI's function, with a JSON Schema of its arguments."""
        properties = {name: {"type": "string", "description": about} for name, about in self.parameters.items()}
        schema = {"type": "object", "properties": properties, "required": list(self.parameters)}
        return {"type": "function", "function": {"name": self.name, "description": self.about, "parameters": schema}}

    def call(self, arguments: Any, row: Mapping[str, Any]) -> str:
        """What the tool answers. ToolFailed where the arguments are not its own, or it cannot be done."""
        if not isinstance(arguments, Mapping) or set(arguments) != set(self.parameters):
            raise ToolFailed(f"{self.name} takes {', '.join(self.parameters)}")
        return self.run({name: str(value) for name, value in arguments.items()}, row)


def _calculated(arguments: Mapping[str, str], row: Mapping[str, Any]) -> str:
    try:
        return calculate(arguments["sum"])
    except ValueError as problem:
        raise ToolFailed(str(problem)) from None


def _looked_up(arguments: Mapping[str, str], row: Mapping[str, Any]) -> str:
    try:
        tables = Tables(str(row.get(DATABASE) or ""))
        try:
            rows = tables.rows(arguments["statement"].strip().rstrip(";"))
        finally:
            tables.close()
    except FAILURES as problem:
        raise ToolFailed(str(problem)) from None
    shown = [" | ".join("" if value is None else str(value) for value in row) for row in rows[:ROWS]]
    more = [f"and {len(rows) - ROWS} more rows"] if len(rows) > ROWS else []
    return "\n".join(shown + more) or "no rows"


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("calculator", "Works out + - * / and brackets", {"sum": "Such as (3 + 4) * 12"}, _calculated),
        Tool("lookup", "Reads the tables with a SELECT", {"statement": "One SELECT, in SQLite's words"}, _looked_up),
    )
}


def specifications(named: Any) -> list[Any]:
    """The ``tools`` of a row with each name of a tool of ours replaced by its specification. BadInput names one that is unknown."""
    if not isinstance(named, list):
        raise BadInput("`tools` is not a list of tools.")
    for tool in named:
        if isinstance(tool, str) and tool not in TOOLS:
            raise BadInput(f"`tools` names {tool!r}; by their names alone there are {', '.join(TOOLS)}.")
    return [TOOLS[tool].specification if isinstance(tool, str) else tool for tool in named]


def offered(specified: Any) -> dict[str, Tool]:
    """The tools that the specifications of a row name. BadInput when one of them is not here to be run."""
    found = {}
    for tool in specified or ():
        name = tool.get("function", tool).get("name") if isinstance(tool, Mapping) else tool
        if name not in TOOLS:
            raise BadInput(f"The tool {name} cannot be run here: there are {', '.join(TOOLS)}. Leave such rows out.")
        found[name] = TOOLS[name]
    return found


def runnable(specified: Any) -> bool:
    """Whether a row has tools, and all of them can be run here."""
    try:
        return bool(offered(specified))
    except BadInput:
        return False
