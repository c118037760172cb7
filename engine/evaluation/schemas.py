"""JSON Schema for checks, run in a bounded way: no network, no backtracking patterns, a limit on time."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from engine.errors import BadInput
from engine.evaluation import patterns

DEEPEST = 40  # levels of an answer; what is nested deeper is not valid, since following it would overflow Python's stack
SECONDS = 2.0  # a schema whose parts refer to each other can take for ever on one short answer
_deadline: ContextVar[float] = ContextVar("deadline")


class _OutOfTime(Exception):
    pass


def examine(schema: Any) -> str | None:
    """What is wrong with a schema, or None when answers can be checked against it."""
    from jsonschema import SchemaError

    if not isinstance(schema, dict | bool):
        return f"its schema must be an object, not {schema!r}"
    if isinstance(schema, dict) and not isinstance(schema.get("$schema", ""), str):
        return f"its schema's $schema must be a text, not {schema['$schema']!r}"
    try:
        _kind(schema).check_schema(schema)
    except SchemaError as problem:
        return f"its schema is not a JSON Schema: {problem.message}"
    except RecursionError:
        return "its schema is nested too deeply"
    for keyword, value in _keywords(schema):
        if keyword in ("$ref", "$dynamicRef", "$recursiveRef") and not str(value).startswith("#"):
            return f"its schema refers to {value!r}. Only references to a part of the schema (#/...) are followed"
        if keyword == "$ref" and not _resolves(schema, value):
            return f"its schema refers to {value!r}, which is not in it"
        if keyword == "patternProperties":
            return "its schema uses patternProperties, which is not supported. Name the properties instead"
        if keyword == "pattern" and isinstance(value, str) and (problem := patterns.examine(value)):
            return f"its schema's pattern {value!r} cannot be used: {problem}"
    return None


def is_valid(schema: Any, value: Any) -> bool:
    """Whether ``value`` is valid against a schema that ``examine`` has passed. BadInput when that cannot be told in time."""
    return bool(_tried(schema, value, lambda validator: validator.is_valid(value), False))


def fault(schema: Any, value: Any) -> str | None:
    """Where ``value`` is not valid against a schema and why, in words; None where it is. BadInput as in ``is_valid``."""
    from jsonschema.exceptions import best_match

    def told(validator: Any) -> str | None:
        found = best_match(validator.iter_errors(value))
        if found is None:
            return None
        return f"{'the document' if found.json_path == '$' else f'at {found.json_path}'}: {found.message}"

    return _tried(schema, value, told, f"it is nested more than {DEEPEST} levels deep")


def _tried(schema: Any, value: Any, look: Callable[[Any], Any], too_deep: Any) -> Any:
    """What ``look`` finds with a validator of the schema, within the time; ``too_deep`` where the value is nested too deeply."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    if _depth(value) > DEEPEST:
        return too_deep
    token = _deadline.set(time.monotonic() + SECONDS)
    try:
        # an empty registry: nothing is ever fetched from a network
        return look(_bounded(_kind(schema))(schema, registry=Registry()))
    except _OutOfTime:
        raise BadInput(
            f"The schema took more than {SECONDS:g} s on one answer. Let fewer of its parts refer to others."
        ) from None
    except RecursionError:
        raise BadInput("The schema refers to itself without end. Let each reference lead deeper into the answer.") from None
    except Unresolvable as problem:
        raise BadInput(f"The schema refers to something that is not in it: {problem}.") from None
    finally:
        _deadline.reset(token)


def _depth(value: Any) -> int:
    """How deeply lists and objects are nested in ``value``."""
    level, depth = [value], 0
    while level:
        level = [i for v in level if isinstance(v, dict | list) for i in (v.values() if isinstance(v, dict) else v)]
        depth += 1
    return depth


def _resolves(schema: Any, reference: str) -> bool:
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    root = Resource.from_contents(schema, default_specification=DRAFT202012)
    try:
        Registry().resolver_with_root(root).lookup(reference)
    except Unresolvable:
        return False
    return True


def _kind(schema: Any) -> Any:
    """The draft that the schema names, the latest one where it names none."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    return validator_for(schema, default=Draft202012Validator)


def _bounded(kind: Any) -> Any:
    """The validator ``kind`` with every keyword under the time limit and patterns without backtracking."""
    from jsonschema import ValidationError
    from jsonschema.validators import extend

    def pattern(validator: Any, wanted: str, instance: Any, _: Any) -> Iterator[Any]:
        if validator.is_type(instance, "string") and not patterns.found(wanted, instance):
            yield ValidationError(f"{instance!r} does not match {wanted!r}")

    def timed(keyword: Callable[..., Any]) -> Callable[..., Any]:
        def check(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
            if time.monotonic() > _deadline.get():
                raise _OutOfTime
            return keyword(validator, value, instance, schema)

        return check

    return extend(kind, {name: timed(keyword) for name, keyword in {**kind.VALIDATORS, "pattern": pattern}.items()})


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value anywhere in the schema."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            # the values of these are data, and a property may be called anything
            if key in ("const", "enum", "default", "examples"):
                continue
            yield key, value
            named = key in ("properties", "$defs", "definitions") and isinstance(value, Mapping)
            for inner in value.values() if named else (value,):
                yield from _keywords(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _keywords(inner)
