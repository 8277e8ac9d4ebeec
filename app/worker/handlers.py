"""The door for time: each kind of job and the service method that does it."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from app.domains.catalog.jobs import (
    DiscardFile,
    ReadFile,
    ScrubFiles,
    SummariseBook,
    SummariseText,
    SweepOrphans,
)
from app.domains.discovery.jobs import CountWords, EmbedBook, IndexBook
from app.domains.recommendations.jobs import FitRecommender
from app.domains.reviews.jobs import RefreshConsensus, RereadReviews
from app.ports.jobs import Farewell, Handler, JobRun
from app.services import Services

log = logging.getLogger(__name__)

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
        # Whatever is refused now, another one will come.
        await services.ingestion.schedule_sweep(later=True)
        return await _swept(
            {
                "accounts": services.accounts.forget_expired,
                "audit": services.audit.sweep,
                "loans": services.lending.forget_readers,
                "replies": services.replies.sweep,
                "recommendations": services.recommendations.sweep,
                "models": services.fitting.sweep,
                "index": services.indexing.ask_for_unfinished,
                "vectors": services.embedding.ask_for_unfinished,
                "files": services.ingestion.sweep,
                "scrubbing": services.scrubbing.ask_if_due,
            }
        )

    async def scrub_files(arguments: Arguments, run: JobRun) -> Result:
        return await services.scrubbing.go_on(run.report)

    async def refresh_consensus(arguments: Arguments, run: JobRun) -> Result:
        await services.reviews.refresh_consensus(UUID(arguments["book_id"]), run)
        return None

    async def fit_recommender(arguments: Arguments, run: JobRun) -> Result:
        async def tell(done: int, planned: int) -> None:
            # In hundredths: that the library grew is no progress of a fit that always fails.
            await run.report(100 * done // planned, 100)

        return await services.fitting.fit(tell)

    async def index_book(arguments: Arguments, run: JobRun) -> Result:
        return await services.indexing.index(UUID(arguments["book_id"]), run)

    async def embed_book(arguments: Arguments, run: JobRun) -> Result:
        return await services.embedding.embed(UUID(arguments["book_id"]), run)

    async def count_words(arguments: Arguments, run: JobRun) -> Result:
        return await services.indexing.count_words()

    return {
        CountWords.kind: count_words,
        EmbedBook.kind: embed_book,
        FitRecommender.kind: fit_recommender,
        IndexBook.kind: index_book,
        ReadFile.kind: read_file,
        SummariseBook.kind: summarise_book,
        SummariseText.kind: summarise_text,
        DiscardFile.kind: discard_file,
        ScrubFiles.kind: scrub_files,
        SweepOrphans.kind: sweep_orphans,
        RefreshConsensus.kind: refresh_consensus,
        RereadReviews.kind: refresh_consensus,
    }


async def _swept(steps: Mapping[str, Callable[[], Awaitable[object]]]) -> Result:
    """Each step on its own: what one of them is refused keeps no other from being done."""
    told: dict[str, object] = {}
    failed = []
    for name, step in steps.items():
        try:
            told[name] = await step()
        except Exception:
            log.exception("The sweep leaves out %s", name)
            failed.append(name)
    return {**told, "failed": failed}


def farewells_of(services: Services) -> dict[str, Farewell]:
    """Whom to tell that a job was given up: who shows how its work stands."""

    async def unread(arguments: Arguments, code: str, detail: str) -> None:
        await services.ingestion.give_up(UUID(arguments["book_id"]), code=code, detail=detail)

    async def unsummarised(arguments: Arguments, code: str, detail: str) -> None:
        await services.summaries.give_up(UUID(arguments["book_id"]), code=code, detail=detail)

    return {ReadFile.kind: unread, SummariseBook.kind: unsummarised}
