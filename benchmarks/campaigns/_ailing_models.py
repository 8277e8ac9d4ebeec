"""Servers of models that fall ill: of so many answers out of a hundred, each in its own way."""

import random
from asyncio import StreamWriter, sleep
from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from enum import StrEnum
from typing import Any

from typing_extensions import override

from tests.fakes.model_server import Call, Fault, ModelServer
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.openai_server import OpenAIServer

_MOST_OF_WHAT_HAS_NO_END = 100_000
_PIECE = b" " * 65_536
_answers_wrongly: ContextVar[bool] = ContextVar("answers_wrongly", default=False)


class Trouble(StrEnum):
    HANG = "hang"
    DRIP = "1 byte/s"
    TOO_MANY = "429"
    CRASH = "500"
    CUT = "cut off"
    CUT_JSON = "cut JSON"
    HALF = "half a JSON, properly ended"
    WRONG_SCHEMA = "wrong schema"
    ENDLESS = "endless"
    CLOSED = "closed connection"


_KNOWN = {
    Trouble.HANG: Fault.HANG,
    Trouble.DRIP: Fault.DRIP,
    Trouble.CUT: Fault.CUT,
    Trouble.CUT_JSON: Fault.BROKEN_JSON,
    Trouble.HALF: Fault.UNFINISHED,
}
_STATUS = {Trouble.TOO_MANY: "429 Too Many\r\nRetry-After: 1", Trouble.CRASH: "500 Crashed"}


class AilingServer(ModelServer):
    """`share` of its chats go wrong, in one of the `ways`. Which do, and how, follows from the
    seed, the prompt and how often it was sent, not from the order of requests. `seen` counts what
    happened, `hanging` how many wait just now for an answer that will not come, `taken` the bytes
    that were taken of endless ones."""

    seed = 0
    share = 0.3
    ways: Sequence[Trouble] = tuple(Trouble)

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.byte_delay = 1.0
        self.seen: Counter[Trouble] = Counter()
        self.hanging = 0
        self.taken = 0
        self._asked: Counter[str] = Counter()

    @override
    async def _answer(self, call: Call, fault: Fault | None, writer: StreamWriter) -> None:
        trouble = self._trouble(call) if call.path == self.chat_path else None
        if trouble is None:
            await super()._answer(call, fault, writer)
            return
        self.seen[trouble] += 1
        self.hanging += trouble is Trouble.HANG
        try:
            await self._fail(trouble, call, writer)
        finally:
            self.hanging -= trouble is Trouble.HANG

    async def _fail(self, trouble: Trouble, call: Call, writer: StreamWriter) -> None:
        match trouble:
            case Trouble.CLOSED:
                raise ConnectionAbortedError
            case Trouble.ENDLESS:
                await self._go_on_for_ever(writer)
            case Trouble.TOO_MANY | Trouble.CRASH:
                head = f"HTTP/1.1 {_STATUS[trouble]}\r\nContent-Length: 2\r\nConnection: close"
                writer.write(f"{head}\r\n\r\n{{}}".encode())
                await writer.drain()
            case _:
                _answers_wrongly.set(trouble is Trouble.WRONG_SCHEMA)
                await super()._answer(call, _KNOWN.get(trouble), writer)

    async def _go_on_for_ever(self, writer: StreamWriter) -> None:
        """A long while, at least: nobody should still be reading."""
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
        writer.write(f"{head}\r\n\r\n".encode())
        for _ in range(_MOST_OF_WHAT_HAS_NO_END):
            writer.write(b"%x\r\n%b\r\n" % (len(_PIECE), _PIECE))
            await writer.drain()
            self.taken += len(_PIECE)
            await sleep(0)

    @override
    async def answer_text(
        self, messages: Sequence[Mapping[str, Any]], schema: Mapping[str, Any] | None, limit: int
    ) -> str:
        if _answers_wrongly.get():
            return '{"status": 200, "rating": [5, 5, null], "delete": "*"}'
        return await super().answer_text(messages, schema, limit)

    def _trouble(self, call: Call) -> Trouble | None:
        prompt = "\n".join(message["content"] for message in call.body["messages"])
        self._asked[prompt] += 1
        dice = random.Random(f"{self.seed} {self._asked[prompt]} {prompt}")
        return dice.choice(self.ways) if dice.random() < self.share else None


class AilingOllama(AilingServer, OllamaServer):
    pass


class AilingOpenAI(AilingServer, OpenAIServer):
    pass
