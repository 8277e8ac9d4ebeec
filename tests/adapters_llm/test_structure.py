from typing import Any

import pytest

from app.adapters.llm.structure import AnswerBroken, parse_answer

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["mood"],
    "properties": {
        "mood": {"type": "string", "enum": ["good", "bad"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "note": {"type": "string", "minLength": 2, "maxLength": 30},
        "names": {"type": "array", "maxItems": 2, "items": {"type": "string", "maxLength": 8}},
        "sure": {"type": "boolean"},
    },
}


def test_what_no_database_takes_is_not_in_an_answer() -> None:
    text = '{"mood": "good", "note": "so\\u0000 \\ud83d so", "names": ["A\\ud800"]}'
    assert parse_answer(text, SCHEMA) == {"mood": "good", "note": "so  so", "names": ["A"]}


@pytest.mark.parametrize(
    "text",
    [
        '{"mood": "good"}',
        'Here you are:\n```json\n{"mood": "good"}\n```',
        'Sure! {"mood": "good"} I hope that helps.',
    ],
)
def test_an_object_is_found_in_what_models_wrap_around_it(text: str) -> None:
    assert parse_answer(text, SCHEMA) == {"mood": "good"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not JSON"),
        ("good", "not JSON"),
        ('{"mood": "go', "not JSON"),
        ("[1]", "type object"),
        ("{}", "lacks 'mood'"),
        ('{"mood": "fine"}', "one of good, bad"),
        ('{"mood": "good", "stars": 6}', "between 1 and 5"),
        ('{"mood": "good", "stars": true}', "type integer"),
        ('{"mood": "good", "stars": 2.5}', "type integer"),
        ('{"mood": "good", "note": " "}', "too short"),
        ('{"mood": "good", "names": [1]}', "type string"),
        ('{"mood": "good", "names": "Ann"}', "type array"),
        ('{"mood": "good", "extra": 1}', "may not have"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_does_not_satisfy_the_schema_is_refused_with_the_reason(
    text: str, complaint: str
) -> None:
    with pytest.raises(AnswerBroken) as broken:
        parse_answer(text, SCHEMA)
    assert complaint in broken.value.complaint
    assert broken.value.answer == text


def test_what_is_only_too_long_is_shortened_at_a_sentence_or_a_word() -> None:
    answer = '{"mood": "good", "names": ["Ann", "Bob", "Cid"], "note": "%s"}'
    parsed = parse_answer(answer % "It was a good one. And there is more.", SCHEMA)
    assert parsed["names"] == ["Ann", "Bob"]
    assert parsed["note"] == "It was a good one."
    assert parse_answer(answer % ("word " * 20), SCHEMA)["note"] == "word word word word word…"
