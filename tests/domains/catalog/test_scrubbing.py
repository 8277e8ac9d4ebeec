"""Walking over the stored files: what is damaged, what is of no use, and going on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from app.adapters.storage.verifying import VerifyingStorage
from app.domains.catalog.service import ScrubbingService
from app.ports.audit import Act
from app.ports.storage import StorageUnavailable
from tests.contracts.storage_adapters import stream
from tests.fakes.catalog import InMemoryCatalog
from tests.fakes.clock import FrozenClock
from tests.fakes.files import InMemoryFileRecords
from tests.fakes.storage import InMemoryStorage


@dataclass
class Cellar:
    raw: InMemoryStorage = field(default_factory=InMemoryStorage)
    records: InMemoryFileRecords = field(default_factory=InMemoryFileRecords)
    catalog: InMemoryCatalog = field(default_factory=InMemoryCatalog)
    clock: FrozenClock = field(default_factory=FrozenClock)
    told: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.storage = VerifyingStorage(self.raw, self.records, self.clock)

    def service(self, every: timedelta | None = timedelta(days=30)) -> ScrubbingService:
        return ScrubbingService(
            begin=self.catalog.begin,
            storage=self.storage,
            check=self.storage,
            records=self.records,
            inventory=self.raw,
            clock=self.clock,
            every=every,
        )

    async def store(self, *keys: str, used: bool = True) -> None:
        for key in keys:
            await self.storage.write(key, stream(key.encode() * 100))
            if used:
                self.records.referenced.add(key)

    async def tell(self, done: int, planned: int) -> None:
        self.told.append((done, planned))

    def later(self, by: timedelta = timedelta(days=31)) -> None:
        self.clock.advance(by)

    @property
    def jobs(self) -> Sequence[str]:
        return [job.kind for job in self.catalog.board.jobs]


@pytest.fixture
def cellar() -> Cellar:
    return Cellar()


async def test_damaged_missing_and_useless_files_are_listed(cellar: Cellar) -> None:
    await cellar.store("books/good", "books/bad", "books/gone")
    await cellar.store("books/orphan", used=False)
    cellar.raw.objects["books/bad"] = b"?" + cellar.raw.objects["books/bad"][1:]
    del cellar.raw.objects["books/gone"]
    cellar.raw.objects["books/stranger"] = b"from another database"
    cellar.raw.objects["photographs/cat.jpg"] = b"somebody else's"
    cellar.later()
    found = await cellar.service().scrub(cellar.tell)
    assert [(each.key, each.damage) for each in found.damaged] == [
        ("books/bad", "changed"),
        ("books/gone", "missing"),
    ]
    assert (found.orphans, found.strangers) == (["books/orphan"], ["books/stranger"])
    assert found.checked == 4
    assert cellar.told[-1] == (4, 4)
    assert "books/orphan" in cellar.raw.objects


async def test_what_came_within_a_day_is_nobodys_orphan(cellar: Cellar) -> None:
    """An upload has an object, then a record, and only then a book."""
    await cellar.store("books/young", used=False)
    cellar.raw.objects["books/arriving"] = b"no record yet"
    cellar.raw.modified_at["books/arriving"] = cellar.clock.now()
    cellar.later(timedelta(hours=23))
    found = await cellar.service().scrub(cellar.tell)
    assert (found.orphans, found.strangers) == ([], [])
    cellar.later(timedelta(hours=2))
    found = await cellar.service().scrub(cellar.tell)
    assert (found.orphans, found.strangers) == (["books/young"], ["books/arriving"])


async def test_what_is_referred_to_meanwhile_is_not_removed(cellar: Cellar) -> None:
    await cellar.store("books/one", "books/two", used=False)
    cellar.later()
    service = cellar.service()
    found = await service.scrub(cellar.tell)
    cellar.records.referenced.add("books/one")
    assert await service.remove(found.orphans) == 1
    assert list(cellar.raw.objects) == ["books/one"]
    assert [event.act for event in cellar.catalog.events] == [Act.ORPHANS_REMOVED]


async def test_a_round_that_broke_off_goes_on_where_it_was(cellar: Cellar) -> None:
    await cellar.store(*(f"books/{n:02}" for n in range(50)))
    cellar.later()

    async def pull_the_plug(done: int, planned: int) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await cellar.service().scrub(pull_the_plug)
    cellar.later(timedelta(hours=1))
    await cellar.service().scrub(cellar.tell)
    assert cellar.told == [(40, 50), (50, 50)]


async def test_a_store_that_is_away_damages_nothing(cellar: Cellar) -> None:
    await cellar.store("books/one")
    cellar.later()
    cellar.raw.down = True
    with pytest.raises(StorageUnavailable):
        await cellar.service().scrub(cellar.tell)
    assert await cellar.records.damaged() == []
    cellar.raw.down = False
    assert (await cellar.service().scrub(cellar.tell)).checked == 1


async def test_the_job_begins_a_round_once_a_month_and_removes_orphans_only(
    cellar: Cellar,
) -> None:
    await cellar.store("books/one")
    await cellar.store("books/orphan", used=False)
    cellar.raw.objects["books/stranger"] = b"of another library"
    cellar.later()
    service = cellar.service()
    assert await service.go_on(cellar.tell) == {"damaged": 0, "orphans_removed": 1}
    assert set(cellar.raw.objects) == {"books/one", "books/stranger"}
    assert await service.go_on(cellar.tell) == {"due": False}
    cellar.later(timedelta(days=29))
    assert await service.go_on(cellar.tell) == {"due": False}
    cellar.later(timedelta(days=1))
    assert await service.go_on(cellar.tell) == {"damaged": 0, "orphans_removed": 0}


async def test_the_job_is_asked_for_when_a_round_is_due(cellar: Cellar) -> None:
    await cellar.service(every=None).ask_if_due()
    assert cellar.jobs == []
    await cellar.service().ask_if_due()
    assert cellar.jobs == ["scrub_files"]


async def test_a_file_brought_back_is_good_again_after_the_next_round(cellar: Cellar) -> None:
    await cellar.store("books/one")
    good = cellar.raw.objects["books/one"]
    cellar.raw.objects["books/one"] = b"?" + good[1:]
    cellar.later()
    assert len((await cellar.service().scrub(cellar.tell)).damaged) == 1
    cellar.raw.objects["books/one"] = good
    cellar.later(timedelta(minutes=1))
    assert (await cellar.service().scrub(cellar.tell)).damaged == []
