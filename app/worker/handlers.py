"""The door for time: each kind of job and the service method that does it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.domains.catalog.jobs import (
    DiscardFile,
    ReadFile,
    SummariseBook,
    SummariseText,
    SweepOrphans,
)
from app.domains.discovery.jobs import CountWords, IndexBook
from app.domains.recommendations.jobs import FitRecommender
from app.domains.reviews.jobs import RefreshConsensus, RereadReviews
from app.ports.jobs import Farewell, Handler, JobRun
from app.services import Services

Arguments = Mapping[str, Any]
Result = Mapping[str, Any] | None


def handlers_of(services: Services) -> dict[str, Handler]:
    """One handler a kind; all of them may run again for the same job."""

    async def read_file(arguments: Arguments, run: JobRun) -> Result:
        read = await services.ingestion.read_file(UUID(arguments["book_id"]), run)
        await services.indexing.ask_for(UUID(arguments["book_id"]))
        return read

    async def summarise_book(arguments: Arguments, run: JobRun) -> Result:
        return await services.summaries.summarise(UUID(arguments["book_id"]), run)

    async def summarise_text(arguments: Arguments, run: JobRun) -> Result:
        return await services.summaries.summarise_text(
            arguments["storage_key"], arguments["title"], run
        )

    async def discard_file(arguments: Arguments, run: JobRun) -> Result:
        await services.shelving.discard_stored(arguments["storage_key"])
        return None

    async def sweep_orphans(arguments: Arguments, run: JobRun) -> Result:
        await services.accounts.forget_expired()
        await services.recommendations.sweep()
        await services.fitting.sweep()
        await services.indexing.ask_for_unfinished()
        return await services.ingestion.sweep()

    async def refresh_consensus(arguments: Arguments, run: JobRun) -> Result:
        await services.reviews.refresh_consensus(UUID(arguments["book_id"]), run)
        return None

    async def fit_recommender(arguments: Arguments, run: JobRun) -> Result:
        return await services.fitting.fit(run.report)

    async def index_book(arguments: Arguments, run: JobRun) -> Result:
        return await services.indexing.index(UUID(arguments["book_id"]), run)

    async def count_words(arguments: Arguments, run: JobRun) -> Result:
        return await services.indexing.count_words()

    return {
        CountWords.kind: count_words,
        FitRecommender.kind: fit_recommender,
        IndexBook.kind: index_book,
        ReadFile.kind: read_file,
        SummariseBook.kind: summarise_book,
        SummariseText.kind: summarise_text,
        DiscardFile.kind: discard_file,
        SweepOrphans.kind: sweep_orphans,
        RefreshConsensus.kind: refresh_consensus,
        RereadReviews.kind: refresh_consensus,
    }


def farewells_of(services: Services) -> dict[str, Farewell]:
    """Whom to tell that a job was given up: who shows how its work stands."""

    async def unread(arguments: Arguments, code: str, detail: str) -> None:
        await services.ingestion.give_up(UUID(arguments["book_id"]), code=code, detail=detail)

    async def unsummarised(arguments: Arguments, code: str, detail: str) -> None:
        await services.summaries.give_up(UUID(arguments["book_id"]), code=code, detail=detail)

    return {ReadFile.kind: unread, SummariseBook.kind: unsummarised}
