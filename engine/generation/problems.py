"""What can go wrong while an answer is given, in words for the one who asked and in the codes that OpenAI's clients know."""

import traceback
from dataclasses import dataclass

from engine.errors import BadInput, NotFound, TemperError, TryLater, Unreachable


class TooLong(BadInput):
    """A prompt leaves no room for an answer in the model's context."""


class NoMemory(TemperError):
    """There is no room for the weights or for what an answer has to remember."""


@dataclass(frozen=True)
class Problem:
    """``status`` is HTTP's, ``code`` OpenAI's, ``message`` says what is so and what to do."""

    status: int
    code: str
    message: str


KINDS = (  # the first that fits
    (TooLong, 400, "context_length_exceeded"),
    (NotFound, 404, "model_not_found"),
    (NoMemory, 503, "out_of_memory"),
    (TryLater, 503, "try_later"),
    (Unreachable, 503, "model_not_loaded"),
    (BadInput, 400, "invalid_request"),
    (TemperError, 500, "fault"),
)


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether the GPU or the machine had no room. torch tells it as a RuntimeError on the CPU."""
    text = str(problem).lower()
    return isinstance(problem, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def worded(problem: BaseException) -> Problem:
    """What to tell about ``problem``; what nobody foresaw goes to the host's log with its trace."""
    if is_out_of_memory(problem):
        return Problem(
            503,
            "out_of_memory",
            "There was not enough memory for this answer. Ask with a shorter prompt or fewer tokens, "
            "or wait until a training run or another program has given memory back.",
        )
    for kind, status, code in KINDS:
        if isinstance(problem, kind):
            return Problem(status, code, str(problem))
    traceback.print_exception(problem)
    first = (str(problem).splitlines() or [""])[0][:300]
    return Problem(500, "fault", f"The answer broke off ({type(problem).__name__}: {first}). Ask again; host.log says more.")
