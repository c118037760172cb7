"""Deployments answered by the model host, and measured, beside each other and beside bare models."""

from collections.abc import Iterator

import httpx
import pytest

from engine.data import curate
from engine.deployments import freeze
from engine.deployments.setup import Setup
from engine.evaluation import bakeoff, prompts
from engine.evaluation.measure import measure
from engine.generation import ask
from engine.generation.answers import Asked, Sampling
from engine.jobs import bakeoffs
from engine.jobs.work import library
from storage import datasets, evaluations, runs
from storage.home import Home
from tests.engine.evaluation.test_measure import Listener

SHORT = Sampling(max_tokens=6)
ASKED = [{"role": "user", "content": "When does the mill in Oakford open?"}]
NEVER = {"checks": [{"kind": "length", "most": 0}], "retries": 1, "refusal": "I would rather not."}


@pytest.fixture
def served(lab: Home) -> Iterator[Home]:
    """The lab with the deployments ``town`` and ``mute``, and its host."""
    freeze.freeze(lab, "town", Setup("pocket", index="town", passages=2))
    freeze.freeze(lab, "mute", Setup.checked({"model": "pocket", "guards": NEVER}))
    yield lab
    ask.shutdown(lab)


def test_a_deployment_answers_with_its_passages_and_a_bare_model_without(served: Home) -> None:
    asked = [Asked("town", ASKED, SHORT), Asked("pocket", ASKED, SHORT), Asked("pocket", ASKED, SHORT, index="town")]
    deployed, bare, looked = ask.wait_for(served, ask.start_each(served, asked))
    assert {deployed.status, bare.status, looked.status} == {"done"}
    assert (deployed.model, deployed.deployment, deployed.base) == ("town", "town@1", "pocket")
    assert deployed.sources[0].document == "mill.md" and len(deployed.sources) == 2
    assert deployed.prompt_tokens > bare.prompt_tokens + 20
    assert (bare.deployment, bare.sources) == ("", ())
    assert looked.sources[0].document == "mill.md" and looked.deployment == ""
    assert deployed.fingerprint == bare.fingerprint


def test_what_guards_refuse_is_never_shown_and_its_tries_are_told(served: Home) -> None:
    answer = ask.wait_for(served, ask.start_each(served, [Asked("mute", ASKED, SHORT)]))[0]
    assert (answer.text, answer.refused, answer.tries) == ("I would rather not.", True, 2)
    assert "may have at most 0" in answer.problems[0]


def test_an_openai_client_finds_deployments_and_asks_them(served: Home) -> None:
    address = ask.ensure(served)
    with httpx.Client(base_url=address.url, headers={"Authorization": f"Bearer {address.token}"}, timeout=60) as client:
        assert {"town@1", "mute@1", "pocket"} <= {one["id"] for one in client.get("/v1/models").json()["data"]}
        body = {"model": "mute", "messages": ASKED, "max_tokens": 4}
        told = client.post("/v1/chat/completions", json=body).json()
        assert told["choices"][0]["message"]["content"] == "I would rather not."
        streamed = client.post("/v1/chat/completions", json={**body, "stream": True}).text
        assert "I would rather not." in streamed and streamed.rstrip().endswith("[DONE]")
        refused = client.post("/v1/chat/completions", json={**body, "logprobs": True})
        assert refused.status_code == 400 and "without tools, scores" in refused.json()["error"]["message"]


def test_an_index_that_is_not_there_is_a_worded_failure(served: Home) -> None:
    answer = ask.wait_for(served, ask.start_each(served, [Asked("pocket", ASKED, SHORT, index="city")]))[0]
    assert answer.status == "failed" and answer.error is not None and "city" in answer.error


def test_a_search_is_answered_by_the_host(served: Home) -> None:
    hits = ask.search(served, "town", "Who plays the lute?", 1)
    assert [hit.passage.document for hit in hits] == ["mara.md"]


def test_a_deployment_is_measured_under_its_own_name_and_not_under_its_models(served: Home) -> None:
    data = curate.find(served, "pocket-far-isle-reading")
    listener = Listener()
    told = measure(served, "town", data, reporter=listener, limit=3, against="pocket", max_tokens=6)
    assert told is not None and told.difference is not None and told.score.n == 3
    deployment = freeze.deployed(served, "town")
    kept = evaluations.of_deployment(served, deployment.id)
    assert [one.n for one in kept] == [3]
    assert len(evaluations.more(served, kept[0].id)[0]["passages"]) == 2
    assert [one.deployment_id for one in evaluations.of_model(served, deployment.model_id)] == [None]


def test_a_bake_off_compares_its_candidates_item_by_item(lab: Home) -> None:
    given = [{"name": "base", "model": "pocket"}, {"name": "look", "model": "pocket", "index": "town", "passages": 1}]
    run = bakeoffs.bake(
        lab, dataset="pocket-far-isle-questions", candidates=given, limit=4, max_tokens=6, variants=["hostile", "absent"]
    )
    assert run.request["candidates"][1]["index"] == "town@1"
    told = bakeoffs.work(lab, run, Listener(), library(lab))
    assert told is not None
    base, look = told["candidates"]
    assert (base["kind"], look["kind"], told["cheapest"]) == ("base", "retrieval", "base")
    assert base["difference"] is None and look["difference"]["n"] == 4
    assert set(base["variants"]) == {"hostile"} and set(look["variants"]) == {"hostile", "absent"}
    assert look["recall"]["n"] == 4 and told["sentences"]
    assert [one.settings.get("setup", {}).get("index") for one in evaluations.of_run(lab, run.id)] == [None, "town@1"]
    frozen = freeze.freeze(lab, "winner", bakeoffs.winner(run, "look"))
    assert frozen.index_version == 1


def test_a_bake_off_that_is_stopped_has_no_result(lab: Home) -> None:
    given = [{"name": "base", "model": "pocket"}, {"name": "look", "model": "pocket", "index": "town"}]
    run = bakeoffs.bake(lab, dataset="pocket-far-isle-questions", candidates=given, limit=4, max_tokens=6)
    assert bakeoffs.work(lab, run, Listener(stop_after=1), library(lab)) is None
    assert runs.get(lab, run.id) is not None


def test_candidates_that_cannot_be_told_apart_are_refused(lab: Home) -> None:
    data = datasets.find(lab, "pocket-far-isle-questions")
    assert data is not None and prompts.read(lab, data, 1).own_checks
    for given in ([{"name": "base", "model": "pocket"}], [{"name": "a", "model": "pocket"}] * 2):
        with pytest.raises(Exception, match="at least two candidates"):
            bakeoff.candidates(lab, given)
    with pytest.raises(Exception, match="look: .*nothing"):
        bakeoff.candidates(lab, [{"name": "look", "model": "nothing"}, {"name": "base", "model": "pocket"}])
