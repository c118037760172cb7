"""Every usual way of writing examples comes out in TRL's columns."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data import curate
from engine.data.columns import GROUP_ROWS
from engine.errors import WrongShape

USER, BOT = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
MORE, BYE, GO = (
    {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "Farewell"},
    {"role": "assistant", "content": "Go"},
)
HUMAN, GPT = {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": [2]}}}
CALLING = {"role": "assistant", "content": "", "tool_calls": [CALL]}

# the row in the file, the shape, the row that comes out
FORMATS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "question and answer": ({"question": "1+1?", "answer": "2"}, "prompt_completion", {"prompt": "1+1?", "completion": "2"}),
    "an answer that is a number": ({"question": "1+1?", "answer": 2}, "prompt_completion", {"prompt": "1+1?", "completion": "2"}),
    "capitals in the names": ({"Question": "1+1?", " ANSWER": "2"}, "prompt_completion", {"prompt": "1+1?", "completion": "2"}),
    "a passage to answer from": (
        {"question": "Who?", "context": "Ann sings.", "answer": "Ann"},
        "prompt_completion",
        {"prompt": "Who?\n\nAnn sings.", "completion": "Ann"},
    ),
    "prompt and completion": ({"prompt": "Hi", "completion": "Hello"}, "prompt_completion", {"prompt": "Hi", "completion": "Hello"}),
    "prompt and completion as turns": (
        {"prompt": [USER], "completion": [BOT]},
        "prompt_completion",
        {"prompt": [USER], "completion": [BOT]},
    ),
    "Alpaca": ({"instruction": "Add", "input": "1 2", "output": "3"}, "prompt_completion", {"prompt": "Add\n\n1 2", "completion": "3"}),
    "Alpaca without input": ({"instruction": "Hi", "input": "", "output": "Hello"}, "prompt_completion", {"prompt": "Hi", "completion": "Hello"}),
    "Alpaca with system and history": (
        {"instruction": "Bye", "output": "Farewell", "system": "Be kind", "history": [["Hi", "Hello"]]},
        "prompt_completion",
        {"prompt": [{"role": "system", "content": "Be kind"}, USER, BOT, MORE], "completion": [BYE]},
    ),
    "Alpaca tasks": (
        {"instruction": "Add", "instances": [{"input": "<noinput>", "output": "3"}]},
        "prompt_completion",
        {"prompt": "Add", "completion": "3"},
    ),
    "Dolly": ({"instruction": "Who?", "context": "Ann.", "response": "Ann"}, "prompt_completion", {"prompt": "Who?\n\nAnn.", "completion": "Ann"}),
    "ShareGPT": ({"id": "7", "conversations": [HUMAN, GPT]}, "messages", {"messages": [USER, BOT]}),
    "ShareGPT with system and tools": (
        {
            "conversations": [
                HUMAN,
                {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1, "b": [2]}}'},
                {"from": "observation", "value": "3"},
                GPT,
            ],
            "system": "Be kind",
            "tools": json.dumps([TOOL]),
        },
        "messages",
        {
            "messages": [{"role": "system", "content": "Be kind"}, USER, CALLING, {"role": "tool", "content": "3"}, BOT],
            "tools": [TOOL],
        },
    ),
    "OpenAI messages": ({"messages": [USER, BOT, MORE, BYE]}, "messages", {"messages": [USER, BOT, MORE, BYE]}),
    "OpenAI tools": (
        {
            "messages": [
                USER,
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": '{"a": 1}'}}]},
                {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "3"}]},
                BOT,
            ],
            "tools": [TOOL],
        },
        "messages",
        {
            "messages": [
                USER,
                {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]},
                {"role": "tool", "content": "3", "tool_call_id": "c1"},
                BOT,
            ],
            "tools": [TOOL],
        },
    ),
    "a pair": ({"prompt": "Hi", "chosen": "Hello", "rejected": "Go"}, "preference", {"prompt": "Hi", "chosen": "Hello", "rejected": "Go"}),
    "a pair with margin": (
        {"question": "Hi", "chosen": "Hello", "rejected": "Go", "margin": "2"},
        "preference",
        {"prompt": "Hi", "chosen": "Hello", "rejected": "Go", "margin": 2.0},
    ),
    "a pair of whole dialogues": (
        {"chosen": [USER, BOT, MORE, BYE], "rejected": [USER, BOT, MORE, GO]},
        "preference",
        {"prompt": [USER, BOT, MORE], "chosen": [BYE], "rejected": [GO]},
    ),
    "a pair of dialogues that part early": (
        {"chosen": [USER, BOT, MORE, BYE], "rejected": [USER, GO]},
        "preference",
        {"prompt": [USER], "chosen": [BOT, MORE, BYE], "rejected": [GO]},
    ),
    "a pair of dialogues that part at a question": (
        {"chosen": [USER, BOT, MORE, BYE], "rejected": [USER, BOT, {"role": "user", "content": "Why?"}, GO]},
        "preference",
        {"prompt": [USER], "chosen": [BOT, MORE, BYE], "rejected": [BOT, {"role": "user", "content": "Why?"}, GO]},
    ),
    "UltraFeedback": (
        {"prompt": "Hi", "chosen": [USER, BOT], "rejected": [USER, GO]},
        "preference",
        {"prompt": [USER], "chosen": [BOT], "rejected": [GO]},
    ),
    "helpful and harmless": (
        {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello", "rejected": "\n\nHuman: Hi\n\nAssistant: Go"},
        "preference",
        {"prompt": [USER], "chosen": [BOT], "rejected": [GO]},
    ),
    "a pair of texts that begin with the prompt": (
        {"chosen": "The sky is blue.", "rejected": "The sky is green."},
        "preference",
        {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."},
    ),
    "a pair of texts that part within a word": (
        {"chosen": "Q: Up?\nA: The sky", "rejected": "Q: Up?\nA: Then"},
        "preference",
        {"prompt": "Q: Up?\nA:", "chosen": " The sky", "rejected": " Then"},
    ),
    "a pair of texts with a system's words": (
        {"system": "Be kind", "chosen": "Hi. Hello", "rejected": "Hi. Go"},
        "preference",
        {
            "prompt": [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hi."}],
            "chosen": [{"role": "assistant", "content": " Hello"}],
            "rejected": [{"role": "assistant", "content": " Go"}],
        },
    ),
    "a pair about a context": (
        {"context": "Hi", "chosen": "Hello", "rejected": "Help"},
        "preference",
        {"prompt": "Hi", "chosen": "Hello", "rejected": "Help"},
    ),
    "a ShareGPT pair": (
        {"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "Go"}},
        "preference",
        {"prompt": [USER], "chosen": [BOT], "rejected": [GO]},
    ),
    "a labelled answer": (
        {"prompt": "Hi", "completion": "Hello", "label": True},
        "unpaired",
        {"prompt": "Hi", "completion": "Hello", "label": True},
    ),
    "a label in words": ({"prompt": "Hi", "response": "Go", "label": "False"}, "unpaired", {"prompt": "Hi", "completion": "Go", "label": False}),
    "a labelled conversation": (
        {"messages": [USER, BOT], "label": 1},
        "unpaired",
        {"prompt": [USER], "completion": [BOT], "label": True},
    ),
    "a prompt with what rewards read": (
        {"prompt": "1+1?", "answer": 2, "level": 1.5, "easy": True, "topics": ["sums"]},
        "prompt",
        {"prompt": "1+1?", "answer": 2, "level": 1.5, "easy": True, "topics": '["sums"]'},
    ),
    "a conversation to be answered": ({"messages": [USER], "answer": "Hello"}, "prompt", {"prompt": [USER], "answer": "Hello"}),
    "text": ({"text": "Once."}, "text", {"text": "Once."}),
    "text with other columns": ({"title": "A", "content": "Once."}, "text", {"text": "Once."}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_usual_format_is_recognised_and_comes_out_in_trl_columns(name, drafted, jsonl):
    written, shape, expected = FORMATS[name]
    draft = drafted(jsonl(written))
    assert (draft.shape, draft.problems, draft.kept) == (shape, {}, [expected])


@pytest.mark.parametrize("name", FORMATS)
def test_a_check_stays_with_its_row_in_every_shape(name, drafted, jsonl):
    written, _, expected = FORMATS[name]
    check = {"kind": "exact", "value": "é"}
    as_object, as_text = written | {"check": check}, written | {"check": json.dumps(check, ensure_ascii=False)}
    assert drafted(jsonl(as_object, as_text)).kept == [expected | {"check": '{"kind": "exact", "value": "é"}'}] * 2


def test_a_pair_that_does_not_say_what_was_asked_is_told_what_to_add(drafted, jsonl):
    good = {"chosen": "The sky is blue.", "rejected": "The sky is green."}
    draft = drafted(jsonl(good, {"chosen": "Good.", "rejected": "Great."}, {"chosen": "The sky", "rejected": None}))
    assert draft.good == 1
    assert "do not begin with the same words" in draft.problems[2] and "Add a column `prompt`" in draft.problems[2]
    assert draft.problems[3] == "`rejected` is missing."


def test_a_whole_dialogue_among_pairs_of_texts_makes_every_text_a_turn(drafted, jsonl):
    texts = {"chosen": "The sky is blue.", "rejected": "The sky is green."}
    draft = drafted(jsonl(*[texts] * 300, {"chosen": [USER, BOT], "rejected": [USER, GO]}))
    assert (draft.good, draft.problems) == (301, {})
    assert draft.kept[0]["prompt"] == [{"role": "user", "content": "The sky is"}]
    assert draft.kept[-1] == {"prompt": [USER], "chosen": [BOT], "rejected": [GO]}


def test_each_instance_of_an_alpaca_task_is_a_row(drafted, jsonl):
    task = {
        "instruction": "Double",
        "instances": [{"input": "1", "output": "2"}, {"input": "2", "output": ""}, {"input": "3", "output": "6"}],
    }
    draft = drafted(jsonl(task))
    assert (draft.rows, draft.good, draft.problems) == (3, 2, {1: "`completion` is empty."})
    assert [row["prompt"] for row in draft.kept] == ["Double\n\n1", "Double\n\n3"]


@pytest.mark.parametrize("instances", [[], "none", ["2"]])
def test_an_alpaca_task_without_instances_is_a_fault(instances, drafted, jsonl):
    good = {"instruction": "Double", "instances": [{"input": "1", "output": "2"}]}
    assert drafted(jsonl(good, {"instruction": "Double", "instances": instances})).problems.keys() == {2}


def test_rows_without_an_answer_do_not_change_what_the_file_is(drafted, jsonl):
    draft = drafted(jsonl({"question": "?"}, {"question": "1+1?", "answer": "2"}, {"question": "2+2?", "answer": "4"}))
    assert (draft.shape, draft.good, draft.problems) == ("prompt_completion", 2, {1: "`answer` is missing."})


def test_a_stray_row_of_another_format_does_not_change_what_the_file_is(drafted, jsonl):
    stray = {"prompt": "Hi", "chosen": "Hello", "rejected": "Go"}
    draft = drafted(jsonl(stray, *[{"prompt": "Hi", "completion": "Hello"}] * 3))
    assert (draft.shape, draft.problems) == ("prompt_completion", {1: "`completion` is missing."})


def test_labels_that_are_no_truth_values_do_not_make_labelled_answers(drafted, jsonl):
    draft = drafted(jsonl({"prompt": "Hi", "completion": "Hello", "label": "sports"}))
    assert (draft.shape, draft.left_out) == ("prompt_completion", ["label"])


def test_what_has_no_place_in_the_shape_is_named(drafted, jsonl):
    assert drafted(jsonl({"id": 1, "messages": [USER, BOT | {"weight": 0}]})).left_out == ["id", "weight"]


@pytest.mark.parametrize(
    ("row", "shape", "expected"),
    [
        ({"question": "1+1?", "answer": "2"}, "prompt", {"prompt": "1+1?", "answer": "2"}),
        ({"question": "Hi", "answer": "Hello"}, "messages", {"messages": [USER, BOT]}),
        ({"messages": [USER, BOT, MORE, BYE]}, "prompt_completion", {"prompt": [USER, BOT, MORE], "completion": [BYE]}),
        ({"prompt": "Hi", "answer": "Hello"}, "prompt_completion", {"prompt": "Hi", "completion": "Hello"}),
        ({"instruction": "Add", "input": "1 2", "output": "3"}, "prompt", {"prompt": "Add\n\n1 2", "output": "3"}),
        ({"prompt": "Hi", "text": "Once."}, "text", {"text": "Once."}),
    ],
)  # fmt: skip
def test_a_shape_that_is_asked_for_is_given(row, shape, expected, drafted, jsonl):
    draft = drafted(jsonl(row), shape)
    assert (draft.shape, draft.kept) == (shape, [expected])


@pytest.mark.parametrize("texts", [1, 300, GROUP_ROWS + 1])
def test_one_conversation_among_texts_makes_every_text_a_turn(texts, drafted, jsonl):
    rows = [{"prompt": "Hi", "completion": "Hello"}] * texts + [{"prompt": [USER, BOT, MORE], "completion": [BYE]}]
    assert drafted(jsonl(*rows)).kept == [{"prompt": [USER], "completion": [BOT]}] * texts + [
        {"prompt": [USER, BOT, MORE], "completion": [BYE]}
    ]


def test_a_shape_the_rows_cannot_have_is_refused_with_what_it_needs(drafted, jsonl):
    with pytest.raises(WrongShape, match=r"columns `question`, `answer`, but shape preference needs prompt, chosen, rejected"):
        drafted(jsonl({"question": "1+1?", "answer": "2"}), "preference")


def test_a_shape_that_does_not_exist_is_refused_with_those_that_do(home, jsonl):
    with pytest.raises(WrongShape, match="no shape 'chat'.*messages"):
        curate.open_draft(jsonl({"question": "1+1?", "answer": "2"}), "chat", home=home)


def test_unknown_columns_are_named_with_those_that_are_known(home, jsonl):
    with pytest.raises(WrongShape, match="`from_town`, `to_town`.*prompt, chosen, rejected"):
        curate.open_draft(jsonl({"from_town": "A", "to_town": "B"}), home=home)


def test_single_turns_are_not_taken_for_documents(home, jsonl):
    with pytest.raises(WrongShape):
        curate.open_draft(jsonl(USER, BOT), home=home)


@pytest.mark.parametrize(
    ("name", "shape", "rows"),
    [
        ("gsm8k_train.jsonl", "prompt_completion", 7473),
        ("gsm8k_test.jsonl", "prompt_completion", 1319),
        ("alpaca_seed_tasks.jsonl", "prompt_completion", 175),
        ("sharegpt_conversations.json", "messages", 500),
        ("arena_hard_v0.1_questions.jsonl", "prompt", 500),
    ],
)  # fmt: skip
def test_a_real_file_comes_in_whole(name, shape, rows, home, shared: Path):
    draft = curate.open_draft(shared / name, home=home)
    assert (draft.shape, draft.rows, draft.good, draft.problems) == (shape, rows, rows, [])


def test_a_table_that_is_no_training_data_is_refused(home, shared: Path):
    with pytest.raises(WrongShape, match="`cited`, `citing`, `citations`"):
        curate.open_draft(shared / "citations_stigler_1994.csv", home=home)
