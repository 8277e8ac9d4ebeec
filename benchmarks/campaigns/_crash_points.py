"""Every place where a process is made to die, by name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """Dies at `place` of the adapters while somebody does the deed."""

    name: str
    deed: str
    place: str


def _points(deed: str, **places: str) -> list[Point]:
    return [
        Point(f"{deed}: {name.replace('_', ' ')}", deed, place) for name, place in places.items()
    ]


POINTS: tuple[Point, ...] = (
    *_points(
        "upload",
        announced_and_not_written="before storage.write",
        half_of_the_file_written="within storage.write",
        written_and_no_row="after storage.write",
        row_and_not_committed="before commit of books.add",
        committed_and_not_answered="after commit of books.add",
        answered_and_no_job_begun="after the answer",
        reading_claimed_and_not_begun="before job read_file",
        text_read_and_not_kept="after extract",
        text_kept_and_not_committed="before commit of texts.keep",
        text_committed_and_job_not_done="after commit of texts.keep",
        reading_over_and_job_not_done="after job read_file",
        indexing_claimed_and_not_begun="before job index_book",
        index_not_committed="before commit of indexed.write",
        indexing_over_and_job_not_done="after job index_book",
        summary_claimed_and_not_begun="before job summarise_book",
        model_answered_and_nothing_stored="after llm.complete",
        answer_not_committed="before commit of nodes.keep",
        answer_stored_and_summary_not_shown="after commit of nodes.keep",
        summary_not_committed="before commit of nodes.use",
        summary_over_and_job_not_done="after job summarise_book",
    ),
    *_points(
        "replace",
        written_and_not_the_books="after storage.write",
        committed_and_not_answered="after commit of discard_file",
        old_file_not_deleted="before storage.delete",
        old_file_deleted_and_job_not_done="after storage.delete",
    ),
    *_points(
        "withdraw",
        not_committed="before commit of books.remove",
        row_gone_and_not_answered="after commit of books.remove",
        row_gone_and_object_there="before storage.delete",
        object_gone_and_job_not_done="after storage.delete",
    ),
    *_points(
        "borrow",
        not_committed="before commit of loans.add",
        committed_and_not_answered="after commit of loans.add",
    ),
    *_points("give back", committed_and_not_answered="after commit of loans.open_loan"),
    *_points(
        "review",
        committed_and_not_answered="after commit of reviews.add",
        model_answered_and_nothing_stored="after llm.complete",
        consensus_over_and_job_not_done="after job refresh_consensus",
    ),
    *_points(
        "long text",
        written_and_no_job="after storage.write",
        summary_over_and_job_not_done="after job summarise_text",
    ),
    *_points(
        "sweep",
        file_not_deleted="before storage.delete",
        file_deleted_and_job_not_done="after storage.delete",
    ),
    *_points(
        "fit",
        announced_and_not_fitted="before fitted",
        fitted_and_not_written="after fitted",
        half_of_the_model_written="within storage.write",
        written_and_not_published="after storage.write",
    ),
    *_points(
        "back up",
        database_saved_and_no_files="backup said 1",
        all_saved_and_no_manifest="backup said 2",
    ),
    *_points(
        "restore",
        files_back_and_no_database="restore said 2",
        all_back_and_nothing_compared="restore said 3",
    ),
)
