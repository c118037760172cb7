"""Answers that were asked for and are written down: whether the weights that spoke are those that were asked."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from engine.errors import NotFound, TemperError
from engine.generation import ask
from engine.generation.answers import Answer, Sampling
from storage import deployments
from storage import models as registered
from storage.home import Home
from storage.records import Model


def expected(home: Home, models: Sequence[str]) -> tuple[str, ...]:
    """The fingerprints of models as they were registered, of a deployment those of its model; "" for what is in no registry:
    checkpoints, and models outside."""
    found = {model: _model(home, model) for model in dict.fromkeys(models)}
    return tuple(model.fingerprint if model is not None else "" for model in (found[name] for name in models))


def _model(home: Home, reference: str) -> Model | None:
    deployment = deployments.find(home, reference)
    return registered.find(home, reference) if deployment is None else registered.get(home, deployment.model_id)


def fetched(
    home: Home, answer_set: str, prints: Sequence[str], models: Sequence[str], samplings: Sequence[Sampling]
) -> tuple[Answer, ...]:
    """The answers of a set as they stand now, each with its text only if the weights that gave it have the fingerprint that is
    expected; failed ones where the host has them no more."""
    try:
        return tuple(map(_proven, ask.look(home, answer_set), prints or [""] * len(models)))
    except NotFound as problem:  # the host was started anew meanwhile
        failed = Answer("", status="failed", error=str(problem))
        return tuple(replace(failed, model=model, sampling=s) for model, s in zip(models, samplings, strict=True))


def _proven(answer: Answer, print_: str) -> Answer:
    """The answer, if the weights that spoke are those that were asked; else none of its text."""
    if not print_ or answer.fingerprint in ("", print_):
        return answer
    told = (
        f"This answer is withheld: other weights than those of {answer.model} gave it (fingerprint {answer.fingerprint[:12]}, and "
        f"{answer.model} was registered as {print_[:12]}). Its files were changed on the disk: register them as a model of their own."
    )
    return replace(answer, text="", status="failed" if answer.ended else answer.status, error=told)


@contextmanager
def changing(home: Home, kind: str) -> Iterator[None]:
    """Nobody else changes a document of this kind meanwhile; a disk that takes nothing is told in words."""
    try:
        with home.locked(kind):
            yield
    except OSError as problem:
        raise TemperError(
            f"What was asked could not be written down: {problem.strerror or problem}. Free some space, then ask again."
        ) from problem
