"""Where a command was called, which `run.py` leaves for the library's own folder."""

import os
from pathlib import Path

# Not among the settings: those refuse a name of theirs that they do not know.
CALLER = "CALLER_FOLDER"


def as_called(text: str) -> Path:
    """The path as who typed it means it; the type of every argument that is one."""
    return Path(os.environ.get(CALLER, ""), text)
