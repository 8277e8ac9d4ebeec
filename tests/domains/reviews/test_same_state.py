"""However reviews came, were changed and went: what is counted is what is there."""

import random
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domains.accounts.model import User
from app.domains.reviews.model import Standing
from tests.domains.reviews.reading_room import ReadingRoom

WORDS = ("plot", "prose", "ending", "pacing", "maps", "map", "recipes", "Tempo")
texts = st.lists(
    st.tuples(st.sampled_from("+-~"), st.sampled_from(WORDS)), min_size=0, max_size=3
).map(lambda said: " ".join(f"{sign}{word} indeed." for sign, word in said) or "So it goes.")
stars = st.integers(1, 5)
deeds = st.one_of(
    st.tuples(st.just("add"), texts, stars),
    st.tuples(st.just("add"), texts, stars),
    st.tuples(st.just("edit"), texts, stars, st.integers(0, 99)),
    st.tuples(st.just("space"), stars, st.integers(0, 99)),
    st.tuples(st.just("delete"), st.integers(0, 99)),
    st.tuples(st.just("refresh")),
)


@dataclass
class Story:
    """One book through everything that happens to it."""

    room: ReadingRoom = field(default_factory=ReadingRoom)
    live: list[tuple[User, UUID, str, int]] = field(default_factory=list)

    async def begin(self) -> "Story":
        self.book = await self.room.add_book()
        return self

    async def happens(self, deed: tuple[object, ...]) -> None:
        match deed:
            case ("add", str(text), int(rating)):
                reader, review = await self.room.review(self.book, text, rating=rating)
                self.live.append((reader, review.id, text, rating))
            case ("edit", str(text), int(rating), int(which)) if self.live:
                await self.edit(which, text, rating)
            case ("space", int(rating), int(which)) if self.live:
                text = self.live[which % len(self.live)][2]
                await self.edit(which, text.replace(" ", "  "), rating)
            case ("delete", int(which)) if self.live:
                reader, review_id, *_ = self.live.pop(which % len(self.live))
                await self.room.service.withdraw(reader, self.book, review_id)
            case ("refresh",):
                await self.room.refresh(self.book)

    async def edit(self, which: int, text: str, rating: int) -> None:
        reader, review_id, *_ = self.live[which % len(self.live)]
        self.live[which % len(self.live)] = reader, review_id, text, rating
        await self.room.service.edit(reader, self.book, review_id, rating=rating, text=text)

    async def ends(self) -> Standing:
        await self.room.refresh(self.book)
        async with self.room.shelf.begin() as work:
            return await work.reviews.standing(self.book)

    async def quotes_are_verbatim(self) -> bool:
        texts = {review_id: text for _, review_id, text, _ in self.live}
        views = (await self.room.analysis(self.book)).aspects
        return all(
            quote.text in texts.get(quote.review_id, "") for view in views for quote in view.quotes
        )


async def lived(history: list[tuple[object, ...]]) -> Story:
    story = await Story().begin()
    for deed in history:
        await story.happens(deed)
    return story


@settings(max_examples=120, deadline=None)
@given(st.lists(deeds, max_size=14))
async def test_what_is_counted_step_by_step_is_what_is_counted_at_once(
    history: list[tuple[object, ...]],
) -> None:
    story = await lived(history)
    stepwise = await story.ends()
    at_once = await lived([("add", text, rating) for _, _, text, rating in story.live])
    assert stepwise == await at_once.ends()
    assert await story.quotes_are_verbatim()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, stars), max_size=12), st.randoms(use_true_random=False))
async def test_the_order_of_reviews_does_not_matter(
    said: list[tuple[str, int]], chance: random.Random
) -> None:
    first = await lived([("add", text, rating) for text, rating in said])
    chance.shuffle(said)
    second = await lived([("add", text, rating) for text, rating in said])
    assert await first.ends() == await second.ends()
    texts = [(await story.room.analysis(story.book)).consensus for story in (first, second)]
    assert texts[0] == texts[1]
