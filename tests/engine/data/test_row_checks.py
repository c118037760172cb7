"""Every fault of a row is told, with the row it is in."""

import json

import pytest

from engine.data import curate

ASK, TELL = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}
PAIR = {"prompt": "Hi", "chosen": "Hello", "rejected": "Go"}
KTO = {"prompt": "Hi", "completion": "Hello", "label": True}
GOOD = {
    "prompt_completion": {"question": "1+1?", "answer": "2"}, "messages": {"messages": [ASK, TELL]}, "preference": PAIR, "unpaired": KTO,
    "prompt": {"prompt": "1+1?", "level": 1.0}, "text": {"text": "Once."},
}  # fmt: skip
FAULTS = {
    "no answer": ("prompt_completion", {"question": "1+1?"}, "`answer` is missing."),
    "a null answer": ("prompt_completion", {"question": "1+1?", "answer": None}, "`answer` is missing."),
    "an empty answer": ("prompt_completion", {"question": "1+1?", "answer": " \n"}, "`answer` is empty."),
    "no question": ("prompt_completion", {"question": "", "answer": "2"}, "`question` is empty."),
    "both": ("prompt_completion", {"question": "", "answer": ""}, "`question` is empty. `answer` is empty."),
    "an answer that is true": ("prompt_completion", {"question": "?", "answer": True}, "`answer` is 'True', not text."),
    "an answer that is a list": ("prompt_completion", {"question": "?", "answer": ["a"]}, '`answer` is ["a"], neither text nor a conversation.'),
    "half a character": ("prompt_completion", '{"question": "?", "answer": "ab\\ud83d"}', "half a character (U+D83D) at position 3"),
    "a double key": ("prompt_completion", '{"question": "?", "answer": "a", "answer": "b"}', "The key `answer` occurs twice"),
    "not a number": ("prompt_completion", '{"question": "?", "answer": NaN}', "NaN is no value in JSON"),
    "not JSON": ("prompt_completion", '{"question": "?", "answer": "a}', "Not JSON: Unterminated string starting at character 29."),
    "no object": ("prompt_completion", '["?", "a"]', 'The row is ["?", "a"], not an object'),
    "too deep": ("prompt_completion", '{"question": ' + "[" * 100_000, "nested too deeply"),
    "a number too long": ("prompt_completion", '{"question": "?", "answer": ' + "9" * 5000 + "}", "Not JSON that can be read: Exceeds the limit"),
    "an unknown role": ("messages", {"messages": [ASK, {"role": "robot", "content": "x"}]}, "Turn 2 has the unknown role 'robot'"),
    "no role": ("messages", {"messages": [ASK, {"content": "x"}]}, "Turn 2 has no role"),
    "a turn that is text": ("messages", {"messages": [ASK, "Hello"]}, 'Turn 2 is "Hello", not an object'),
    "no turns": ("messages", {"messages": []}, "`messages` has no turns."),
    "messages that are text": ("messages", {"messages": "Hi"}, "`messages` is not a list of turns."),
    "two questions in a row": ("messages", {"messages": [ASK, ASK, TELL]}, "turns 1 and 2 are both user's"),
    "no answer at the end": ("messages", {"messages": [ASK, TELL, ASK]}, "ends with the user, not with the assistant."),
    "an answer at the beginning": ("messages", {"messages": [TELL, ASK, TELL]}, "begins with the assistant, not with the system or the user."),
    "a late system turn": ("messages", {"messages": [ASK, {"role": "system", "content": "x"}, TELL]}, "turn 2 is a system turn"),
    "an empty turn": ("messages", {"messages": [ASK, {"role": "assistant", "content": ""}]}, "`messages, turn 2 (assistant)` is empty."),
    "an image": ("messages", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}, TELL]}, "Turn 1 holds something other than text"),
    "a result without a call": ("messages", {"messages": [ASK, {"role": "tool", "content": "3"}, TELL]}, "no assistant turn comes before it"),
    "a call without a name": ("messages", {"messages": [ASK, {"role": "assistant", "content": "", "tool_calls": [{}]}]}, "without saying its name"),
    "tools that are none": ("messages", {"messages": [ASK, TELL], "tools": "hammer"}, "`tools` is not a list of tools."),
    "the same answer twice": ("preference", PAIR | {"rejected": "Hello"}, "The chosen and the rejected answer are the same"),
    "no rejected answer": ("preference", {"prompt": "Hi", "chosen": "Hello"}, "`rejected` is missing."),
    "a pair without its prompt": ("preference", {"chosen": "Hello", "rejected": "Go"}, "`prompt` is missing."),
    "a margin in words": ("preference", PAIR | {"margin": "much"}, "`margin` is 'much', not a number."),
    "a margin that is no number": ("preference", PAIR | {"margin": "nan"}, "`margin` is nan, not a number that can be used."),
    "a label that is neither": ("unpaired", KTO | {"label": "maybe"}, "`label` is 'maybe', not true or false."),
    "no label": ("unpaired", {"prompt": "Hi", "completion": "Hello"}, "`label` is missing."),
    "an empty prompt": ("prompt", {"prompt": ""}, "`prompt` is empty."),
    "a prompt that is answered": ("prompt", {"prompt": [ASK, TELL]}, "`prompt` ends with the assistant, not with the user or the tool."),
    "a check that is no object": ("prompt", {"prompt": "Hi", "check": "exact"}, "`check`: the check is not JSON"),
    "a check of no kind": ("prompt", {"prompt": "Hi", "check": {"value": 1}}, "`check`: there is no check of the kind None"),
    "a check that cannot be run": (
        "prompt",
        {"prompt": "Hi", "check": {"kind": "regex", "pattern": "(?<=a)b"}},
        "`check`: in the check of the kind regex",
    ),
    "an empty text": ("text", {"text": ""}, "`text` is empty."),
    "a text too long": ("text", {"text": "x" * (16 * 2**20)}, "longer than 16 million characters"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_row_is_named_and_the_good_ones_are_kept(name, drafted, jsonl):
    shape, bad, message = FAULTS[name]
    good = GOOD[shape]
    draft = drafted(jsonl(good, "", bad, good, good))
    assert (draft.shape, draft.rows, draft.good, list(draft.problems)) == (shape, 4, 3, [3])
    assert message in draft.problems[3]


def test_pairs_of_dialogues_that_do_not_begin_alike_are_named(drafted, jsonl):
    other = {"role": "user", "content": "What?"}
    draft = drafted(jsonl({"chosen": [ASK, TELL], "rejected": [other, TELL]}, {"chosen": [ASK, TELL], "rejected": [ASK, TELL]}))
    assert draft.good == 0
    assert "do not begin with the same turns" in draft.problems[1]
    assert "are the same" in draft.problems[2]


def test_parallel_results_of_tools_are_no_fault(drafted, jsonl):
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    turns = [
        ASK,
        {"role": "assistant", "tool_calls": [call, call]},
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "2"},
        TELL,
    ]
    assert drafted(jsonl({"messages": turns})).problems == {}


def test_a_fault_of_one_row_is_not_told_of_the_next(drafted, tmp_path):
    (tmp_path / "a.json").write_bytes(b'[{"text": "\xe9", "text": NaN}, {"text": "a", "text": "b"}, {"text": "fine"}]')
    assert {row: message[:4] for row, message in drafted(tmp_path / "a.json").problems.items()} == {1: "Byte", 2: "The "}


def test_a_bad_row_is_shown_shortly_and_saved_whole(home, jsonl):
    long = {"question": "q" * 1000, "answer": ""}
    draft = curate.open_draft(jsonl(GOOD["prompt_completion"], long), home=home)
    assert len(draft.problems[0].shown) == 201
    dataset = curate.freeze(home, draft, "rows")
    (saved,) = [json.loads(line) for line in curate.problems_path(home, dataset).read_text().splitlines()]
    assert (saved["row"], saved["message"], saved["source"]) == (2, "`answer` is empty.", long)


def test_a_file_without_a_single_good_row_is_not_read_to_its_end(home, jsonl):
    draft = curate.open_draft(jsonl(*[{"question": str(i), "answer": ""} for i in range(5000)]), home=home)
    assert (draft.rows, draft.good) == (1000, 0)
