"""What a person should know of a method before choosing it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A paper and where it is."""

    name: str
    address: str


@dataclass(frozen=True)
class Card:
    """A method in a few sentences. ``objective`` is LaTeX; ``needs`` says which data and how much is usual."""

    idea: str
    objective: str
    needs: str
    strengths: str
    weaknesses: str
    used_by: str
    prefer: str
    sources: tuple[Source, ...]


def arxiv(name: str, number: str) -> Source:
    """A paper on arXiv."""
    return Source(name, f"https://arxiv.org/abs/{number}")
