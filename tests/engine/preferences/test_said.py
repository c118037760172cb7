"""What a labeller says: what of it is kept, what is refused, decisions, and pairs that were compared elsewhere."""

from typing import Any

import pytest

from engine.errors import BadInput, TryLater
from engine.preferences import desk, pairs, projects
from engine.preferences.desk import Given
from engine.preferences.pairs import NewPair
from storage import preferences
from storage.home import Home
from storage.records import Project, Vote
from tests.engine.preferences.at_desk import PLAIN, begin, current, votes


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Given("up"), "A choice is one of left, right"),
        (Given("left", 3), "is 1 \\(slightly\\) or 2"),
        (Given("left", criteria={"kind": "left"}), "is not said of 'kind'"),
        (Given("left", criteria={"helpful": "up"}), "is not said of 'helpful'"),
        (Given("left", reason="x" * 10_001), "10,001 characters"),
        (Given("left", edited="x" * 500_001), "500,001 characters"),
    ],
)
def test_a_vote_that_cannot_be_is_refused_and_the_pair_stays(home: Home, given: Given, said: str) -> None:
    project = begin(home, 3, criteria=["helpful"])
    shown = current(home, project)
    with pytest.raises(BadInput, match=said):
        desk.vote(home, shown.showing.token, given)
    assert votes(home, project) == []
    assert current(home, project).showing.token == shown.showing.token


def test_strength_and_correction_belong_to_a_choice_between_the_two(home: Home) -> None:
    project = begin(home, 4)
    tie = desk.vote(home, current(home, project).showing.token, Given("tie", 2, edited="better"))
    assert (tie.strength, tie.edited) == (None, None)
    shown = current(home, project)
    same = desk.vote(home, shown.showing.token, Given("left", 1, edited=f" {shown.left}\n"))
    assert (same.strength, same.edited) == (1, None)
    assert desk.vote(home, current(home, project).showing.token, Given("right", edited=" better ")).edited == "better"


def test_a_token_of_nothing_is_refused_in_words(home: Home) -> None:
    begin(home, 1)
    with pytest.raises(TryLater, match="no longer open here, and nothing was stored"):
        desk.vote(home, "0" * 32, Given("left"))


def test_the_last_decision_on_a_pair_holds(home: Home) -> None:
    project = begin(home, 1)
    pair = preferences.pairs(home, project.id)[0]
    desk.decide(home, pair, "boss", "first", "plainer")
    desk.decide(home, pair, "boss", "second")
    desk.decide(home, pair, "other boss", "tie")
    assert [(vote.labeller, vote.choice) for vote in votes(home, project)] == [("other boss", "tie")]


def test_a_name_that_is_none_is_refused(home: Home) -> None:
    project = begin(home, 1)
    for name in ("", "  ", "a/b", "x" * 81):
        with pytest.raises(BadInput, match="a labeller"):
            desk.look(home, project, name)


COMPARED = NewPair([{"role": "user", "content": "Which?"}], "one", "two")

TURNED = NewPair(COMPARED.prompt, "two", "one")


def compare(home: Home, project: Project, pair: NewPair, choice: str, token: str, **more: Any) -> Vote:
    return desk.compare(home, project, [desk.Compared(pair, choice, token * 32, **more)], "anna", source="chat")[0]


def test_a_pair_that_was_compared_elsewhere_comes_in_with_its_vote_once(home: Home) -> None:
    project = begin(home, 0)
    vote = compare(home, project, COMPARED, "second", "1", reason="so")
    assert (preferences.counts(home, project.id).pairs, vote.choice, vote.reason, vote.source) == (1, "second", "so", "chat")
    assert compare(home, project, COMPARED, "first", "1") == vote, "the same token gives the vote that is there"
    assert compare(home, project, COMPARED, "tie", "2").choice == "tie"
    assert [v.choice for v in votes(home, project)] == ["tie"], "another one takes its place"
    assert desk.look(home, project, "anna") == [], "who has compared it does not get it again"
    with pytest.raises(BadInput, match="A choice is one of"):
        compare(home, project, NewPair(COMPARED.prompt, "x", "y"), "left", "3")
    assert preferences.counts(home, project.id).pairs == 1, "nothing of what was refused is stored"


def test_a_pair_compared_the_other_way_round_keeps_what_was_chosen(home: Home) -> None:
    project = begin(home, 0)
    compare(home, project, COMPARED, "first", "1", flipped=0)
    assert compare(home, project, TURNED, "first", "2", flipped=1).choice == "second"
    assert preferences.counts(home, project.id).pairs == 1


def test_a_pair_compared_the_other_way_round_keeps_the_sides_that_were_seen(home: Home) -> None:
    project = begin(home, 0)
    compare(home, project, COMPARED, "first", "1", flipped=0)
    assert desk.as_shown(compare(home, project, TURNED, "first", "2", flipped=1)) == "right"  # where "two" stood


def test_what_no_file_can_keep_is_refused_in_words(home: Home) -> None:
    project = begin(home, 2)
    token = current(home, project).showing.token
    for given in (Given("left", reason="half \ud800"), Given("left", edited="half \ud800")):
        with pytest.raises(BadInput):
            desk.vote(home, token, given)
    assert votes(home, project) == []


def test_settings_that_two_change_at_once_are_both_kept(home: Home) -> None:
    project = begin(home, 2)
    projects.change_settings(home, project, {"overlap": 0.5})
    projects.change_settings(home, project, {"repeats": 0.25})  # by somebody whose page is older
    found = projects.settings(projects.find(home, "tone"))
    assert (found.overlap, found.repeats) == (0.5, 0.25)


def test_a_correction_that_is_the_other_answer_is_refused(home: Home) -> None:
    project = begin(home, 2)
    shown = current(home, project)
    with pytest.raises(BadInput, match="Choose that one instead"):
        desk.vote(home, shown.showing.token, Given("left", edited=f" {shown.right}\n"))
    assert votes(home, project) == []


@pytest.mark.parametrize(
    "prompt",
    [[], [{"role": "user", "content": " "}], [{"role": "system", "content": "Be brief."}],
     [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]],
)  # fmt: skip
def test_a_prompt_that_no_data_set_could_hold_makes_no_pair(home: Home, prompt: list[dict[str, Any]]) -> None:
    project = projects.create(home, "tone", PLAIN)
    with pytest.raises(BadInput):
        pairs.add(home, project, [NewPair(prompt, "one", "two")])
    assert preferences.counts(home, project.id).pairs == 0
