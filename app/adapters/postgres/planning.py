"""How statements that look for something are planned, and what one is that takes too long."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domains.catalog.errors import QueryTooSlow

_CANCELLED = "57014"
# One value is not as common as another, so that a plan for any would be a bad one for most;
# and whoever takes a rare value for a common one reads the whole library to find a page.
PLAN_EACH = text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true),"
    " set_config('enable_seqscan', 'off', true)"
)


@contextmanager
def timed() -> Iterator[None]:
    """A statement that was given up for its length leaves as QueryTooSlow."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _CANCELLED:
            raise QueryTooSlow from error
        raise
