"""The model of the tests marked real_model."""

from pathlib import Path

import pytest

from benchmarks.models import MODELS, home

ROOT = Path(__file__).parents[2]


def small_model() -> Path:
    """Its path; `python3 run.py test -m real_model` has it fetched. Without it the test
    fails: who asks for a real model is not to believe that one has answered."""
    path = ROOT / home() / MODELS["smollm2-135m"].file
    if not path.is_file():
        pytest.fail(f"{path} is missing: python3 run.py bench models --fetch smollm2-135m")
    return path
