"""The library's own application with nothing around it: no gate, no session read, no request
id, no measures. For what those cost."""

import json
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.application import create_api
from app.api.gate import Limits
from app.bootstrap.library import open_library
from app.bootstrap.settings import read_settings


def ungated() -> ASGIApp:
    """Takes every request for one of the reader whose token the plan has."""
    plan = json.loads(Path(os.environ["BENCH_PLAN"]).read_text("utf-8"))
    # Its library stays open as long as the process.
    stack, opened = AsyncExitStack(), dict[str, Any]()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if not opened:
            opened.update(await _opened(plan, stack))
        scope["state"] = {**opened["state"]}
        await opened["api"](scope, receive, send)

    return answer


async def _opened(plan: dict[str, str], stack: AsyncExitStack) -> dict[str, Any]:
    settings = read_settings(
        _env_file=None,
        database={"url": plan["database_url"]},
        lumina={"home": Path(plan["home"])},
        llm={"provider": "extractive"},
    )
    library = await stack.enter_async_context(open_library(settings, migrating=False))
    user, session_id = await library.services.accounts.authenticate(plan["token"])
    whole = create_api(library.services, limits=Limits(upload=1), kick=_nothing)
    state = {"user": user, "session_id": session_id, "request_id": "bare"}
    return {"api": _innermost(whole), "state": state}


def _innermost(app: Any) -> FastAPI:
    while not isinstance(app, FastAPI):
        app = app._app
    return app


async def _nothing() -> None:
    """No job is left behind by who only reads."""
