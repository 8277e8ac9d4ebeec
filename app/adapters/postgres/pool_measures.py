"""How full the pools of connections are, read when somebody looks."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import QueuePool
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import override

_GAUGES = {
    "size": "Connections a pool may keep",
    "checked_out": "Connections that are in use",
    "overflow": "Connections beyond the size of the pool",
}


class PoolMeasures(Collector):
    """Pools by name; those of the same name are one."""

    def __init__(self) -> None:
        self._watched: list[tuple[str, AsyncEngine]] = []

    @contextmanager
    def watching(self, name: str, engine: AsyncEngine) -> Iterator[None]:
        """Count the engine's pool in while the block runs."""
        watched = (name, engine)
        self._watched.append(watched)
        try:
            yield
        finally:
            self._watched.remove(watched)

    @override
    def collect(self) -> Iterable[Metric]:
        states = [(name, _state(engine)) for name, engine in self._watched]
        for gauge, about in _GAUGES.items():
            family = GaugeMetricFamily(f"lumina_pool_{gauge}", about, labels=["pool"])
            sums: Counter[str] = Counter()
            for name, state in states:
                sums[name] += state[gauge]
            for name, count in sums.items():
                family.add_metric([name], count)
            yield family


def _state(engine: AsyncEngine) -> dict[str, int]:
    # Asked each time: an engine that is disposed of gets a new pool.
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    return {
        "size": pool.size(),
        "checked_out": pool.checkedout(),
        "overflow": max(0, pool.overflow()),
    }


POOLS = PoolMeasures()
REGISTRY.register(POOLS)
