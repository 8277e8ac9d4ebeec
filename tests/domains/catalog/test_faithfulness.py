"""What of a summary the book bears out."""

import tracemalloc
from itertools import islice, product
from string import ascii_lowercase

import pytest

from app.domains.catalog.service.faithfulness import Sources, founded
from app.shared.figures import figures
from app.shared.languages import language_of, script_of

ENGLISH = {
    10: "On the 3rd of March 1851 Captain Ahab left Nantucket with thirty-one men. Nobody on the"
    " pier waved, and the rain fell on the barrels.",
    20: "Starbuck begged him to turn the ship. The mate spoke of his wife and of his little boy,"
    " and Ahab wept one tear into the sea, though he would not listen.",
    30: "The whale came up under the boats. It broke two of them, and Queequeg's harpoon was lost"
    " with 1,200 fathoms of line.",
    40: "The cook counted the barrels in the hold. There was flour, and pork, and water for a"
    " year, but the biscuits were full of worms.",
}
GERMAN = {
    1: "Als Gregor Samsa eines Morgens aus unruhigen Träumen erwachte, fand er sich in seinem"
    " Bett zu einem ungeheueren Ungeziefer verwandelt. Er lag auf seinem harten Rücken und sah"
    " seinen gewölbten Bauch. Seine Schwester Grete klopfte an die Tür, und die Mutter rief.",
    2: "Der Prokurist war im Jahre 1912 in die Wohnung gekommen, und der Vater ballte die Faust."
    " Die Familie saß am Tisch, und es war still in dem Zimmer mit den Möbeln.",
}


def unfounded(text: str, sources: dict[int, str], *known: str) -> list[str]:
    statements = Sources(sources.items(), known=known).statements(text)
    return [name for statement in statements for name in statement.unfounded]


@pytest.mark.parametrize(
    ("sentence", "passage"),
    [
        ("Ahab sets out from Nantucket.", 10),
        ("The mate begs his captain to turn back.", 20),
        ("A whale breaks boats.", 30),
        ("Worms have got into the biscuit.", 40),
    ],
)
def test_a_sentence_is_borne_out_by_the_passage_that_tells_of_it(
    sentence: str, passage: int
) -> None:
    (statement,) = Sources(ENGLISH.items()).statements(sentence)
    assert statement.support[0] == passage
    assert statement.supported
    assert statement.unfounded == ()


def test_what_no_passage_tells_of_is_not_supported() -> None:
    (statement,) = Sources(ENGLISH.items()).statements(
        "Shareholders approve quarterly dividends while regulators investigate captain salaries."
    )
    assert statement.support == (10,)
    assert not statement.supported
    assert Sources(ENGLISH.items()).statements("Xyzzy plugh.")[0].support == ()
    assert Sources([]).statements("Anything at all.")[0].support == ()


def test_several_passages_bear_a_sentence_out_together_and_never_more_than_wanted() -> None:
    text = "Ahab left Nantucket in March, wept a tear into the sea, and a whale broke the boats."
    sources = Sources(ENGLISH.items())
    (statement,) = sources.statements(text)
    assert set(statement.support) == {10, 20, 30}
    assert len(sources.statements(text, most=1)[0].support) == 1


def test_only_the_passages_named_may_bear_a_sentence_out() -> None:
    sources = Sources(ENGLISH.items())
    (statement,) = sources.statements("Queequeg loses a harpoon to the sea.", within=[20, 40, 77])
    assert statement.support == (20,)
    assert statement.unfounded == ("Queequeg",)


@pytest.mark.parametrize(
    ("passages", "sentence"),
    [
        ({1: "雨が降っていた。", 2: "灯台守はランプに火を灯した。"}, "灯台守が火を灯す。"),
        ({1: "Es regnete.", 2: "Die Wächter zündeten die Lampen an."}, "Ein Wächter bei der Lampe"),
        ({1: "Esett az eső.", 2: "A lámpákat meggyújtották."}, "Meggyújtja a lámpát."),
        ({1: "Шёл дождь.", 2: "Смотритель зажёг лампу."}, "Смотрители зажгли лампы."),
        ({1: "บ้านหลังใหญ่", 2: "คนเฝ้าประภาคารจุดตะเกียง"}, "คนจุดตะเกียงทุกคืน"),
        ({1: "بيت كبير", 2: "أشعل الحارس المصباح"}, "الحارس يشعل المصباح"),
        ({1: "बारिश हो रही थी।", 2: "रखवाले ने दीपक जलाया।"}, "दीपक जलता है।"),
    ],
)
def test_any_language_and_other_forms_of_a_word_will_do(
    passages: dict[int, str], sentence: str
) -> None:
    (statement,) = Sources(passages.items()).statements(sentence)
    assert statement.support[0] == 2
    assert statement.unfounded == ()


@pytest.mark.parametrize(
    ("sentence", "strange"),
    [
        ("Ahab and his mate Robert leave the port.", ["Robert"]),
        ("Robert weeps into the sea.", ["Robert"]),
        ("They leave Chicago in 1851 with thirty-one men.", ["Chicago"]),
        ("They leave Nantucket in 1849.", ["1849"]),
        ("They leave Nantucket with twenty men.", ["twenty"]),
        ("Ahab sails with 31 men on 3 March.", []),
        ("The line was 1200 fathoms long, says Starbuck's mate.", []),
        ("STARBUCK'S wife and Ahab's tear.", []),
        ("Meanwhile the whale waits; however, Ahab sails.", []),
        ("Ignoring the mate, Ahab sails on.", []),
        ("The two friends break three of four boats.", []),
        ("He is the Captain of the Whale.", []),
        ("Mr. Starbuck begs Captain Ahab.", []),
    ],
)
def test_names_and_numbers_the_book_does_not_have_are_told(
    sentence: str, strange: list[str]
) -> None:
    assert unfounded(sentence, ENGLISH) == strange


def test_a_number_is_looked_for_near_what_the_sentence_tells_of() -> None:
    crowd = {
        n: f"The market of day {n} was as any other, and {n} of them sold fish." for n in range(50)
    }
    sources = {100: "The ship had 24 guns and one tired gunner aboard.", **crowd}
    assert unfounded("The ship had 24 guns.", sources) == []
    assert unfounded("The ship had 37 guns.", sources) == ["37"]


def test_the_title_and_the_author_need_no_passage() -> None:
    sentence = "Herman Melville tells of Moby Dick and of Ahab."
    assert unfounded(sentence, ENGLISH) == ["Herman", "Melville", "Moby", "Dick"]
    assert unfounded(sentence, ENGLISH, "Moby-Dick", "Melville, Herman") == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("Azután Anna és József elindult Budapestre.", "Annának és Józsefnek Budapest a cél."),
        ("Тогда Наташа и Андрей поехали в город.", "Город видел Наташу с Андреем."),
        ("Puis Élodie et son frère ont vu la mer.", "Sa sœur Elodie regarde la mer."),
    ],
)  # fmt: skip
def test_other_forms_of_a_name_are_the_name(source: str, sentence: str) -> None:
    assert unfounded(sentence, {1: source}) == []


@pytest.mark.parametrize(
    ("sentence", "strange"),
    [
        ("Gregor spürt die Verzweiflung der Familie.", []),
        ("Er leidet unter der Isolation und verliert seinen Lebensmut.", []),
        ("Die Schwester räumt das Schlafzimmer aus.", []),
        ("Es ist Gretes Bett, und Samsas Hunger bleibt.", []),
        ("Trotzdem klopft Grete an seine Tür.", []),
        ("Am Morgen kommt Robert in die Wohnung.", ["Robert"]),
        ("Die Mutter rief, und dann sagte Robert etwas.", ["Robert"]),
        ("Die Familie zieht nach Hamburg.", ["Hamburg"]),
    ],
)
def test_a_german_noun_is_no_name(sentence: str, strange: list[str]) -> None:
    assert unfounded(sentence, GERMAN) == strange


def test_a_language_nobody_listed_has_no_names_where_sentences_begin() -> None:
    source = "Kesällä vanha majakanvartija sytytti lampun ja kirjoitti laivojen nimet kirjaan. " * 9
    assert unfounded("Lopulta myrsky sammutti lampun.", {1: source}) == []
    assert unfounded("Myrsky vei kirjan ja Matti itki.", {1: source}) == ["Matti"]


def test_a_sentence_with_an_invention_is_left_out() -> None:
    text = "Ahab leaves Nantucket. Robert stays in Chicago.\n\nStarbuck begs him to turn."
    result = founded(text, Sources(ENGLISH.items()))
    assert result.text == "Ahab leaves Nantucket.\n\nStarbuck begs him to turn."
    assert [s.text for s in result.removed] == ["Robert stays in Chicago."]
    assert [s.text for s in result.statements] == [
        "Ahab leaves Nantucket.",
        "Starbuck begs him to turn.",
    ]


def test_where_nothing_would_be_left_everything_stays_and_is_marked() -> None:
    text = "Robert stays in Chicago. Alice likes Bologna."
    result = founded(text, Sources(ENGLISH.items()))
    assert (result.text, result.removed) == (text, ())
    assert [s.unfounded for s in result.statements] == [("Robert", "Chicago"), ("Alice", "Bologna")]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("in 1851, or 1,851, or 1.851", ["1851", "1851", "1851"]),
        ("twenty men, twenty-one, the twenty-first, 21st", ["20", "21", "21", "21"]),
        ("two hundred and fifty thousand", ["250000"]),
        ("eighteen fifty-one and a hundred", ["1851", "100"]),
        ("the third of nine", ["3", "9"]),
        ("3.5 metres, 007, ３９ and ४२", ["3.5", "7", "39", "42"]),
        ("someone often weighs tenants", []),
    ],
)
def test_numbers_are_read_in_digits_and_in_english_words(text: str, values: list[str]) -> None:
    assert [value for _, _, value in figures(text)] == values


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The keeper lit the lamp and wrote down which of the ships had passed by in the night"
         " and what he had heard.", "en"),
        ("Le gardien a allumé la lampe et il a noté dans son cahier les navires qui sont passés"
         " pendant la nuit.", "fr"),
        ("Az őr meggyújtotta a lámpát, és felírta egy könyvbe, hogy mely hajók mentek el a"
         " szikla mellett, és hogy mit hallott akkor.", "hu"),
        ("The lamp.", None),
        ("word " * 30, None),
    ],
)  # fmt: skip
def test_a_language_is_told_only_where_it_is_sure(text: str, language: str | None) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("The keeper lit the lamp.", "latin"),
        ("Смотритель зажёг лампу.", "cyrillic"),
        ("守灯人每晚点亮灯塔，并记录经过的船只和天气。", "chinese or japanese"),
        ("half English наполовину русский", None),
        ("12 345 678", None),
    ],
)
def test_a_script_is_told_only_where_it_is_sure(text: str, script: str | None) -> None:
    assert script_of(text) == script


def test_a_strange_name_takes_no_room_however_many_names_a_book_has() -> None:
    """No copy of them is made to look it up."""
    names = ("Z" + "".join(letters) for letters in product(ascii_lowercase, repeat=4))
    sources = Sources([(1, " and ".join(islice(names, 30_000)))])
    assert sources.statements("They met Zaab and Bertha.")[0].unfounded == ("Bertha",)
    tracemalloc.start()
    try:
        sources.statements("They met Zaab and Bertha.")
        room = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert room < 100_000
