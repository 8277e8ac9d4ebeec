"""`python3 run.py audit`: one line a check, and whatever it found below; 1 if anything was."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence

from app.shared.calling import as_called
from deploy.audit import advisories, bill, licences, packages, sources
from deploy.audit.decisions import ACCEPTED, CODE, FLOORS, LICENCES, SECRETS
from deploy.audit.packages import DEVELOPMENT, ROOT, RUNTIME

Check = tuple[str, str, Callable[[], Iterable[str]]]


def main(arguments: Sequence[str]) -> int:
    asked = _asked(arguments)
    found = Material()
    if asked.licences:
        asked.licences.write_text(licences.listed(found.licences, found.versions), "utf-8")
    if asked.sbom:
        asked.sbom.write_text(json.dumps(found.bill, indent=2) + "\n", "utf-8")
    bad = sum([_told(check) for check in checks(found)])
    if asked.online:
        bad += _told(
            ("advisories", "asked online", lambda: advisories.known_faults(found.all_locked))
        )
    else:
        _say("advisories", "not run", "needs the network: --online")
    return 1 if bad else 0


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run.py audit", description=__doc__)
    parser.add_argument("--online", action="store_true", help="ask for advisories, over the net")
    parser.add_argument("--licences", type=as_called, metavar="FILE", help="the list of licences")
    parser.add_argument("--sbom", type=as_called, metavar="FILE", help="the bill of materials")
    return parser.parse_args(arguments)


class Material:
    """What is installed here, and what the library needs of it."""

    def __init__(self) -> None:
        there = packages.installed()
        self.versions = {name: each.version for name, each in there.items()}
        graph = packages.needed()
        self.missing = sorted(graph.keys() - there.keys() - {"luminalib"})
        # What is missing is a finding of its own.
        self.graph = {name: needs - {*self.missing} for name, needs in graph.items()}
        for name in self.missing:
            del self.graph[name]
        names = self.graph.keys() - {"luminalib"}
        self.licences = {name: licences.licence_of(there[name]) for name in names}
        self.bill = bill.bill(self.graph, self.versions, self.licences)
        self.all_locked = _without_doubles(
            [each for lock in packages.locks() for each in packages.locked(lock)]
        )


def checks(found: Material) -> list[Check]:
    files = sources.own_files()
    images = sources.image_files(files)
    workflows = sorted((ROOT / ".github/workflows").glob("*.y*ml"))
    libraries = sorted(found.licences)
    runtime = {each.name: each.version for each in packages.locked(RUNTIME) if each.is_for_here}
    return [
        (
            "locks",
            f"{len(packages.locks())} of them, a hash for every line, no address",
            lambda: [fault for lock in packages.locks() for fault in packages.faults_of_lock(lock)],
        ),
        (
            "installed",
            f"{len(found.versions)} packages, exactly those of the locks",
            lambda: [
                *(f"{name} is missing" for name in found.missing),
                *packages.differences(found.versions, _for_here(found)),
            ],
        ),
        (
            "floors",
            f"{len(FLOORS)} packages at or above the versions that mended them",
            lambda: packages.too_old(found.versions),
        ),
        (
            "unwanted",
            "nothing at runtime that was decided against",
            lambda: packages.unwanted(libraries),
        ),
        (
            "licences",
            f"{len(libraries)} packages at runtime, {len(LICENCES)} explained",
            lambda: licences.unfit(found.licences),
        ),
        (
            "materials",
            f"CycloneDX 1.6, {len(found.bill['components'])} components, as the lock",
            lambda: bill.differs(found.bill, runtime),
        ),
        ("code", f"ruff's security rules, {len(CODE)} explained", sources.unsafe_code),
        (
            "secrets",
            f"{len(files)} files, {len(SECRETS)} places explained",
            lambda: sources.secrets_in(files),
        ),
        (
            "actions",
            f"{len(workflows)} workflows, by commit",
            lambda: sources.loose_actions(workflows),
        ),
        (
            "images",
            f"{len(images)} files, by digest or exact version",
            lambda: [
                f"{file.name}: {each}"
                for file in images
                for each in sources.loose_images(file.read_text("utf-8"))
            ],
        ),
        (
            "accepted",
            f"{len(ACCEPTED)} known faults, each held out of reach by a test",
            sources.accepted_without_proof,
        ),
    ]


def _for_here(found: Material) -> list[packages.Locked]:
    """What must be installed: the lock of the developers, and those extras that are there."""
    extras = set(packages.locks()[:-1]) - {RUNTIME, DEVELOPMENT}
    wanted = list(packages.locked(DEVELOPMENT))
    for lock in sorted(extras):
        content = list(packages.locked(lock))
        if any(each.name in found.versions for each in content):
            wanted += content
    return _without_doubles(wanted)


def _without_doubles(found: Sequence[packages.Locked]) -> list[packages.Locked]:
    return list({(each.name, each.version): each for each in found}.values())


def _told(check: Check) -> int:
    name, note, look = check
    try:
        findings = list(look())
    except (OSError, ValueError) as error:
        findings = [f"could not be looked at: {error}"]
    _say(name, f"{len(findings)} found" if findings else "ok", note)
    for each in findings:
        sys.stdout.write(f"    {each}\n")
    return len(findings)


def _say(name: str, state: str, note: str) -> None:
    sys.stdout.write(f"{name:12}{state:10}{note}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
