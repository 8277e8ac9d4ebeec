"""What is looked for in the repository's own files."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.audit.decisions import (
    ACCEPTED,
    CODE,
    EXACT_TAGS,
    GUESSES,
    IMAGES,
    MADE_UP,
    SECRETS,
)
from deploy.audit.packages import ROOT

_USES = re.compile(r"^\s*(?:- )?uses:\s*(.+)$", re.MULTILINE)
_FIXED = re.compile(r"\./\.github/workflows/.+|[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
_IMAGE = re.compile(r"^\s*(?:image:|FROM|ARG (?:PYTHON|LIBRARY)=)\s*(\S+)", re.MULTILINE)
_EXACT = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.]+)?")
_BATCH = 300


def own_files() -> list[str]:
    """What is in the repository, or would be."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = _run(words, ROOT)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def unsafe_code() -> list[str]:
    """What ruff's security rules (those of bandit) object to and no comment explains."""
    words = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
    told = _run([*words, "--select", "S", "--ignore", ",".join(CODE), "."], ROOT)
    return [line for line in told.stdout.splitlines() if re.search(r":\d+:\d+: ", line)]


def secrets_in(files: Sequence[str], root: Path = ROOT) -> Iterator[str]:
    """What looks like a secret and is not explained. Asks nobody whether it is one."""
    # Hashes of packages and figures are no secrets, however they look.
    looked_at = [name for name in files if not name.endswith((".lock", "requirements.txt"))]
    made_up = [name for name in looked_at if name.startswith(MADE_UP)]
    others = [name for name in looked_at if not name.startswith(MADE_UP)]
    for chosen, without in ((others, ()), (made_up, GUESSES)):
        for start in range(0, len(chosen), _BATCH):
            yield from _scanned(chosen[start : start + _BATCH], without, root)


def _scanned(files: Sequence[str], without: Sequence[str], root: Path) -> Iterator[str]:
    words = [
        sys.executable,
        "-m",
        "detect_secrets",
        "scan",
        "--no-verify",
        "--force-use-all-plugins",
    ]
    words += [word for plugin in without for word in ("--disable-plugin", plugin)]
    told = _run([*words, *files], root)
    for file, found in json.loads(told.stdout)["results"].items():
        for each in found:
            if (file, each["type"]) not in SECRETS:
                yield f"{file}:{each['line_number']}: {each['type']}"


def _run(words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Raises OSError when the tool itself fails."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)  # noqa: S603
    if done.returncode not in (0, 1):
        raise OSError(done.stderr.strip()[-500:])
    return done


def loose_actions(workflows: Sequence[Path]) -> Iterator[str]:
    for file in workflows:
        for used in _USES.findall(file.read_text("utf-8")):
            if not _FIXED.fullmatch(used):
                yield f"{file.name}: {used}"


def loose_images(text: str) -> Iterator[str]:
    """Images that could become something else over night."""
    for image in _IMAGE.findall(text):
        fixed = "@sha256:" in image or image in IMAGES or _EXACT.fullmatch(image)
        if not fixed and not image.startswith(("$", "packages", "wheel")):
            yield f"{image} is neither a digest nor {EXACT_TAGS.partition(',')[0]}"


def image_files(files: Sequence[str]) -> list[Path]:
    known = [name for name in files if "ockerfile" in name or name.endswith("compose.yml")]
    return [ROOT / name for name in known if not name.endswith(".dockerignore")]


def accepted_without_proof() -> Iterator[str]:
    """Exceptions whose test is not there any more."""
    for each in ACCEPTED:
        file, _, test = each.test.partition("::")
        if not (ROOT / file).is_file() or test not in {"", *_tests_of(ROOT / file)}:
            yield f"{each.advisory}: {each.test} is not there"


def _tests_of(file: Path) -> Iterator[str]:
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
