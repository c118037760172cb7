"""Freezing what stands around a model, and finding it again as it was."""

import pytest

from engine import registry
from engine.commands.bakeoff import candidate
from engine.deployments import freeze
from engine.deployments import setup as setups
from engine.deployments.setup import Setup
from engine.errors import BadInput, Damaged, NotFound, TryLater
from engine.prompting import versions
from engine.retrieval import documents, indexes
from storage import db, deployments
from storage.home import Home


def test_the_same_setup_is_frozen_once_and_a_changed_one_is_the_next_version(lab: Home) -> None:
    first = freeze.freeze(lab, "town", Setup("pocket", index="town"))
    assert freeze.freeze(lab, "town", Setup("pocket", index="town")) == first
    second = freeze.change(lab, "town", {"passages": 1})
    assert (first.version, second.version) == (1, 2)
    assert first.fingerprint != second.fingerprint
    assert freeze.find(lab, "town").deployment == second
    assert freeze.find(lab, "town@1").deployment == first


def test_a_double_click_freezes_once(lab: Home) -> None:
    first = freeze.freeze(lab, "town", Setup("pocket"), token="click")
    assert freeze.freeze(lab, "other", Setup("pocket", index="town"), token="click") == first
    assert len(deployments.all(lab)) == 1


def test_later_prompts_and_documents_do_not_change_what_was_frozen(lab: Home) -> None:
    versions.save(lab, "asks", {"template": "First. {question}"})
    made = freeze.freeze(lab, "town", Setup("pocket", prompt="asks", index="town"))
    versions.save(lab, "asks", {"template": "Second. {question}"})
    indexes.update(lab, indexes.find(lab, "town"), [documents.of_text("new.md", "The ferry leaves at 6:00.")])
    found = freeze.find(lab, "town")
    assert found.deployment == made
    assert (found.body.template, found.version) == ("First. {question}", 1)
    assert setups.find(lab, Setup("pocket", index="town")).version == 2


def test_a_deployment_whose_weights_were_changed_is_damaged(lab: Home) -> None:
    freeze.freeze(lab, "town", Setup("pocket"))
    with db.transaction(lab) as connection:
        connection.execute("UPDATE model SET fingerprint = 'other' WHERE name = 'pocket'")
    with pytest.raises(Damaged, match="town@1 is not what was frozen any more"):
        freeze.find(lab, "town")


def test_a_name_never_means_two_things(lab: Home) -> None:
    with pytest.raises(BadInput, match="There is a model pocket"):
        freeze.freeze(lab, "pocket", Setup("pocket"))


def test_what_a_deployment_rests_on_cannot_be_deleted(lab: Home) -> None:
    freeze.freeze(lab, "town", Setup("pocket", index="town"))
    with pytest.raises(BadInput, match="town@1"):
        indexes.delete(lab, indexes.find(lab, "town"))
    deployments.delete(lab, 1)
    indexes.delete(lab, indexes.find(lab, "town"))


def test_a_model_that_is_deployed_stays(lab: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze.freeze(lab, "town", Setup("pocket"))
    monkeypatch.setattr(registry, "ships", lambda model: False)
    with pytest.raises(TryLater, match="town@1 deploys it"):
        registry.delete(lab, registry.find(lab, "pocket").id)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": ""}, "needs a model"),
        ({"model": "pocket", "passages": 0}, "from 1 to 50, not 0"),
        ({"model": "pocket", "colour": "red"}, "not colour"),
        ({"model": 7}, "takes a name, not 7"),
        ({"model": "pocket", "index": "town", "by": "nope"}, "both, words, meaning, not by 'nope'"),
        ({"model": "pocket", "guards": {"retries": 99}}, "retries"),
    ],
)
def test_a_setup_that_cannot_be_is_refused_with_what_is_allowed(given: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        Setup.checked(given)


@pytest.mark.parametrize("lost", ["passages=2", "by=words"])
def test_a_candidate_that_searches_no_index_is_refused(lost: str) -> None:
    with pytest.raises(BadInput, match="none is named"):
        candidate(f"a:model=pocket,{lost}")
    assert candidate("a:model=pocket,index=town,passages=2")["passages"] == 2


def test_what_is_not_there_is_named_with_what_is(lab: Home) -> None:
    with pytest.raises(NotFound, match="town"):
        setups.find(lab, Setup("pocket", index="city"))
    with pytest.raises(BadInput, match="versions 1 to 1"):
        setups.find(lab, Setup("pocket", index="town@4"))
    with pytest.raises(NotFound, match="none yet"):
        freeze.deployed(lab, "town")


@pytest.mark.parametrize(
    ("setup", "kind"),
    [
        (Setup("pocket"), "base"),
        (Setup("pocket", index="town"), "retrieval"),
        (Setup.checked({"model": "pocket", "guards": {"checks": [{"kind": "length", "most": 3}]}}), "guards"),
    ],
)
def test_a_setup_is_of_the_kind_of_its_dearest_part(lab: Home, setup: Setup, kind: str) -> None:
    assert setups.find(lab, setup).kind == kind
