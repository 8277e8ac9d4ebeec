"""One line in the log per outage, not one per try."""

import logging
from time import monotonic

from app.shared.errors import Unavailable

log = logging.getLogger(__name__)


class Outage:
    def __init__(self) -> None:
        self._since: float | None = None

    def noted(self, error: BaseException) -> None:
        """Log the first error since the last success; a bug with its traceback."""
        if self._since is None:
            self._since = monotonic()
            bug = None if isinstance(error, Unavailable) else error
            log.warning("Jobs wait: %s", error, exc_info=bug)

    def over(self) -> None:
        if self._since is not None:
            log.warning("Jobs run again after %.0f s", monotonic() - self._since)
            self._since = None
