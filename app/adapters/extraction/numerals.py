"""Numbers as chapter headings write them: XIV, 14, FOURTEEN, first, premier, erstes."""

import re

_ROMAN = re.compile(r"M{0,2}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_ONES = (
    "one first erste erstes erster premier première primero primera primo prima uno un ein",
    "two second zweite zweites zweiter deuxième seconde segundo segunda secondo seconda dos deux",
    "three third dritte drittes dritter troisième tercero tercera terzo terza tres trois",
    "four fourth vierte viertes vierter quatrième cuarto cuarta quarto quarta cuatro quatre",
    "five fifth fünfte fünftes fünfter cinquième quinto quinta cinco cinq",
    "six sixth sechste sechstes sechster sixième sexto sexta sesto sesta seis",
    "seven seventh siebte siebtes siebter septième séptimo séptima settimo settima siete sept",
    "eight eighth achte achtes achter huitième octavo octava ottavo ottava ocho huit",
    "nine ninth neunte neuntes neunter neuvième noveno novena nono nona nueve neuf",
    "ten tenth zehnte zehntes zehnter dixième décimo décima decimo decima diez dix",
    "eleven eleventh",
    "twelve twelfth",
    "thirteen thirteenth",
    "fourteen fourteenth",
    "fifteen fifteenth",
    "sixteen sixteenth",
    "seventeen seventeenth",
    "eighteen eighteenth",
    "nineteen nineteenth",
)
_TENS = (
    "twenty twentieth",
    "thirty thirtieth",
    "forty fortieth",
    "fifty fiftieth",
    "sixty sixtieth",
    "seventy seventieth",
    "eighty eightieth",
    "ninety ninetieth",
)
_WORDS = {word: n for n, words in enumerate(_ONES, 1) for word in words.split()} | {
    word: 10 * n for n, words in enumerate(_TENS, 2) for word in words.split()
}


def number_of(word: str) -> int | None:
    """The number a word stands for (1 to 2,999), or None."""
    if word.isascii() and word.isdigit():
        return int(word) if 0 < len(word) < 4 else None
    if _ROMAN.fullmatch(word.upper()):
        return _roman(word.upper()) or None
    tens, _, ones = word.lower().partition("-")
    if not ones:
        return _WORDS.get(tens)
    return _sum(_WORDS.get(tens), _WORDS.get(ones))


def _sum(tens: int | None, ones: int | None) -> int | None:
    return tens + ones if tens and ones and tens >= 20 > ones else None


def _roman(numeral: str) -> int:
    values = [_VALUES[letter] for letter in numeral]
    return sum(
        -value if value < after else value
        for value, after in zip(values, [*values[1:], 0], strict=False)
    )
