"""New books a large library's model does not know yet, for whom they seem to fit."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from uuid import UUID

from app.domains.recommendations.model import Tastes
from app.ports.recommender import Item, Reason, Recommendation

_AUTHOR_COUNTS = 2.0


def fitting_arrivals(
    arrivals: Sequence[Item], tastes: Tastes, exclude: Collection[UUID]
) -> list[Recommendation]:
    """Those by an author or of a genre or tag the reader likes, best first, with the reasons;
    none in a language they dislike, or in another than those they want."""
    authors, genres = _folded(tastes.authors), {**_folded(tastes.tags), **_folded(tastes.genres)}
    languages = _folded(tastes.languages)
    wanted = {name for name, weight in languages.items() if weight > 0}
    found = []
    for item in arrivals:
        spoken = (item.language or "").casefold()
        refused = languages.get(spoken, 0.0) < 0 or (wanted and spoken and spoken not in wanted)
        said = list(_said(item, authors, genres))
        total = sum(weight for weight, _ in said)
        if total > 0 and not refused and item.id not in exclude:
            likes = sorted((pair for pair in said if pair[0] > 0), key=lambda pair: -pair[0])
            found.append(Recommendation(item.id, total, tuple(reason for _, reason in likes[:3])))
    return sorted(found, key=lambda one: -one.score)


def _said(
    item: Item, authors: dict[str, float], genres: dict[str, float]
) -> Iterator[tuple[float, Reason]]:
    if weight := authors.get(item.author.casefold(), 0.0):
        yield _AUTHOR_COUNTS * weight, Reason("you_like_author", value=item.author)
    for name in dict.fromkeys((*item.genres, *item.tags)):
        if weight := genres.get(name.casefold(), 0.0):
            yield weight, Reason("you_like_genre", value=name)


def _folded(tastes: Mapping[str, float]) -> dict[str, float]:
    return {name.casefold(): weight for name, weight in tastes.items()}
