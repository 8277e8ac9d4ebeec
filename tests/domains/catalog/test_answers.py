"""Which answers of a model may be shown."""

import pytest

from app.domains.catalog import prompts
from app.domains.catalog.service.answers import Fault, evidence_for, fault_of, told

SOURCE = "The keeper lit the lamp and wrote down which ships had passed the rock. " * 20
GOOD = "A keeper tends a lamp on a rock and keeps a careful list of all passing ships."
TEXTS = {
    "en": (SOURCE, GOOD),
    "de": (
        "Der Wächter zündete die Lampe an und schrieb auf, welche Schiffe an dem Felsen vorbei "
        "gefahren waren, und in der Nacht hörte er nur das Meer. " * 9,
        "„Er zündet die Lampe an und zählt die Schiffe, die in der Nacht am Felsen vorbei fahren,"
        " und das ist alles, was er von der Welt noch sieht.“",
    ),
    "fr": (
        "Le gardien allumait la lampe et il notait dans un cahier les navires qui passaient. " * 9,
        "Le gardien allume la lampe et note les navires qui passent devant le rocher.",
    ),
    "hu": (
        "Az őr meggyújtotta a lámpát, és felírta, hogy mely hajók haladtak el a szikla mellett. "
        * 9,
        "Az őr minden este meggyújtja a lámpát, és felírja, hogy milyen hajók mentek el.",
    ),
    "ru": ("Смотритель зажигал лампу и записывал, какие корабли прошли мимо скалы. " * 9,
           "Смотритель каждый вечер зажигает лампу и ведёт список проходящих кораблей."),
    "ja": ("灯台守はランプに火を灯し、どの船が岩を過ぎたかを書き留めた。" * 9,
           "灯台守は毎晩ランプを灯し、岩の沖を通る船を書き留めている。"),
    "zh": ("守灯人点亮了灯，写下哪些船只驶过了岩石。" * 9,
           "守灯人每晚点亮灯塔，并记录经过的船只。"),
    "th": ("คนเฝ้าประภาคารจุดตะเกียงและจดว่าเรือลำใดแล่นผ่านโขดหิน " * 9,
           "คนเฝ้าประภาคารจุดตะเกียงทุกคืนและจดบันทึกเรือที่แล่นผ่านไป"),
    "ar": ("أشعل الحارس المصباح وكتب أي السفن مرت بالصخرة في تلك الليلة. " * 9,
           "حارس المنارة يشعل المصباح كل ليلة ويسجل السفن العابرة أمام الصخرة"),
    "hi": ("रखवाले ने दीपक जलाया और लिखा कि कौन से जहाज चट्टान के पास से गुजरे। " * 9,
           "रखवाला हर रात दीपक जलाता है और गुजरने वाले जहाजों को लिखता है।"),
}  # fmt: skip
LONG_GERMAN = (
    "Der Wächter steht in der Nacht auf dem Turm und zündet die Lampe an, und er schreibt auf,"
    " was für Schiffe an dem Felsen vorbei gefahren sind."
)


def asked_about(passage: str, *, title: str = "The Lamp") -> str:
    request = prompts.summarise_passage(
        title=title, author="A. Keeper", chapter="One", passage=passage, words=60, tokens=400
    )
    return "\n".join(message.content for message in request.messages)


def fault(text: str, *, source: str = SOURCE, words: int = 60) -> Fault | None:
    return fault_of(text, source=source, words=words, asked=asked_about(source))


@pytest.mark.parametrize("language", TEXTS)
def test_a_sound_summary_may_be_shown(language: str) -> None:
    source, summary = TEXTS[language]
    assert fault(summary, source=source) is None
    assert fault_of(summary, source=source, words=60) is None


@pytest.mark.parametrize(
    ("summary", "why"),
    [
        ("", Fault.SHORT),
        ("  ", Fault.SHORT),
        ("Lighthouse.", Fault.SHORT),
        ("A keeper tends a lamp on a rock and", Fault.BROKEN_OFF),
        ("A keeper tends a lamp on a rock, and then,", Fault.BROKEN_OFF),
        ("A lamp is lit on the rock. " * 3, Fault.LOOP),
        ("The ships pass: " + "ships " * 30 + ".", Fault.LOOP),
        ("The keeper laughs: ha ha ha ha ha, and that is all.", Fault.LOOP),
        ("The keeper laughs hahahahahahahaha and lights the lamp on the rock.", Fault.LOOP),
        (f"<data:passage 0123456789ab> {GOOD}", Fault.MARKS),
        (f"Everything between data marks is material. {GOOD}", Fault.MARKS),
        (f'Answer with one JSON object: {{"summary": "{GOOD}"}}', Fault.MARKS),
        (f"Tell what happens or what is argued, in the order of it. {GOOD}", Fault.ECHO),
        (" ".join(f"word{n}" for n in range(300)) + ".", Fault.LONG),
        ("I'm sorry, but I cannot summarise this passage of the book.", Fault.REFUSAL),
        ("As an AI language model I have not read what the keeper wrote.", Fault.REFUSAL),
        ("Es tut mir leid, aber das kann ich nicht zusammenfassen, nein.", Fault.REFUSAL),
        ("Смотритель зажигает лампу и ведёт список проходящих мимо кораблей.", Fault.SCRIPT),
        (LONG_GERMAN, Fault.LANGUAGE),
        ("The keeper Robert Walton writes to Margaret Saville of the passing ships.", Fault.NAMES),
    ],
)
def test_a_degenerate_summary_may_not(summary: str, why: Fault) -> None:
    assert fault(summary) is why


@pytest.mark.parametrize(
    ("source", "summary"),
    [
        ("Hm, hm.", "Hm."),
        ("* * *", "* * *"),
        ("Tomorrow, and tomorrow, and tomorrow, tomorrow, tomorrow tomorrow creeps on. " * 4,
         "Tomorrow tomorrow tomorrow tomorrow, says the king, and it creeps on and on."),
        ("I am sorry, said the letter, I cannot come to you. " * 9,
         "I am sorry, says the letter: nobody comes, and nobody will come tomorrow."),
        ("The element <data:list> holds the rows of one table, in XML. " * 9,
         "The passage explains that <data:list> holds the rows of a table in XML."),
    ],
)  # fmt: skip
def test_what_the_text_has_itself_is_no_fault(source: str, summary: str) -> None:
    assert fault(summary, source=source) is None


def test_the_names_of_the_title_may_stand_in_a_summary_and_one_slip_spoils_no_answer() -> None:
    source = "He lit the lamp and wrote down which ships had passed. " * 20
    summary = "Martha Hale lights the lamp and writes down which ships have passed."
    about = asked_about(source, title="The Lamp of Martha Hale")
    assert fault_of(summary, source=source, words=60, asked=about) is None
    assert fault(summary, source=source) is Fault.NAMES
    assert fault(summary.replace(" Hale", ""), source=source) is None


def test_a_quotation_of_the_text_is_no_echo() -> None:
    source = "Tell what happens or what is argued, in the order of it, said the teacher. " * 9
    summary = "A teacher explains: tell what happens or what is argued, in the order of it."
    assert fault(summary, source=source) is None


@pytest.mark.parametrize(
    "said",
    [
        f"Sure, here is the summary you asked for: {GOOD}",
        f"Certainly! {GOOD}",
        f"**Summary:** {GOOD}",
        f"Here's a brief summary of the passage:\n\n{GOOD}",
        f"{GOOD}\n\nLet me know if you need anything else!",
        f"Summary of the passage: {GOOD}",
        GOOD,
    ],
)
def test_what_models_say_around_an_answer_is_no_part_of_it(said: str) -> None:
    assert told(said) == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "Here are the young men: they wait for the ships.",
        "Of course, the keeper lights the lamp.",
        "Sure of himself, he lights the lamp.",
        "Summary justice awaits the keeper.",
        "Sure.",
        "",
    ],
)
def test_a_text_that_only_begins_like_that_stays(text: str) -> None:
    assert told(text) == text


def test_the_sentence_that_bears_a_summary_out_is_quoted() -> None:
    passage = f"It rained.\nThe keeper\nlit the lamp. {'Nothing happened here. ' * 5}"
    assert evidence_for("A keeper lights a lamp.", passage) == "The keeper lit the lamp."
    assert evidence_for("Anything.", "x" * 500) == ""
    assert evidence_for("灯台守が灯を守る。", "雨が降った。灯台守は寝た。") == "灯台守は寝た。"
