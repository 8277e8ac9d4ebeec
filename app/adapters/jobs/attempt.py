"""One attempt at a claimed job: from the handler's answer to what is written of it."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from typing_extensions import override

from app.adapters.jobs.claims import Claims
from app.adapters.jobs.outcome import MAX_STARTS, Claim, Done, Failed, Later, Outcome, Pace
from app.ports.budget import Payer, paid_by
from app.ports.jobs import Farewell, Handler, JobRun
from app.shared.errors import LibraryError, NotFound, Unavailable
from app.shared.trace import traced

_WRITES_PER_SECOND = 4

log = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)


class Attempts:
    """Runs claimed jobs, each once per claim.

    NotFound means that what the job was about is gone meanwhile: nothing is left to do, so
    the job is ready with the result {"skipped": true}.
    """

    def __init__(
        self,
        claims: Claims,
        handlers: Mapping[str, Handler],
        farewells: Mapping[str, Farewell],
        pace: Pace,
    ) -> None:
        self._claims = claims
        self._handlers = handlers
        self._farewells = farewells
        self._pace = pace

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self._handlers)

    async def run(self, claim: Claim) -> None:
        """Run the handler and settle the claim, however long the database is away. When
        cancelled, nothing is settled: whoever cancels puts the job back."""
        run = ClaimedRun(self._claims, claim)
        try:
            payer = Payer(claim.report_id, claim.owner_id)
            with traced(**_ids(claim)), paid_by(payer), _spanned(claim) as span:
                outcome = await self._outcome(claim, run)
                _describe(span, outcome)
                if isinstance(outcome, Failed):
                    await self._part_from(claim, outcome)
            await run.flush()
        finally:
            run.stop()
        try:
            await self._settle(claim, outcome)
        except Exception as error:
            # Postgres refuses what the handler answered: that is a failure of the job.
            await self._settle(claim, self._after_failure(claim, run, error))

    async def _part_from(self, claim: Claim, end: Failed) -> None:
        farewell = self._farewells.get(claim.kind)
        if farewell is None:
            return
        try:
            await farewell(claim.arguments, end.code, end.detail)
        except NotFound:
            log.info("%s %s: nobody is left to tell", claim.kind, claim.report_id)
        except Exception:
            # The job is over all the same; its report says so.
            log.exception("%s %s: its end could not be told", claim.kind, claim.report_id)

    async def _outcome(self, claim: Claim, run: "ClaimedRun") -> Outcome:
        if claim.strikes > MAX_STARTS:
            log.error("%s %s is given up", claim.kind, claim.report_id)
            return Failed("gave_up", f"Started {MAX_STARTS} times, it never came to an end.")
        try:
            began = time.monotonic()
            result = await self._handlers[claim.kind](claim.arguments, run)
            log.info("job done", extra={"seconds": round(time.monotonic() - began, 3)})
            return Done(None if result is None else json.dumps(dict(result), allow_nan=False))
        except NotFound as error:
            log.info("%s %s has nothing to do: %s", claim.kind, claim.report_id, error.detail)
            return Done(json.dumps({"skipped": True}))
        except Unavailable as error:
            return self._after_unavailable(claim, error)
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise
            return self._after_failure(claim, run, error)
        except Exception as error:
            return self._after_failure(claim, run, error)

    def _after_unavailable(self, claim: Claim, error: Unavailable) -> Later:
        pause = max(float(error.retry_after), self._pace.pause(claim.attempts))
        log.info("%s %s waits %.0f s: %s", claim.kind, claim.report_id, pause, error.detail)
        return Later(pause, error.code, error.detail, "forgiven")

    def _after_failure(
        self, claim: Claim, run: "ClaimedRun", error: BaseException
    ) -> Later | Failed:
        code, detail = _words(error, claim)
        known = isinstance(error, LibraryError)
        log.warning(
            "%s %s failed at start %d: %s", claim.kind, claim.report_id, claim.attempts + 1, detail,
            exc_info=None if known else error,
        )  # fmt: skip
        if run.strikes >= MAX_STARTS:
            return Failed(code, detail)
        return Later(self._pace.pause(max(0, run.strikes - 1)), code, detail)

    async def _settle(self, claim: Claim, outcome: Outcome) -> None:
        tries = 0
        while True:
            try:
                ours = await self._claims.settle(claim, outcome)
            except Unavailable:
                await asyncio.sleep(min(self._pace.poll, self._pace.pause(tries)))
                tries += 1
                continue
            if not ours:
                log.warning("%s %s: its late result does not count", claim.kind, claim.report_id)
            return


class ClaimedRun(JobRun):
    """Writes the progress at most four times a second, and the last one always.

    The first step of an attempt is written before `report` returns, so that a job that dies
    right behind it has no strike. A lost database holds up no handler.
    """

    def __init__(self, claims: Claims, claim: Claim) -> None:
        self._claims = claims
        self._claim = claim
        self.strikes = claim.strikes
        self._mark = claim.done
        self._unwritten: tuple[int, int] | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    @override
    def job_id(self) -> UUID:
        return self._claim.report_id

    @override
    async def report(self, done: int, planned: int) -> None:
        self._unwritten = (done, planned)
        if self.strikes and done > self._mark:
            await self._write()
        elif self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_now_and_then())

    async def flush(self) -> None:
        """Write what is left to write."""
        if self._writing:
            self.stop()
            await asyncio.wait([self._writing])
        await self._write()

    def stop(self) -> None:
        if self._writing:
            self._writing.cancel()

    async def _write_now_and_then(self) -> None:
        while self._unwritten:
            await self._write()
            await asyncio.sleep(1 / _WRITES_PER_SECOND)

    async def _write(self) -> None:
        progress = self._unwritten
        if progress is None:
            return
        try:
            written = await self._claims.progress(self._claim, *progress)
        except Unavailable:
            return
        if self._unwritten == progress:
            self._unwritten = None
        if written:
            self.strikes, self._mark = written


def _ids(claim: Claim) -> dict[str, str]:
    """What lines of the log say of the job: which it is, and what it is about."""
    about = {name: str(value) for name, value in claim.arguments.items() if name.endswith("_id")}
    return {"job_id": str(claim.report_id), "job": claim.kind, **about}


@contextmanager
def _spanned(claim: Claim) -> Iterator[Span]:
    ids = {f"lumina.{name}": value for name, value in _ids(claim).items()}
    with tracer.start_as_current_span(
        claim.kind,
        kind=SpanKind.CONSUMER,
        attributes={**ids, "lumina.attempt": claim.attempts + 1},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def _describe(span: Span, outcome: Outcome) -> None:
    span.set_attribute("lumina.outcome", type(outcome).__name__.lower())
    if not isinstance(outcome, Done):
        span.set_attribute("lumina.error", outcome.code)
    if isinstance(outcome, Failed):
        span.set_status(StatusCode.ERROR)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _words(error: BaseException, claim: Claim) -> tuple[str, str]:
    if isinstance(error, LibraryError):
        return error.code, error.detail.replace("\x00", "")
    return "internal_error", f"Something broke; the log tells more under {claim.report_id}."
