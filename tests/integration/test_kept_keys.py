"""What is made with a key of the library holds wherever its database goes."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.adapters.postgres.dumping import dump, restore
from app.adapters.postgres.engine import DatabaseUnavailable
from app.bootstrap.container import build_services, choose_adapters
from app.bootstrap.library import open_library
from app.bootstrap.settings import Settings
from tests.contracts.shelves import opened_shelf
from tests.database import cloned
from tests.library import settings_for_tests


def settings(url: str, home: Path, secret: str) -> Settings:
    return settings_for_tests(url, home, tokens={"secret": secret * 32}, privacy={"history": "off"})


async def test_who_borrowed_a_book_is_known_after_a_restore_elsewhere_with_other_secrets(
    database_url: str, server_url: str, tmp_path: Path
) -> None:
    async with opened_shelf(database_url) as shelf:
        reader, other = await shelf.add_reader(), await shelf.add_reader("Bob")
        book = await shelf.add_book()
    here = settings(database_url, tmp_path / "here", "a")
    async with open_library(here, migrating=False) as library:
        await library.services.lending.borrow(reader, book)
        await library.services.lending.give_back(reader, book)
    await dump(database_url, tmp_path / "library.dump")

    with cloned(server_url, "template0") as elsewhere:
        await restore(elsewhere, tmp_path / "library.dump")
        there = settings(elsewhere, tmp_path / "there", "b")
        async with open_library(there, migrating=False) as library:
            assert await library.services.lending.has_ever_borrowed(reader.id, book)
            assert not await library.services.lending.has_ever_borrowed(other.id, book)


async def test_a_library_whose_key_cannot_be_read_is_not_opened(
    server_url: str, tmp_path: Path
) -> None:
    with cloned(server_url, "template0") as empty:
        given = settings(empty, tmp_path, "a")
        async with AsyncExitStack() as stack:
            adapters = await choose_adapters(given, empty, stack)
            with pytest.raises(DatabaseUnavailable, match="run migrate"):
                build_services(adapters, given)
