import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_answers(url: str) -> None:
    for _ in range(200):
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not start")


def wait_until_it_holds(log: Path, *, lines: int) -> None:
    for _ in range(200):
        if log.exists() and log.read_text().count("\n") >= lines:
            return
        time.sleep(0.05)
    raise AssertionError("the log does not grow")


def test_the_server_runs_as_a_script_and_logs_what_it_answered(tmp_path: Path) -> None:
    log, port = tmp_path / "log.jsonl", free_port()
    command = [sys.executable, "-m", "tests.fakes.ollama_server"]
    options = ["--port", str(port), "--log", str(log), "--fault", "503"]
    with subprocess.Popen([*command, *options], cwd=ROOT) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_it_answers(url)
            body = {
                "model": "llama3",
                "messages": [{"role": "user", "content": "Martha lit the lamp."}],
                "stream": False,
            }
            first = httpx.post(f"{url}/api/chat", json=body, trust_env=False)
            second = httpx.post(f"{url}/api/chat", json=body, trust_env=False)
            wait_until_it_holds(log, lines=2)
        finally:
            process.kill()
    assert (first.status_code, second.status_code) == (503, 200)
    assert second.json()["message"]["content"] == "Martha lit the lamp."
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["fault"] for line in lines] == ["503", None]
    assert {line["prompt"] for line in lines} == {"Martha lit the lamp."}
    assert len({line["id"] for line in lines}) == 2
