"""What HTTP servers of models have in common: their client, and what their refusals mean."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from typing_extensions import override

from app.ports.llm import (
    NOTHING,
    ContextOverflow,
    ModelFailure,
    ModelRefused,
    ModelUnavailable,
    Usage,
)

_LONGEST_WAIT = 3600
# The longest answers that are asked for are some kilobytes, the longest vectors a few megabytes.
_LONGEST_ANSWER = 32 * 2**20
_TOO_LONG = re.compile(
    r"exceed_context_size|context_length_exceeded|exceeds? the (available )?context"
    r"|maximum context length|context (length|window|size)|prompt is too long"
    r"|longer than the context",
    re.I,
)

Explain = Callable[[int, str], ModelFailure | None]


class ServerBusy(ModelUnavailable):
    """ModelUnavailable, said by the server itself: it is there and has too much to do.

    `asked` is how long it wants to be left alone, in seconds; 0 where it did not say.
    """

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after: int = 0,
        usage: Usage | None = NOTHING,
        **extra: Any,
    ) -> None:
        super().__init__(detail, retry_after=retry_after or 5, usage=usage, **extra)
        self.asked = retry_after


def client_options(explain: Explain | None = None) -> dict[str, Any]:
    """Options for an httpx client: no proxy from the environment, no redirect, no time limit
    but the one on connecting (requests have deadlines), refusals raised as ModelFailures, and
    an answer that has no end given up after 32 MiB (httpx.ReadError).

    `explain(status, body)` may know better than the general meaning of a status.
    """

    async def refuse(response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _EndedStream(response.stream)
        if not response.is_success:
            await response.aread()
            raise (explain and explain(response.status_code, response.text)) or failure_of(response)

    return {
        "trust_env": False,
        "follow_redirects": False,
        "timeout": httpx.Timeout(None, connect=10.0),
        "event_hooks": {"response": [refuse]},
    }


class _EndedStream(httpx.AsyncByteStream):
    """A body as it comes, up to what may be held in memory."""

    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for piece in self._inner:
            taken += len(piece)
            if taken > _LONGEST_ANSWER:
                raise httpx.ReadError("The answer has no end.")
            yield piece

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


def failure_of(response: httpx.Response) -> ModelFailure:
    """The refusal in the port's terms. A body is quoted only where it cannot hold a key."""
    status, body = response.status_code, response.text
    if status in (400, 413, 422, 500) and (status == 413 or _TOO_LONG.search(body)):
        detail = "The text does not fit the model's window, says its server."
        return ContextOverflow(detail, usage=NOTHING)
    if status in (408, 425, 429) or status >= 500:
        return _away(status, retry_after_seconds(response.headers.get("retry-after")))
    return ModelRefused(_refusal(response), usage=NOTHING)


def _away(status: int, wait: int | None) -> ModelUnavailable:
    detail = f"The model's server answers {status}; try again later."
    if status == 429 or wait is not None:
        return ServerBusy(detail, retry_after=wait or 0)
    # It may have written half an answer before it broke: nobody knows what that cost.
    return ModelUnavailable(detail)


def _refusal(response: httpx.Response) -> str:
    if response.status_code in (401, 403):
        return f"The model's server answers {response.status_code}: check LLM_API_KEY."
    if response.is_redirect:
        return "The model's address only redirects; set LLM_BASE_URL to its target."
    return f"The model's server answers {response.status_code}: {response.text[:200]}"


def retry_after_seconds(header: str | None) -> int | None:
    """A Retry-After header, seconds or date (RFC 9110 §10.2.3), as seconds from now; at
    most an hour. None when there is none or it makes no sense."""
    if not header:
        return None
    if header.strip().isdecimal():
        return min(int(header), _LONGEST_WAIT)
    try:
        then = parsedate_to_datetime(header)
    except ValueError:
        return None
    wait = (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(round(wait), 0), _LONGEST_WAIT)


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Foreign exceptions of a conversation with the model's server become ModelUnavailable."""
    try:
        yield
    except TimeoutError as error:
        raise ModelUnavailable("The model did not answer in time.") from error
    except (httpx.ConnectError, httpx.ConnectTimeout, ConnectionError) as error:
        detail = f"No model's server answers at {address}."
        raise ModelUnavailable(detail, usage=NOTHING) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
        raise ModelUnavailable(f"No model's server answers at {address}.") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ModelUnavailable(f"What answers at {address} is no model's server.") from error
