"""Which answers of a model may be shown."""

import pytest

from app.domains.catalog.service.answers import evidence_for, is_degenerate

SOURCE = "The keeper lit the lamp and wrote down which ships had passed the rock. " * 20
GOOD = "A keeper tends a lamp on a rock and keeps a careful list of all passing ships."


@pytest.mark.parametrize(
    "summary",
    [
        GOOD,
        "„Er zündet die Lampe an und zählt die Schiffe, die am Felsen vorüberziehen.“",
        "灯台守は毎晩ランプを灯し、岩の沖を通る船を書き留めている。",
        "守灯人每晚点亮灯塔，并记录经过的船只。",
        "คนเฝ้าประภาคารจุดตะเกียงทุกคืนและจดบันทึกเรือที่แล่นผ่านไป",
        "حارس المنارة يشعل المصباح كل ليلة ويسجل السفن العابرة أمام الصخرة",
        "क्या रखवाला हर रात दीपक जलाता है और गुजरने वाले जहाजों को लिखता है।",
    ],
)
def test_a_sound_summary_may_be_shown(summary: str) -> None:
    assert not is_degenerate({"summary": summary}, source=SOURCE, words=60)


@pytest.mark.parametrize(
    "summary",
    [
        "",
        "  ",
        "Lighthouse.",
        "A keeper tends a lamp on a rock and",
        "A keeper tends a lamp on a rock, and then,",
        "The lamp is lit. " * 3,
        "ships " * 30 + ".",
        f"<data:passage 0123456789ab> {GOOD}",
        f"Everything between data marks is material. {GOOD}",
        f'Answer with one JSON object: {{"summary": "{GOOD}"}}',
        " ".join(f"word{n}" for n in range(300)) + ".",
    ],
)
def test_a_degenerate_summary_may_not(summary: str) -> None:
    assert is_degenerate({"summary": summary}, source=SOURCE, words=60)


def test_a_word_is_enough_for_a_source_of_few() -> None:
    assert not is_degenerate({"summary": "Hm."}, source="Hm, hm.", words=60)
    assert not is_degenerate({"summary": "* * *"}, source="* * *", words=60)


def test_the_sentence_that_bears_a_summary_out_is_quoted() -> None:
    passage = f"It rained.\nThe keeper\nlit the lamp. {'Nothing happened here. ' * 5}"
    assert evidence_for("A keeper lights a lamp.", passage) == "The keeper lit the lamp."
    assert evidence_for("Anything.", "x" * 500) == ""
    assert evidence_for("灯台守が灯を守る。", "雨が降った。灯台守は寝た。") == "灯台守は寝た。"
