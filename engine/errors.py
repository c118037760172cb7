"""What can be wrong, as one tree. Every message is written for the person who reads it: what is so, and what to do next.

TemperError
├── BadInput            what was asked for or handed in cannot be used (exit code 2)
│   ├── UnreadableFile  a file cannot be read at all
│   ├── WrongShape      rows do not have the columns that the work needs
│   ├── NotFound        no such dataset, model, run or method
│   ├── Unreachable     a model id or address does not answer
│   └── NoSandbox       code would have to be run that nobody here wrote, and it cannot be contained
├── GateFailed          measured, and below the bar (exit code 3)
├── RunFailed           a run ended badly (exit code 4); ``kind`` is one of FAILURES
├── TryLater            the state has changed meanwhile, or something else is at work
└── Damaged             something stored is not as it was written
"""


class TemperError(Exception):
    """Something that a person can be told as it stands."""

    exit_code = 1


class BadInput(TemperError):
    exit_code = 2


class UnreadableFile(BadInput):
    pass


class WrongShape(BadInput):
    pass


class NotFound(BadInput):
    pass


class Unreachable(BadInput):
    pass


class NoSandbox(BadInput):
    pass


class GateFailed(TemperError):
    exit_code = 3


class TryLater(TemperError):
    pass


class Damaged(TemperError):
    pass


# the classes a failed run falls into, each with the one thing to do next
FAILURES = {
    "out of memory": "Choose a smaller batch or maximum length, or LoRA instead of full fine-tuning, and run again.",
    "disk full": "Free some space (Models shows what checkpoints take), then resume from the last checkpoint.",
    "not a number": "Lower the learning rate and run again; where it was so before the first step, bring the model in again.",
    "bad reward": "Mend reward_code: it has to give a number, or None, for any answer. Then run again with changes.",
    "nothing to learn": "Draw more answers to each prompt, ask less of them, or begin with a model that succeeds now and then.",
    "bad data": "Mend what is named above, in the data or in the settings, and run again.",
    "damaged": "Something stored is not as it was written. Bring in again what is named above, and run again.",
    "unreachable": "Check the network, and the id or address, then resume.",
    "killed": "Resume continues from the last whole checkpoint, or from the start where there is none yet.",
    "lost": "The machine or the engine went away meanwhile. Resume continues from the last whole checkpoint, or from the start.",
    "bug": "This is a fault in the program, not in your data. The log holds the details.",
}


class RunFailed(TemperError):
    """A run that ended badly; ``kind`` is one of ``FAILURES``."""

    exit_code = 4

    def __init__(self, message: str, kind: str = "bug") -> None:
        super().__init__(message)
        self.kind = kind
