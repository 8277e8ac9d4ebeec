"""No text holds a regular expression for long: what readers send and books contain is matched
in the server's own process, where a pattern that tries everything twice stops everybody."""

import importlib
import pkgutil
import re
import resource
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

import pytest

import app

# These run in the child that has a budget of its own.
_IN_A_CHILD = "app.adapters.extraction"
_LENGTH = 15_000
# Processor time, however busy the machine: reading so much once takes milliseconds, trying
# every place against every other takes minutes.
_SECONDS = 3
_ROWS = [*". \t\n,;:-_'\"“»)(<>[]{}|\\/!?…#*=%0aé一。", "ab", "a ", "a.", ". ", "1.", "1,", " 1"]
_ROWS += ["\n ", " \n", "one ", "hundred ", "A. ", "<a ", "</", "{{", "a-", "\u0301", "“a", "é1"]


def _patterns() -> dict[str, re.Pattern[str]]:
    modules = (m.name for m in pkgutil.walk_packages(app.__path__, "app."))
    wanted = [m for m in modules if not m.startswith(_IN_A_CHILD) and not m.endswith("__main__")]
    return {
        f"{name}.{key}": value
        for name in wanted
        for key, value in _constants(name)
        if isinstance(value.pattern, str)
    }


def _constants(module: str) -> Iterator[tuple[str, re.Pattern[Any]]]:
    for key, value in vars(importlib.import_module(module)).items():
        if isinstance(value, re.Pattern):
            yield key, value
        elif isinstance(value, dict):
            yield from ((f"{key}[{k}]", v) for k, v in value.items() if isinstance(v, re.Pattern))


def _texts() -> Iterator[str]:
    for row in _ROWS:
        text = (row * _LENGTH)[:_LENGTH]
        yield from (f"x{text}", f"{text}!")


def _matched(pattern: str, flags: int) -> int:
    now = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(now.ru_utime + now.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (spent + _SECONDS, spent + _SECONDS))
    compiled = re.compile(pattern, flags)
    return sum(sum(1 for _ in compiled.finditer(text)) for text in _texts())


def test_there_are_patterns_to_try() -> None:
    assert len(_patterns()) > 30


@pytest.mark.parametrize("pattern", [r"(?:a+)+$", r"\s*\s+$"])
def test_a_pattern_that_tries_everything_twice_is_found_out(pattern: str) -> None:
    with pytest.raises(BrokenProcessPool):
        _in_a_process(pattern, 0)


def test_no_pattern_costs_more_than_reading_the_text() -> None:
    slow = []
    for name, pattern in _patterns().items():
        try:
            _in_a_process(pattern.pattern, pattern.flags)
        except BrokenProcessPool:
            slow.append(name)
    assert not slow


def _in_a_process(pattern: str, flags: int) -> int:
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        return pool.submit(_matched, pattern, flags).result()
