from __future__ import annotations

import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import Shape

ALPACA = {"instruction": "Add the numbers.", "input": "1 2", "output": "3"}
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello?"},
    {"role": "assistant", "content": "Hi."},
]
LONGER = [*CHAT, {"role": "user", "content": "And now?"}, {"role": "assistant", "content": "Bye."}]
SHAREGPT = [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Hi."}]


def triple(row):
    return row["instruction"], row["input"], row["output"]


@pytest.mark.parametrize(
    ("record", "expected", "meta"),
    [
        (ALPACA, ("Add the numbers.", "1 2", "3"), {}),
        (
            {**ALPACA, "text": "Below is an instruction"},
            ("Add the numbers.", "1 2", "3"),
            {"text": "Below is an instruction"},
        ),
        (
            {"instruction": "Say it.", "context": "A fact.", "response": "It.", "category": "qa"},
            ("Say it.", "A fact.", "It."),
            {"category": "qa"},
        ),
        ({"question": "How many?", "answer": "7"}, ("How many?", "", "7"), {}),
        ({"prompt": "Go on:", "completion": " and on", "label": True}, ("Go on:", "", " and on"), {"label": True}),
        ({"prompt": "Go on:", "response": "on"}, ("Go on:", "", "on"), {}),
        ({"Question": "How many?", "Answer": "7", "Context": "x y"}, ("How many?", "x y", "7"), {}),
        ({"input": "How many?", "output": "7"}, ("How many?", "", "7"), {}),
        ({"instruction": "A", "answer": "B", "id": 1}, ("A", "", "B"), {"id": 1}),
        ({"instruction": "A", "input": None, "output": ""}, ("A", "", ""), {}),
        ({"messages": CHAT}, ("Hello?", "", "Hi."), {"messages": CHAT}),
        ({"messages": LONGER}, ("Hello?", "Assistant: Hi.\n\nUser: And now?", "Bye."), {"messages": LONGER}),
        ({"conversations": SHAREGPT}, ("Hello?", "", "Hi."), {"conversations": SHAREGPT}),
    ],
)
def test_instruction_sets_are_recognised(record, expected, meta, save, read_all):
    rows, reader = read_all(save("a.jsonl", [record] * 3))
    assert reader.shape is Shape.INSTRUCTION
    assert triple(rows[0]) == expected
    assert rows[0]["text"] == "\n\n".join(part for part in expected if part)
    assert rows[0]["meta"] == meta


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"prompt": "P", "chosen": "good", "rejected": "bad"}, ("P", "good", "bad")),
        ({"instruction": "P", "chosen": "good", "rejected": "bad"}, ("P", "good", "bad")),
        ({"system": "S", "question": "P", "chosen": "good", "rejected": "bad"}, ("P", "good", "bad")),
        (
            {"prompt": "P", "chosen": CHAT, "rejected": [*CHAT[:2], {"role": "assistant", "content": "No."}]},
            ("P", "Hi.", "No."),
        ),
        ({"chosen": CHAT, "rejected": [*CHAT[:2], {"role": "assistant", "content": "No."}]}, ("Hello?", "Hi.", "No.")),
        (
            {"prompt": CHAT[:2], "chosen": [CHAT[2]], "rejected": [{"role": "assistant", "content": "No."}]},
            ("Hello?", "Hi.", "No."),
        ),
        (
            {"conversations": SHAREGPT[:1], "chosen": SHAREGPT[1], "rejected": {"from": "gpt", "value": "No."}},
            ("Hello?", "Hi.", "No."),
        ),
        (
            {"chosen": "\n\nHuman: Hi\n\nAssistant: Yes.", "rejected": "\n\nHuman: Hi\n\nAssistant: No."},
            ("Human: Hi", "Yes.", "No."),
        ),
    ],
)
def test_preference_sets_are_recognised(record, expected, save, read_all):
    rows, reader = read_all(save("a.jsonl", [record] * 2))
    assert reader.shape is Shape.PREFERENCE
    assert (rows[0]["prompt"], rows[0]["chosen"], rows[0]["rejected"]) == expected


def test_a_chat_without_an_answer_is_kept_aside(save, read_all):
    rows, reader = read_all(save("a.jsonl", [{"messages": CHAT}, {"messages": CHAT[:2]}, {"messages": CHAT}]))
    assert [row["row_id"] for row in rows] == ["a.jsonl#0", "a.jsonl#2"]
    assert reader.rejects[0].reason == "messages has no answer to a user's turn"


def test_named_fields_win(save, read_all):
    record = {"question": "Q", "answer": "A", "explanation": "because of this and that", "hint": "H"}
    path = save("a.jsonl", [record])
    rows, reader = read_all(path, fields={"output": "explanation", "input": "hint"})
    assert reader.shape is Shape.INSTRUCTION
    assert triple(rows[0]) == ("Q", "H", "because of this and that")
    assert rows[0]["meta"] == {"answer": "A"}
    rows, reader = read_all(path, text_field="explanation")
    assert reader.shape is Shape.TEXT
    assert rows[0]["text"] == "because of this and that"


def test_a_shape_can_be_wished_for(save, read_all):
    rows, reader = read_all(save("a.jsonl", [ALPACA]), shape=Shape.TEXT)
    assert reader.shape is Shape.TEXT
    assert rows[0]["text"] == "Add the numbers.\n\n1 2\n\n3"
    assert rows[0]["meta"] == ALPACA


def test_a_shape_that_does_not_fit_is_refused(save, read_all):
    path = save("a.jsonl", [{"text": "only some words"}])
    with pytest.raises(ParameterError, match="not recognised as instruction"):
        read_all(path, shape=Shape.INSTRUCTION)
    with pytest.raises(ParameterError, match="no field is named for the column 'output'"):
        read_all(path, fields={"instruction": "text"})
    with pytest.raises(ParameterError, match="'outputs' is not a column"):
        read_all(path, fields={"instruction": "text", "outputs": "text"})


def test_mixed_shapes_become_text_and_say_so(save, tmp_path, read_all):
    save("d/a.jsonl", [ALPACA])
    save("d/b.jsonl", [{"text": "plain words only"}])
    rows, reader = read_all(tmp_path / "d")
    assert reader.shape is Shape.TEXT
    assert [row["text"] for row in rows] == ["Add the numbers.\n\n1 2\n\n3", "plain words only"]
    assert rows[0]["meta"] == ALPACA
    assert any("the files differ (instruction and text)" in note for note in reader.notes)


def test_a_readme_beside_data_does_not_change_its_shape(save, tmp_path, read_all):
    save("d/README.md", "# A dataset")
    save("d/dataset_info.json", '{"a": 1}')
    save("d/a.jsonl", [ALPACA])
    _, reader = read_all(tmp_path / "d")
    assert reader.shape is Shape.INSTRUCTION
    assert {item.uri for item in reader.skipped} == {"README.md", "dataset_info.json"}
    assert read_all(tmp_path / "d" / "README.md")[0][0]["text"] == "# A dataset"


def test_system_turns_that_are_no_part_of_the_rows_are_said(save, read_all):
    said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    _, reader = read_all(save("a.jsonl", [{"messages": said}]))
    assert not any("system" in note for note in reader.notes)
    path = save("b.jsonl", [{"messages": said}, {"messages": [{"role": "system", "content": "Be kind."}, *said]}])
    rows, reader = read_all(path)
    assert "Be kind" not in rows[1]["text"]
    assert any("b.jsonl holds system turns: they stay in meta" in note for note in reader.notes)
