"""What a collector of traces gets to see of a library, and what it does not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from typing_extensions import override

from tests.integration.server import client_of, home_of_a_library, serving
from tests.integration.test_processes import signed_in, upload, wait_for_summary

SOUGHT = "somethingprivate"


class Collector:
    """Takes spans over HTTP, as a collector does."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.raw = b""

    def take(self, body: bytes) -> None:
        self.raw += body
        sent = ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def named(self, name: str) -> Span:
        return next(span for span in self.spans if span.name == name)

    @contextmanager
    def listening(self) -> Iterator[str]:
        take = self.take

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            @override
            def log_message(self, format: str, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
            listening = threading.Thread(target=server.serve_forever)
            listening.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                listening.join()


def said(span: Span) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, str(pair.value.WhichOneof("value")))
        for pair in span.attributes
    }


@pytest.fixture
def home() -> Iterator[Path]:
    with home_of_a_library() as home:
        yield home


def test_a_request_a_job_and_a_question_to_a_model_are_spanned(
    home: Path, database_url: str
) -> None:
    collector = Collector()
    with (
        collector.listening() as address,
        serving(home, SERVER_TRACES=address, DATABASE_URL=database_url) as server,
    ):
        with client_of(server) as client:
            ann = signed_in(client)
            book_id = upload(client, ann)
            wait_for_summary(client, ann, book_id)
            shown = client.get(f"/books/{book_id}", headers=ann | {"X-Request-ID": "find-me"})
            assert shown.status_code == 200
            client.get("/books", params={"q": SOUGHT}, headers=ann).raise_for_status()
        assert server.stop() == 0

    request = collector.named("GET /books/{book_id}")
    assert request.kind == Span.SPAN_KIND_SERVER
    assert said(request) == {
        "lumina.request_id": "find-me",
        "lumina.book_id": book_id,
        "http.response.status_code": 200,
    }

    job = collector.named("summarise_book")
    assert said(job)["lumina.book_id"] == book_id
    assert said(job)["lumina.job_id"]
    assert said(job)["lumina.outcome"] == "done"

    question = next(span for span in collector.spans if span.name.startswith("ask "))
    assert question.trace_id == job.trace_id
    assert said(question)["lumina.outcome"] == "answered"
    assert said(question)["lumina.model"].startswith("extractive:")
    assert said(question)["lumina.tokens_in"] > 0

    assert SOUGHT.encode() not in collector.raw
