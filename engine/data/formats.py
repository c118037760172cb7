"""The formats that data comes in, recognised by their columns, and how each becomes one of the shapes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.data import dialogues
from engine.data.shapes import SHAPES, UnusableRow, pack, unpack
from engine.errors import BadInput, WrongShape
from engine.tools.table import specifications

Row = dict[str, Any]
TRUTH = {1: True, 0: False, "true": True, "false": False, "1": True, "0": False}
NO_INPUT = ("", "<noinput>")  # how Alpaca's files say that a task has no input

PROMPTS = ("prompt", "question", "instruction", "query", "input", "messages", "conversations", "conversation")
ANSWERS = ("completion", "response", "output", "answer")
TURNS = ("conversations", "conversation", "messages")


@dataclass(frozen=True)
class Format:
    """One format. ``needs`` and ``may`` name, for each part of a row, the columns that can hold it, the most usual first."""

    name: str
    shape: str
    needs: Mapping[str, Sequence[str]]
    may: Mapping[str, Sequence[str]] = field(default_factory=dict)


CONTEXT = {"context": ("input", "context"), "system": ("system",)}
# the first format that half of the rows have the columns of is taken, so those that need most come first
FORMATS = (
    Format(
        "chosen / rejected pairs", "preference", {"chosen": ("chosen",), "rejected": ("rejected",)},
        {"prompt": PROMPTS, "margin": ("margin",), "reason": ("reason", "rationale"), **CONTEXT},
    ),
    Format("labelled conversations", "unpaired", {"messages": TURNS, "label": ("label", "kto_tag")}, {"system": ("system",)}),
    Format("labelled answers", "unpaired", {"prompt": PROMPTS, "completion": ANSWERS, "label": ("label", "kto_tag")}, CONTEXT),
    Format("ShareGPT conversations", "messages", {"messages": TURNS[:2]}, {"system": ("system",), "tools": ("tools",)}),
    Format("OpenAI messages", "messages", {"messages": TURNS[2:]}, {"system": ("system",), "tools": ("tools",)}),
    Format("Alpaca tasks", "prompt_completion", {"prompt": ("instruction",), "instances": ("instances",)}),
    Format("Alpaca", "prompt_completion", {"prompt": ("instruction",), "completion": ("output", "response")}, {"history": ("history",), **CONTEXT}),
    Format("prompt / completion", "prompt_completion", {"prompt": ("prompt",), "completion": ("completion", "response")}, CONTEXT),
    Format(
        "question / answer", "prompt_completion",
        {"prompt": ("question", "query"), "completion": ("answer", "response")}, {"context": ("context",), "system": ("system",)},
    ),
    Format("input / output", "prompt_completion", {"prompt": ("input",), "completion": ("output",)}, {"system": ("system",)}),
    Format("prompts", "prompt", {"prompt": PROMPTS}, {"context": ("input",), "system": ("system",), "tools": ("tools",)}),
    Format("text", "text", {"text": ("text", "content", "document")}),
)  # fmt: skip


def truth(value: Any) -> Any:
    """``value`` as true or false where it can mean only that, else unchanged."""
    if isinstance(value, float | int | str):
        return TRUTH.get(value.strip().lower() if isinstance(value, str) else value, value)
    return value


def _resolve(wanted: Format, row: Mapping[str, Any]) -> dict[str, str] | None:
    """The column of ``row`` that holds each needed part; None where one is not there."""
    columns: dict[str, str] = {}
    for part, names in wanted.needs.items():
        name = _column(names, row, columns)
        if name is None:
            return None
        columns[part] = name
    return columns


def _column(names: Sequence[str], present: Iterable[str], taken: Mapping[str, str]) -> str | None:
    """The first of ``names`` that is ``present`` however it is capitalised; a column that holds another part does not count."""
    folded = {column.strip().lower(): column for column in present}
    return next((folded[n] for n in names if n in folded and folded[n] not in taken.values()), None)


def _fits(wanted: Format, row: Mapping[str, Any]) -> bool:
    columns = _resolve(wanted, row)
    if columns is None:
        return False
    if wanted.shape == "text":
        # rows that are single turns are a conversation cut up, not documents
        return not dialogues.is_turn(row)
    if "label" in columns:
        return isinstance(truth(row[columns["label"]]), bool)
    if wanted.shape == "messages":
        held = row[columns["messages"]]
        return not isinstance(held, list) or any(
            dialogues.is_turn(t) and dialogues.ROLE_NAMES.get(str(t.get("role", t.get("from"))).lower()) == "assistant"
            for t in held
        )
    return True


class Conversations(Exception):
    """The first conversation in a file that held plain texts so far: begin again, with every text as a turn."""


@dataclass
class Layout:
    """How the rows of one file are read: which column holds which part, and whether they hold conversations."""

    source_format: str
    shape: str
    columns: dict[str, str]  # part -> how the file calls the column
    conversational: bool
    split: bool  # chosen and rejected hold what was asked as well: what they share at their beginning is the prompt
    ignored: set[str] = field(default_factory=set)  # columns and keys of turns that were met and not read

    def __post_init__(self) -> None:
        self._known = frozenset(self.columns.values()) | {"check"}

    def rows(self, row: Row) -> Iterator[Row]:
        """The rows of the shape that ``row`` holds (one; several for a task with several instances); UnusableRow where it holds none."""
        if "instances" in self.columns:
            yield from self._instances(row)
        else:
            yield self._finished(self._convert(row), row)

    def _instances(self, row: Row) -> Iterator[Row]:
        instances = row.get(self.columns["instances"])
        if not isinstance(instances, list) or not instances:
            raise UnusableRow(f"`{self.columns['instances']}` is not a list of examples with input and output.")
        for instance in instances:
            if not isinstance(instance, Mapping):
                raise UnusableRow(
                    f"An example of `{self.columns['instances']}` is {pack(instance)[:60]}, not an object with input and output."
                )
            prompt = _joined(_plain(row.get(self.columns["prompt"])), _plain(instance.get("input")))
            yield self._finished({"prompt": prompt, "completion": _plain(instance.get("output"))}, row)

    def _finished(self, result: Row, row: Row) -> Row:
        """``result`` with the check of its row and, for prompts, every other column."""
        if not row.keys() <= self._known:
            notes = {name: row[name] for name in SHAPES[self.shape].notes if isinstance(row.get(name), str | int | float)}
            others = row.keys() - self._known - result.keys() - notes.keys()
            result |= notes
            if self.shape == "prompt":
                result |= {
                    name: pack(row[name]) if isinstance(row[name], list | dict) else row[name] for name in row if name in others
                }
            else:
                self.ignored |= others
        check = row.get("check")
        if check is not None and check != "":
            result["check"] = check if isinstance(check, str) else pack(check)
        return result

    def _convert(self, row: Row) -> Row:
        if self.shape == "text":
            return {"text": row.get(self.columns["text"])}
        if self.shape == "messages":
            return self._conversation(row)
        if self.shape == "preference":
            return self._preference(row)
        result: Row = {"prompt": self._prompt(row)}
        if "completion" in self.columns:
            result["completion"] = self._answer(row, "completion")
        elif self.shape in ("prompt_completion", "unpaired"):
            result["prompt"], result["completion"] = result["prompt"][:-1], result["prompt"][-1:]
        if "label" in self.columns:
            result["label"] = truth(row.get(self.columns["label"]))
        return result | self._tools(row) if self.shape == "prompt" else result

    def _conversation(self, row: Row) -> Row:
        if "messages" in self.columns:
            result: Row = {"messages": self._prompt(row)}
        else:
            asked, answer = self._prompt(row), self._answer(row, "completion")
            for turns, part in ((asked, "prompt"), (answer, "completion")):
                if not isinstance(turns, list):
                    raise UnusableRow(f"`{self.columns[part]}` is missing.")
            result = {"messages": asked + answer}
        return result | self._tools(row)

    def _tools(self, row: Row) -> Row:
        """The tools that a row offers, ours by their names alone or any by their specifications, as JSON text."""
        tools = unpack(row.get(self.columns.get("tools", "tools")))
        try:
            return {"tools": pack(specifications(tools))} if tools else {}
        except BadInput as problem:
            raise UnusableRow(str(problem)) from problem

    def _preference(self, row: Row) -> Row:
        if self.split:
            prompt, chosen, rejected = self._shared(row)
        else:
            prompt, chosen, rejected = self._prompt(row), self._answer(row, "chosen"), self._answer(row, "rejected")
        result: Row = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
        margin = row.get(self.columns.get("margin", "margin"))
        if margin is not None and margin != "":
            result["margin"] = _number(margin, self.columns.get("margin", "margin"))
        reason = row.get(self.columns.get("reason", "reason"))
        if isinstance(reason, str) and reason.strip():
            result["reason"] = reason
        return result

    def _shared(self, row: Row) -> tuple[Any, Any, Any]:
        held = {name: _plain(row.get(name)) for name in (self.columns["chosen"], self.columns["rejected"])}
        told = any(dialogues.is_dialogue(value) or dialogues.is_spoken(value) for value in held.values())
        if not told and "prompt" not in self.columns:
            return self._begun(row, held)
        prompt, chosen, rejected = dialogues.split_shared(*(self._turns(value, name) for name, value in held.items()))
        if not prompt:
            raise UnusableRow(
                "The chosen and the rejected dialogue do not begin with the same turns, so it is not known what was asked."
            )
        return prompt, chosen, rejected

    def _begun(self, row: Row, held: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        """Two texts that hold what was asked as well."""
        for name, value in held.items():
            if not isinstance(value, str):
                raise UnusableRow(
                    f"`{name}` is missing."
                    if value is None
                    else f"`{name}` is {pack(value)[:60]}, neither text nor a conversation."
                )
        prompt, chosen, rejected = dialogues.split_texts(*held.values())
        if not prompt.strip():
            raise UnusableRow(
                f"There is no column `prompt`, and `{'` and `'.join(held)}` do not begin with the same words, so it is not known "
                "what was asked. Add a column `prompt` that says it."
            )
        if not self.conversational:
            return prompt, chosen, rejected
        asked = [{"role": "user", "content": prompt}]
        better, worse = ([{"role": "assistant", "content": answer}] for answer in (chosen, rejected))
        return [*self._before(row, asked), *asked], better, worse

    def _turns(self, value: Any, name: str) -> list[Row]:
        if not self.conversational:
            self.conversational = True
            raise Conversations
        return dialogues.turns(value, name, self.ignored)

    def _part(self, row: Row, part: str) -> Any:
        return row.get(self.columns[part]) if part in self.columns else None

    def _prompt(self, row: Row) -> Any:
        """What is asked, with its context and what came before: a text, or turns."""
        part = "prompt" if "prompt" in self.columns else "messages"
        if part not in self.columns:
            return None
        value, name = row.get(self.columns[part]), self.columns[part]
        if not dialogues.is_dialogue(value) and not dialogues.is_spoken(value) and part == "prompt":
            value = _joined(_plain(value), _plain(self._part(row, "context")))
            if not self.conversational or not isinstance(value, str):
                return _refuse_turns(value, name)
            asked = [{"role": "user", "content": value}]
        else:
            asked = self._turns(value, name)
        return [*self._before(row, asked), *asked]

    def _before(self, row: Row, asked: list[Row]) -> list[Row]:
        """What comes before the first turn: the system's words and earlier exchanges, where columns hold them."""
        system, history = self._part(row, "system"), self._part(row, "history")
        before: list[Row] = []
        if isinstance(system, str) and system.strip() and asked and asked[0]["role"] != "system":
            before.append({"role": "system", "content": system})
        for exchange in unpack(history) or []:
            if not isinstance(exchange, list) or len(exchange) != 2:
                raise UnusableRow("`history` is not a list of pairs of question and answer.")
            before += [
                {"role": role, "content": _plain(said)} for role, said in zip(("user", "assistant"), exchange, strict=True)
            ]
        return before

    def _answer(self, row: Row, part: str) -> Any:
        value, name = row.get(self.columns[part]), self.columns[part]
        if dialogues.is_dialogue(value):
            return self._turns(value, name)
        value = _refuse_turns(_plain(value), name)
        return [{"role": "assistant", "content": value}] if self.conversational and isinstance(value, str) else value


def _refuse_turns(value: Any, name: str) -> Any:
    """``value``; UnusableRow where it is a list or an object that is not a conversation."""
    if isinstance(value, list | dict):
        raise UnusableRow(f"`{name}` is {pack(value)[:60]}, neither text nor a conversation.")
    return value


def _plain(value: Any) -> Any:
    """A number that stands where a text belongs, as text: the answer 4 is the answer "4"."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _joined(prompt: Any, context: Any) -> Any:
    """An instruction and the input it is about, as one prompt."""
    if not isinstance(prompt, str) or not isinstance(context, str) or context.strip().lower() in NO_INPUT:
        return prompt
    return f"{prompt}\n\n{context}"


def _number(value: Any, name: str) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UnusableRow(f"`{name}` is {str(value)[:40]!r}, not a number.") from None


# which other shapes a format can be read as on request, and which parts that takes
OTHER_WAYS = {
    "messages": (Format("conversations of one exchange", "messages", {"prompt": PROMPTS, "completion": ANSWERS}, {**CONTEXT, "tools": ("tools",)}),),
    "prompt_completion": (
        Format("conversations up to their last answer", "prompt_completion", {"messages": TURNS}, {"system": ("system",)}),
        Format("answers", "prompt_completion", {"prompt": PROMPTS, "completion": ANSWERS}, CONTEXT),
    ),
}  # fmt: skip


def _candidates(shape: str | None) -> tuple[Format, ...]:
    if shape is None:
        return FORMATS
    if shape not in SHAPES:
        raise WrongShape(
            f"There is no shape {shape!r}. Choose one of {', '.join(SHAPES)}, or leave it out to have it recognised."
        )
    return tuple(f for f in FORMATS if f.shape == shape) + OTHER_WAYS.get(shape, ())


def _layout(wanted: Format, sample: Sequence[Row]) -> Layout:
    columns = next(found for row in sample if (found := _resolve(wanted, row)) is not None)
    present = {name for row in sample for name in row}
    for part, names in wanted.may.items():
        name = _column(names, present, columns)
        if name is not None:
            columns[part] = name
    split = False
    if wanted.shape == "preference":
        if "prompt" not in columns and "context" in columns:
            columns["prompt"] = columns.pop("context")
        split = "prompt" not in columns or any(_is_whole(row, columns) for row in sample)
    parts = [columns[p] for p in ("messages", "prompt", "completion", "chosen", "rejected") if p in columns]
    holds_turns = any(dialogues.is_dialogue(row.get(c)) or dialogues.is_spoken(row.get(c)) for row in sample for c in parts)
    conversational = (
        holds_turns or "messages" in columns or "system" in columns or "history" in columns or wanted.shape == "messages"
    )
    return Layout(wanted.name, wanted.shape, columns, conversational, split)


def _is_whole(row: Row, columns: Mapping[str, str]) -> bool:
    """Whether the chosen answer of a row is a whole dialogue, which begins with what was asked."""
    chosen = row.get(columns["chosen"])
    if dialogues.is_spoken(chosen):
        return True
    return isinstance(chosen, list) and dialogues.is_dialogue(chosen) and str(chosen[0].get("role", chosen[0].get("from"))).lower() in (
        "user", "human", "system", "prompter",
    )  # fmt: skip


def recognise(sample: Sequence[Row], shape: str | None = None) -> Layout:
    """How the file that begins with the rows ``sample`` is read; WrongShape lists its columns where no format has them.

    With ``shape`` only the formats that give that shape are tried.
    """
    candidates = _candidates(shape)
    # a shape that is asked for is taken by its columns; what they hold is for the checks to say
    fits = _fits if shape is None else lambda wanted, row: _resolve(wanted, row) is not None
    counts = [sum(fits(wanted, row) for row in sample) for wanted in candidates]
    half = next((f for f, count in zip(candidates, counts, strict=True) if count * 2 >= len(sample) and count), None)
    if half is None and any(counts):
        half = candidates[counts.index(max(counts))]
    if half is None:
        raise WrongShape(_unknown(sample, shape))
    return _layout(half, sample)


def _unknown(sample: Sequence[Row], shape: str | None) -> str:
    names = list(dict.fromkeys(name for row in sample for name in row))
    held = "`, `".join(names[:12])
    if shape is not None:
        return f"The rows hold the columns `{held}`, but shape {shape} needs {', '.join(SHAPES[shape].columns)}."
    if len(names) == 1:
        return (
            f"The rows hold one column, `{held}`, so there is nothing to learn an answer from. For plain documents call the column `text`; "
            "if the columns are parted by another sign than a comma, semicolon, tab or bar, save the file with one of those."
        )
    return (
        f"The rows hold the columns `{held}`, which is none of the known formats. Rename them to one of: text | messages | "
        "prompt, completion | question, answer | instruction, input, output | prompt, chosen, rejected | prompt, completion, label | prompt."
    )
