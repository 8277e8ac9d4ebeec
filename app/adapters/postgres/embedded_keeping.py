"""A server that ended by itself is started again: a killed database costs seconds."""

import logging
from collections.abc import Callable
from itertools import chain, repeat
from threading import Event, Lock, Thread

from app.shared.errors import Unavailable

log = logging.getLogger(__name__)

_PAUSES = (0.1, 1.0, 5.0)
_LONGEST_PAUSE = 30.0


class Keeper:
    """`ended` returns when the server has ended, `again` starts it where it was or raises
    Unavailable or OSError; both are called in a thread of this keeper's own."""

    def __init__(self, *, ended: Callable[[], object], again: Callable[[], object]) -> None:
        self._ended = ended
        self._again = again
        self._left = Event()
        self._turn = Lock()
        Thread(target=self._keep, name="database keeper", daemon=True).start()

    @property
    def has_left(self) -> bool:
        return self._left.is_set()

    def leave(self) -> None:
        """From now on nothing is started; whatever is being started is given up first."""
        self._left.set()
        with self._turn:
            pass

    def _keep(self) -> None:
        while True:
            self._ended()
            if self.has_left:
                return
            log.error("the embedded database ended by itself; it is started again")
            if not self._is_back():
                return

    def _is_back(self) -> bool:
        for pause in chain(_PAUSES, repeat(_LONGEST_PAUSE)):
            with self._turn:
                if self.has_left:
                    return False
                try:
                    self._again()
                except (Unavailable, OSError) as error:
                    log.error("the embedded database does not start again: %s", error)
                else:
                    return True
            self._left.wait(pause)
        raise AssertionError("the pauses have no end")
