"""Reviews with planted opinions: who wrote what about which aspect is known beforehand."""

import random
from dataclasses import dataclass

# aspect, praise (+) or blame (-), and two ways to say so, by language; sentences of our own.
_SAID = {
    "en": """
plot + The story keeps surprising you. / What a clever plot.
plot - The plot makes no sense. / I found the story thin and predictable.
characters + The characters feel like real people. / I adored the heroine.
characters - The characters are cardboard. / I never believed in the villain.
prose + The writing is beautiful. / Her prose sings.
prose - The writing is clumsy. / The prose is wordy and flat.
pacing + I could not put it down, it is so gripping. / The pace is just right.
pacing - It drags terribly in the middle. / Far too slow for me.
ending + The ending is perfect. / I loved how the end brings it all together.
ending - The ending is a letdown. / A rushed and disappointing conclusion.
setting + The setting is wonderfully vivid. / The atmosphere is superb.
setting - The setting stays vague and dull. / The world never convinced me.
humour + It is hilarious. / The jokes are witty and kind.
humour - The humour falls flat. / The jokes are tired.
length + It has exactly the right length. / Short and all the better for it.
length - It is two hundred pages too long. / Overlong by half.
""",
    "de": """
plot + Die Handlung ist klug gebaut. / Die Geschichte überrascht immer wieder.
plot - Die Handlung ist wirr und unglaubwürdig. / Die Geschichte ist vorhersehbar.
characters + Die Figuren sind liebenswert. / Die Hauptfigur ist großartig gezeichnet.
characters - Die Figuren bleiben flach. / Die Charaktere sind aus Pappe.
prose + Der Stil ist wunderschön. / Die Sprache ist hervorragend.
prose - Der Stil ist holprig. / Die Sprache ist schwach und klischeehaft.
pacing + Spannend von der ersten Seite an. / Das Tempo stimmt, ich konnte nicht aufhören.
pacing - Sehr langatmig. / Das Tempo ist viel zu langsam.
ending + Das Ende ist gelungen. / Ein großartiger Schluss.
ending - Das Ende hat mich enttäuscht. / Der Schluss ist schwach.
setting + Der Schauplatz ist wunderbar beschrieben. / Die Atmosphäre ist großartig.
setting - Der Schauplatz bleibt blass. / Die Atmosphäre fehlt völlig.
humour + Sehr lustig und witzig. / Der Humor ist großartig.
humour - Der Humor zündet nicht. / Die Witze sind schlecht.
length + Genau die richtige Länge. / Schön kurz.
length - Viel zu lang. / Zweihundert Seiten zu viel.
""",
    "fr": """
plot + L'intrigue est passionnante. / Une histoire magnifique.
plot - L'intrigue est confuse. / Une histoire prévisible.
characters + Les personnages sont touchants. / J'ai adoré les personnages.
characters - Les personnages sont plats. / Je n'ai pas cru aux personnages.
prose + Le style est superbe. / Une écriture magnifique.
prose - Le style est lourd et mauvais. / L'écriture est faible.
pacing + Un rythme captivant. / Impossible de le lâcher.
pacing - Le rythme est trop lent. / C'est ennuyeux et long à démarrer.
ending + La fin est magnifique. / Une fin très réussie.
ending - La fin m'a déçu. / Une fin bâclée et décevante.
setting + L'atmosphère est superbe. / Le décor est merveilleux.
setting - Le décor est sans intérêt. / L'atmosphère est plate.
humour + Très drôle. / Un humour réussi.
humour - L'humour est lourd et raté. / Les blagues ne sont pas drôles.
length + Juste la bonne longueur. / Court et bon.
length - Beaucoup trop long. / Des longueurs ennuyeuses.
""",
    "es": """
plot + La trama es fascinante. / Una historia maravillosa.
plot - La trama es confusa. / Una historia previsible.
characters + Los personajes son encantadores. / Me encantaron los personajes.
characters - Los personajes son flojos. / Los personajes resultan planos.
prose + La prosa es hermosa. / El estilo es excelente.
prose - La prosa es pésima. / El estilo es malo y recargado.
pacing + El ritmo engancha desde el principio. / Un ritmo excelente.
pacing - El ritmo es muy lento. / Se hace aburrido y pesado.
ending + El final es genial. / Un final excelente.
ending - El final es decepcionante. / Un final flojo y apresurado.
setting + La ambientación es maravillosa. / Un ambiente magnífico.
setting - La ambientación es floja. / El ambiente no convence.
humour + Es muy divertido. / Un humor genial.
humour - El humor es malo. / Los chistes no tienen gracia.
length + La extensión es perfecta. / Corto y bueno.
length - Es demasiado largo. / Le sobran páginas.
""",
    "hu": """
plot + A cselekmény okosan van felépítve. / A történet végig meglepő és jó.
plot - A cselekmény zavaros. / A történet kiszámítható és gyenge.
characters + A szereplők élnek és szerethetők. / Imádtam a főhőst.
characters - A szereplők laposak. / A karakterek hiteltelenek.
prose + A stílus gyönyörű. / Nagyon szép a nyelvezete.
prose - A stílus döcögős. / Rossz a nyelvezete.
pacing + Nem tudtam letenni, olyan izgalmas. / A tempó éppen jó.
pacing - Nagyon vontatott. / Unalmas és lassú a tempó.
ending + A befejezés tökéletes. / Nagyon jó a vége.
ending - A befejezés csalódás. / Elkapkodott a vége.
setting + A helyszín csodálatos. / Nagyszerű a hangulata.
setting - A helyszín semmitmondó. / A hangulata gyenge.
humour + Nagyon vicces. / A humora remek.
humour - A humora erőltetett. / A poénok rosszak.
length + Éppen jó a hossza. / Rövid és jó.
length - Túl hosszú. / Kétszáz oldallal több a kelleténél.
""",
}
_BETWEEN = {
    "en": ("I borrowed it on a rainy Sunday.", "My sister has it now.", "It has been on my list."),
    "de": ("Ich habe es im Urlaub gelesen.", "Es lag lange auf dem Stapel.", "Ein Geschenk."),
    "fr": ("Je l'ai lu dans le train.", "Un cadeau de ma tante.", "Lu en trois soirs."),
    "es": ("Lo leí en vacaciones.", "Me lo prestó una amiga.", "Lo terminé ayer."),
    "hu": ("A vonaton olvastam.", "A nővéremtől kaptam.", "Tegnap fejeztem be."),
}


@dataclass(frozen=True, slots=True)
class Planted:
    """A review, and what its reader thinks: aspect → positive or negative."""

    text: str
    language: str
    rating: int
    opinions: dict[str, str]


def languages() -> tuple[str, ...]:
    return tuple(_SAID)


def planted(count: int, seed: int) -> list[Planted]:
    """Reviews with none to three opinions each, in turn in every language."""
    chance = random.Random(seed)
    return [_review(chance, languages()[number % len(_SAID)]) for number in range(count)]


def _review(chance: random.Random, language: str) -> Planted:
    sentences = _sentences(language)
    known = sorted({aspect for aspect, _ in sentences})
    aspects = chance.sample(known, chance.choice((0, 1, 2, 3)))
    leaning = chance.choice((0.2, 0.5, 0.9))
    opinions = {a: "positive" if chance.random() < leaning else "negative" for a in aspects}
    said = [chance.choice(sentences[aspect, polarity]) for aspect, polarity in opinions.items()]
    said += chance.sample(_BETWEEN[language], chance.choice((0, 1)) if said else 2)
    chance.shuffle(said)
    good = sum(polarity == "positive" for polarity in opinions.values())
    rating = 3 if not opinions else 1 + round(4 * good / len(opinions))
    return Planted(" ".join(said), language, rating, opinions)


def _sentences(language: str) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for line in _SAID[language].strip().splitlines():
        aspect, sign, said = line.split(maxsplit=2)
        found[aspect, "positive" if sign == "+" else "negative"] = said.split(" / ")
    return found
