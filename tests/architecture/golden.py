"""Prompts as they are rendered from their samples, kept to be looked at when they change.

python -m tests.architecture.golden --update
"""

import sys
from pathlib import Path

from app.bootstrap.prompts import prompt_files, rendered

FOLDER = Path(__file__).with_name("golden")


def file_of(name: str) -> Path:
    return FOLDER / f"{name.replace('/', '.')}.txt"


def update() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for name in prompt_files():
        file_of(name).write_text(rendered(name, {}, sample=True), "utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit(__doc__)
    update()
