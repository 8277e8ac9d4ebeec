"""The alerts and the dashboard speak of measures there are."""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import REGISTRY

FOLDER = Path(__file__).parents[2] / "deploy" / "observability"
_ENDINGS = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
_NAME = re.compile(r"\blumina_\w+")


def kept() -> set[str]:
    """The names of all samples the processes show: whoever opens all doors has all measures."""
    import_module("app.main")
    return {
        family.name + ending
        for family in REGISTRY.collect()
        for ending in _ENDINGS.get(family.type, [])
        if family.name.startswith("lumina_")
    }


def rules() -> dict[str, str]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((FOLDER / "grafana" / "luminalib.json").read_text("utf-8"))
    return list(dashboard["panels"])


def expressions() -> list[str]:
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*rules().values(), *shown]


@pytest.mark.parametrize("expression", expressions())
def test_every_measure_that_is_named_exists(expression: str) -> None:
    named = set(_NAME.findall(expression))
    assert named <= kept()
    assert named or "up{" in expression


def test_every_alert_says_what_to_look_at() -> None:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in groups[0]["rules"]:
        assert rule["annotations"].keys() == {"summary", "look"}, rule["alert"]


def test_the_dashboard_is_one_page_that_asks_the_datasource_there_is() -> None:
    sources = yaml.safe_load((FOLDER / "grafana" / "datasource.yml").read_text("utf-8"))
    uids = {source["uid"] for source in sources["datasources"]}
    assert len(panels()) <= 12
    assert {panel["datasource"]["uid"] for panel in panels()} == uids


def test_prometheus_asks_the_services_of_the_compose_file() -> None:
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    asked = {
        (name, found["port"])
        for job in scraped
        for found in job["dns_sd_configs"]
        for name in found["names"]
    }
    text = (FOLDER.parents[1] / "docker-compose.yml").read_text("utf-8")
    worker = re.search(r'JOBS_METRICS_PORT: "(\d+)"', text)
    server = re.search(r'SERVER_PORT: "(\d+)"', text)
    assert worker
    assert server
    assert asked == {("api", int(server[1])), ("worker", int(worker[1]))}
