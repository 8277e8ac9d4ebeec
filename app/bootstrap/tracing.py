"""Traces of requests, jobs and questions to models, sent to a collector that was named."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from opentelemetry import trace

_PATH = "/v1/traces"
_PATIENCE = 2.0


@asynccontextmanager
async def traces_sent(collector: str | None) -> AsyncIterator[None]:
    """Send the spans of this process to the OTLP/HTTP collector while the block runs, and the
    last ones at its end. A collector that is away costs spans and lines of the log only.

    Headers, batches and sampling come from the OTEL_… variables of the OpenTelemetry SDK. A
    process sends to one collector in its life; without one, nothing is loaded or sent.
    """
    if collector is None:
        yield
        return
    provider = _provider(collector.rstrip("/").removesuffix(_PATH) + _PATH)
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        await asyncio.to_thread(provider.shutdown)


def _provider(endpoint: str) -> Any:
    # Loaded only where it is wanted: a tenth of a second at each start.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "luminalib"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    # At the end of the process two batches may wait for a collector that is away.
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_PATIENCE)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
