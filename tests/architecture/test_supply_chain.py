"""What the library is made of: locked, old enough to be mended, free to be used, and listed.
Everything here works without a network; what needs one is asked of a server on loopback."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from typing_extensions import override

from deploy.audit import advisories, bill, licences, packages, sources
from deploy.audit.__main__ import Material
from deploy.audit.decisions import ACCEPTED, EXACTLY, FLOORS
from deploy.audit.packages import DEVELOPMENT, ROOT, RUNTIME, Locked


@pytest.fixture(scope="module")
def material() -> Material:
    return Material()


# Packages


def test_every_line_of_every_lock_has_a_hash_and_no_address() -> None:
    assert len(packages.locks()) >= 4
    assert [fault for lock in packages.locks() for fault in packages.faults_of_lock(lock)] == []


def test_the_locks_agree_with_each_other() -> None:
    runtime = {each.name: each.version for each in packages.locked(RUNTIME)}
    development = {each.name: each.version for each in packages.locked(DEVELOPMENT)}
    assert len(runtime) > 50
    assert {name: development.get(name) for name in runtime} == runtime


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a==1\n", "has no hash"),
        ("a==1 \\\n    --hash=md5:00\n", "has no hash"),
        ("a>=1 \\\n    --hash=sha256:00\n", "has no hash"),
        ("git+ssh://elsewhere/a\n", "has no hash"),
        ("--index-url x\na==1 \\\n    --hash=sha256:00\n", "names an address"),
        ("a @ https://elsewhere/a.whl \\\n    --hash=sha256:00\n", "names an address"),
    ],
)
def test_a_lock_that_leaves_something_open_is_found(text: str, fault: str, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(text, "utf-8")
    assert any(fault in found for found in packages.faults_of_lock(lock))


def test_what_is_installed_is_what_the_library_was_locked_with(material: Material) -> None:
    wanted = list(packages.locked(RUNTIME))
    found = packages.differences(material.versions, wanted)
    assert [each for each in found if not each.endswith("in no lock")] == []
    assert material.missing == []


def test_another_version_and_a_stranger_are_found() -> None:
    wanted = [
        Locked("a", "1", "", 1),
        Locked("b", "2", "", 1),
        Locked("c", "3", "sys_platform == 'nowhere'", 1),
    ]
    found = list(packages.differences({"a": "1.1", "d": "4", "pip": "1"}, wanted))
    assert found == ["a is 1.1, locked is 1", "b is missing, locked is 2", "d 4 is in no lock"]


def test_every_package_is_at_or_above_the_version_that_mended_it(material: Material) -> None:
    assert list(packages.too_old(material.versions)) == []
    assert {floor.package for floor in FLOORS} <= material.versions.keys()


def test_an_older_one_is_named_with_its_advisory() -> None:
    old = {floor.package: "0.0.1" for floor in FLOORS}
    found = list(packages.too_old({**old, **EXACTLY, "bcrypt": "5.0.0"}))
    assert len(found) == len(FLOORS) + 1
    assert "h11 0.0.1 is below 0.16.0: CVE-2025-43859" in found
    assert "bcrypt is 5.0.0 and must be 4.0.1" in found


def test_nothing_that_was_decided_against_came_along(material: Material) -> None:
    assert list(packages.unwanted(sorted(material.licences))) == []
    assert list(packages.unwanted(["lxml"])) == ["lxml: XML is read with defusedxml"]


# Licences


def test_every_package_at_runtime_may_be_used_and_passed_on(material: Material) -> None:
    assert len(material.licences) > 50
    assert list(licences.unfit(material.licences)) == []


@pytest.mark.parametrize(
    ("licence", "fit"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("Apache License, Version 2.0", True),
        ("3-Clause BSD License", True),
        ("AGPL-3.0-or-later", False),
        ("GPL-2.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("LGPL-3.0-only", False),
        ("MIT AND MPL-2.0", False),
        ("Proprietary", False),
        ("SSPL-1.0", False),
        ("", False),
    ],
)
def test_a_licence_is_fit_by_every_part_of_it(licence: str, fit: bool) -> None:
    assert (list(licences.unfit({"a": licence})) == []) is fit


def test_an_explanation_excuses_no_agpl() -> None:
    assert list(licences.unfit({"psycopg": "LGPL-3.0-only"})) == []
    assert list(licences.unfit({"psycopg": "AGPL-3.0-only"})) != []


# The bill of materials


def test_the_bill_of_materials_is_what_is_installed_and_what_is_locked(material: Material) -> None:
    runtime = {each.name: each.version for each in packages.locked(RUNTIME) if each.is_for_here}
    assert bill.differs(material.bill, runtime) == []
    for part in material.bill["components"]:
        assert part["version"] == material.versions[part["name"]]
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"


def test_the_bill_says_what_needs_what(material: Material) -> None:
    known = {part["bom-ref"] for part in material.bill["components"]} | {"luminalib"}
    needs = {each["ref"]: set(each["dependsOn"]) for each in material.bill["dependencies"]}
    assert needs.keys() == known
    assert set().union(*needs.values()) == known - {"luminalib"}
    fastapi = f"pkg:pypi/fastapi@{material.versions['fastapi']}"
    assert f"pkg:pypi/starlette@{material.versions['starlette']}" in needs[fastapi]


def test_the_same_packages_make_the_same_bill(material: Material) -> None:
    again = bill.bill(material.graph, material.versions, material.licences)
    assert json.dumps(again) == json.dumps(material.bill)
    fewer = bill.bill({"luminalib": {"h11"}, "h11": set()}, {"h11": "0.16.0"}, {"h11": "MIT"})
    assert fewer["serialNumber"] != again["serialNumber"]
    assert bill.differs(fewer, {"h11": "0.16.1"}) == [
        "h11 0.16.0 is in the bill, not in the lock",
        "h11 0.16.1 is in the lock, not in the bill",
    ]


# What is accepted


def test_every_accepted_fault_has_its_test() -> None:
    assert list(sources.accepted_without_proof()) == []


def test_the_workflow_accepts_no_other_fault() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/check.yml").read_text("utf-8"))
    said = json.dumps(workflow).split("--ignore-vuln ")[1:]
    ignored = {each.split()[0] for each in said}
    assert ignored <= {each.advisory for each in ACCEPTED}


def test_signing_imports_no_elliptic_curve() -> None:
    """Neither ecdsa nor the pure-Python RSA takes part in a token's life."""
    story = """
import sys
from datetime import UTC, datetime
from uuid import uuid4
from app.adapters.tokens.jose import JoseTokens
from app.domains.accounts.ports import Claims
now, tokens = datetime.now(UTC), JoseTokens(b"k" * 32)
issued = tokens.issue(Claims(user_id=uuid4(), session_id=uuid4()), now)
tokens.verify(issued.token, now)
print(sorted({"ecdsa", "rsa"} & sys.modules.keys()))
"""
    told = subprocess.run(
        [sys.executable, "-c", story], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


# Advisories


@contextmanager
def database_of_advisories(known: dict[str, list[str]]) -> Iterator[str]:
    """Answers as OSV does; `known` has the faults by package."""
    aliases = {"PYSEC-1": ["CVE-2024-23342"], "PYSEC-2": ["CVE-2099-1"]}

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            names = [each["package"]["name"] for each in asked]
            answers = [{"vulns": [{"id": fault} for fault in known.get(n, ())]} for n in names]
            self.say({"results": answers})

        def do_GET(self) -> None:
            fault = self.path.rpartition("/")[2]
            self.say({"id": fault, "aliases": aliases[fault]})

        def say(self, answer: object) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


def test_a_fault_the_world_knows_of_is_found_unless_it_is_accepted() -> None:
    locked = [Locked("ecdsa", "0.19.2", "", 1), Locked("h11", "0.16.0", "", 1)]
    with database_of_advisories({"ecdsa": ["PYSEC-1"], "h11": ["PYSEC-2"]}) as address:
        found = list(advisories.known_faults(locked, address))
    assert found == ["h11 0.16.0: CVE-2099-1, PYSEC-2"]


def test_advisories_are_not_asked_for_in_the_clear() -> None:
    with pytest.raises(ValueError, match="TLS"):
        list(advisories.known_faults([], "http://elsewhere"))


# Files


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("app/a.py", 'password = "correcthorse9"\n', True),
        ("tests/a.py", 'password = "correcthorse9"\n', False),
        ("tests/a.py", "key = 'AKIA" + "QYLPMN5HHHFPZAM2'\n", True),
        ("app/a.pem", "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIE\n", True),
        ("deploy/a.env", "TOKEN=ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx\n", True),
        ("app/a.py", "password = read_password()\n", False),
    ],
)
def test_what_looks_like_a_secret_is_found(
    tmp_path: Path, file: str, text: str, found: bool
) -> None:
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(text, "utf-8")
    assert bool(list(sources.secrets_in([file], tmp_path))) is found


@pytest.mark.parametrize(
    ("line", "loose"),
    [
        ("FROM python:3.13-slim", False),
        ("FROM python:latest", True),
        ("FROM python", True),
        ("    image: nginx:1.30.5-alpine", False),
        ("    image: nginx:1", True),
        ("FROM python@sha256:" + "0" * 64, False),
        ("FROM ${PYTHON} AS packages", False),
        ("ARG PYTHON=python:rc", True),
    ],
)
def test_an_image_that_may_change_over_night_is_found(line: str, loose: bool) -> None:
    assert bool(list(sources.loose_images(f"# an image\n{line}\n"))) is loose


def test_every_image_and_every_action_stays_what_it_is() -> None:
    files = sources.image_files(sources.own_files())
    assert len(files) >= 3
    assert [x for file in files for x in sources.loose_images(file.read_text("utf-8"))] == []
    assert list(sources.loose_actions(sorted((ROOT / ".github/workflows").glob("*.yml")))) == []
