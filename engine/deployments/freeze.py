"""Deployments: what is frozen of a setup, and finding it again as it was."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine import names, registry
from engine.deployments import setup as setups
from engine.deployments.setup import Found, Setup
from engine.errors import BadInput, Damaged, NotFound
from storage import deployments, models
from storage.home import Home
from storage.records import Deployment


def freeze(home: Home, name: str, setup: Setup, token: str | None = None) -> Deployment:
    """Freeze a setup under ``name``, as its next version; one that is frozen already is given back.

    BadInput where a model has the name, which could then mean either.
    """
    name = names.check(name, "a deployment")
    if models.find(home, name) is not None:
        raise BadInput(f"There is a model {name}, so the name could mean either. Give the deployment another one.")
    found = setups.find(home, setup)
    registry.registered(home, found.reference_of_weights)
    return deployments.insert(
        home, name=name, body=setups.pinned(found).plain(), fingerprint=found.fingerprint, token=token, model_id=found.model.id,
        prompt_id=found.prompt.id if found.prompt is not None else None,
        index_id=found.index.id if found.index is not None else None, index_version=found.version,
    )  # fmt: skip


def opened(home: Home, deployment: Deployment) -> Found:
    """What a deployment holds. Damaged where it is not what was frozen any more."""
    found = setups.find(home, Setup.checked(deployment.body), deployment)
    if found.fingerprint != deployment.fingerprint:
        raise Damaged(
            f"{deployment.title} is not what was frozen any more: its weights, prompt or index were changed. Freeze a new version."
        )
    return found


def find(home: Home, reference: str) -> Found:
    """The deployment of that name (or ``name@version``), or else the model of that name with nothing around it. NotFound names what
    there is."""
    deployment = deployments.find(home, reference)
    return opened(home, deployment) if deployment is not None else setups.find(home, Setup(reference))


def kept(home: Home, reference: str) -> Found:
    """What ``find`` finds. BadInput for a checkpoint, whose scores would hang on no model."""
    found = find(home, reference)
    registry.registered(home, found.reference_of_weights)
    return found


def around(home: Home, reference: str, index: str) -> Found:
    """What ``find`` finds, with its passages looked up in ``index`` where one is named."""
    found = find(home, reference)
    return setups.find(home, replace(found.setup, index=index)) if index else found


def deployed(home: Home, reference: str) -> Deployment:
    """The deployment of that name or ``name@version``; NotFound names what there is."""
    found = deployments.find(home, reference)
    if found is None:
        there = ", ".join(one.title for one in deployments.all(home)) or "none yet"
        raise NotFound(f"There is no deployment {reference!r}. The deployments are: {there}.")
    return found


def change(home: Home, reference: str, changes: Mapping[str, Any], token: str | None = None) -> Deployment:
    """The next version of a deployment, with some of its setup changed."""
    old = deployed(home, reference)
    return freeze(home, old.name, Setup.checked({**old.body, **changes}), token)


def delete(home: Home, deployment: Deployment) -> None:
    """Take one version away, with what was measured of it; what it was made of stays."""
    deployments.delete(home, deployment.id)
