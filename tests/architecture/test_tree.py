"""The repository names no machine, no package registry, and no secret of its builders."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Written apart, so that this file does not name them either.
_NAMES = ["/" + "work/", "/" + "root/", "pythonho" + "sted.org", "hos" + "ted.org", "/sim" + "ple/"]
# The home of whoever runs in a container is no machine's.
_IN_CONTAINERS = re.compile(r"/" + r"root/\.(cache|ollama)\b")
_FOREIGN = re.compile("|".join(map(re.escape, _NAMES)))


def files() -> list[Path]:
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        return list((ROOT / "app").rglob("*.py"))
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for file in files()
        if file.is_file()
        for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), start=1)
        if _FOREIGN.search(_IN_CONTAINERS.sub("", line))
    ]
    assert not found, "\n".join(found)
