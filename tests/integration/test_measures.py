"""What a process counts of itself, and where it shows it."""

import socket
from contextlib import AsyncExitStack

import httpx
import pytest
from prometheus_client import generate_latest
from typing_extensions import override

from app.adapters.jobs.showing import ShowingRunner
from app.adapters.storage.measuring import MeasuringStorage
from app.bootstrap.container import opened
from app.ports.jobs import JobRunner
from app.ports.storage import ObjectMissing
from tests.contracts.storage_adapters import content, stream
from tests.fakes.storage import InMemoryStorage
from tests.integration.server import client_of, home_of_a_library, serving, working
from tests.integration.test_processes import signed_in, upload, wait_for_summary


class RunOnce(JobRunner):
    ran = False

    @override
    async def kick(self) -> None:
        pass

    @override
    async def run(self) -> None:
        self.ran = True


def measured(text: str | None = None) -> dict[str, float]:
    """The samples by name and labels."""
    lines = (text or generate_latest().decode()).splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_a_worker_shows_its_measures_where_it_is_told_to(database_url: str) -> None:
    apart = {"DATABASE_URL": database_url, "JOBS_EMBEDDED": "false"}
    port = free_port()
    with (
        home_of_a_library() as home,
        serving(home, **apart) as server,
        working(home, **apart, JOBS_METRICS_PORT=str(port)) as worker,
        client_of(server) as client,
    ):
        ann = signed_in(client)
        wait_for_summary(client, ann, upload(client, ann))
        shown = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert worker.stop() == 0
    found = measured(shown)
    assert found['lumina_summary_nodes_total{degraded="false"}'] > 0
    assert found['lumina_storage_operations_total{operation="read",outcome="done"}'] > 0
    assert found['lumina_pool_size{pool="jobs"}'] > found['lumina_pool_checked_out{pool="jobs"}']


async def test_storage_is_counted_by_what_was_done_and_how_it_ended() -> None:
    storage = MeasuringStorage(InMemoryStorage())
    before = measured()
    await storage.write("lamp", stream(b"light", b"house"))
    await content(storage, "lamp")
    with pytest.raises(ObjectMissing):
        await storage.read("nothing")
    after = measured()

    def more(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert more('lumina_storage_operations_total{operation="write",outcome="done"}') == 1
    assert more('lumina_storage_operations_total{operation="read",outcome="done"}') == 1
    assert more('lumina_storage_operations_total{operation="read",outcome="object_missing"}') == 1
    assert more('lumina_storage_bytes_total{direction="in"}') == 10
    assert more('lumina_storage_bytes_total{direction="out"}') == 10


async def test_a_pool_is_shown_while_it_is_open(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        engines = [opened(database_url, stack, pool_size=3, name="test") for _ in range(2)]
        async with engines[0].connect():
            shown = measured()
        assert shown['lumina_pool_size{pool="test"}'] == 6
        assert shown['lumina_pool_checked_out{pool="test"}'] == 1
        assert shown['lumina_pool_overflow{pool="test"}'] == 0
    assert 'lumina_pool_size{pool="test"}' not in measured()


async def test_a_taken_port_hinders_no_job(caplog: pytest.LogCaptureFixture) -> None:
    runner = RunOnce()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        await ShowingRunner(runner, host="127.0.0.1", port=port).run()
    assert runner.ran
    assert str(port) in caplog.text
