"""Scoring an answer by the row's own ``check``: what kinds there are, what each takes, and the score it gives.

The same column scores ``measure``, rewards reinforcement learning and filters rejection sampling. A check is JSON:
``{"kind": "number", "value": 72}``. Whether an answer is *good* beyond what can be checked is for people and judges.
"""

import json
from collections.abc import Mapping
from typing import Any

from engine.errors import BadInput
from engine.evaluation.instructions import FOLLOWED
from engine.evaluation.languages import LANGUAGE
from engine.evaluation.mathematics import MATH
from engine.evaluation.plain import PLAIN
from engine.evaluation.programs import CODE
from engine.evaluation.queries import QUERY
from engine.evaluation.scorer import Check

SCORERS = {scorer.kind: scorer for scorer in (*PLAIN, MATH, LANGUAGE, FOLLOWED, QUERY, CODE)}
SWITCHES = ("case", "search", "partly", "ordered")
EXAMPLE = '{"kind": "exact", "value": "yes"}'


def validate(check: Any, where: str = "The check") -> Check:
    """A check (JSON text or an object) as an object whose kind is in SCORERS and whose arguments fit.

    BadInput begins with ``where``, for instance "Row 7", and says what is wrong and what is allowed.
    """
    if isinstance(check, str):
        try:
            check = json.loads(check)
        except (ValueError, RecursionError) as problem:
            raise BadInput(f"{where}: the check is not JSON ({problem}). Write it like {EXAMPLE}.") from None
    if not isinstance(check, Mapping):
        raise BadInput(f"{where}: the check must be an object like {EXAMPLE}, not {check!r}.")
    # a column of objects holds every key that any of its rows has, as null where the row has none
    check = {key: value for key, value in check.items() if value is not None}
    kind = check.get("kind")
    scorer = SCORERS.get(kind) if isinstance(kind, str) else None
    if scorer is None:
        raise BadInput(f"{where}: there is no check of the kind {kind!r}. The kinds are: {', '.join(SCORERS)}.")
    allowed = ("kind", *scorer.required, *scorer.options)
    for name in scorer.required:
        if name not in check:
            raise BadInput(f"{where}: a check of the kind {kind} needs {name!r}, and this one has only {', '.join(check)}.")
    for name, value in check.items():
        if name not in allowed:
            raise BadInput(f"{where}: a check of the kind {kind} takes {', '.join(allowed)}, but this one has {name!r}.")
        if name in SWITCHES and not isinstance(value, bool):
            raise BadInput(f"{where}: the option {name} of a check is true or false, not {value!r}.")
    problem = scorer.examine(check)
    if problem:
        raise BadInput(f"{where}: in the check of the kind {kind}, {problem}.")
    return check


def score(check: Check, answer: str, row: Mapping[str, Any]) -> float:
    """The score of ``answer``, from 0 to 1, by a check that ``validate`` has let through.

    BadInput names the ``row`` by its prompt when the check cannot decide in its time.
    """
    try:
        return SCORERS[check["kind"]].score(check, answer)
    except BadInput as problem:
        raise BadInput(f"The row that begins {str(row.get('prompt') or row.get('messages'))[:60]!r}: {problem}") from None
