"""A real HTTP server that plays an OpenAI-compatible endpoint from a script."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Request:
    """What a client sent: its JSON body and its Authorization header."""

    path: str
    body: dict[str, Any]
    authorization: str

    @property
    def messages(self) -> list[dict[str, str]]:
        messages: list[dict[str, str]] = self.body["messages"]
        return messages

    @property
    def streams(self) -> bool:
        return self.body.get("stream") is True

    @property
    def form(self) -> str | None:
        form: str | None = self.body.get("response_format", {}).get("type")
        return form


@dataclass(frozen=True)
class Answer:
    """One HTTP answer.

    Its head comes after `wait` seconds. With `trickle`, its bytes follow one by one, as many seconds apart;
    with `cut`, the connection is closed after that many of them. The length of a stream is not announced.
    """

    body: str | bytes
    status: int = 200
    content_type: str = "application/json"
    trickle: float = 0.0
    wait: float = 0.0
    cut: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


Step = Answer | Callable[[Request], Answer]


USAGE = {"prompt_tokens": 1200, "completion_tokens": 80, "total_tokens": 1280}


def said(
    text: str, finish_reason: str = "stop", *, usage: dict[str, Any] | None = USAGE, **message: Any
) -> Answer:
    """A chat completion that says `text`, in one piece; `message` holds further fields of it."""
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": text, **message},
    }
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "scripted-2026"}
    return Answer(json.dumps({**whole, "choices": [choice], **({"usage": usage} if usage else {})}))


def streamed(
    text: str, finish_reason: str | None = "stop", *, usage: dict[str, Any] | None = USAGE, done: bool = True
) -> Answer:
    """A chat completion that says `text` in pieces of 40 characters, as server-sent events."""
    pieces: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    pieces += [{"content": text[start : start + 40]} for start in range(0, len(text), 40)]
    rows = [_chunk([{"index": 0, "delta": piece, "finish_reason": None}]) for piece in pieces]
    if finish_reason is not None:
        rows.append(_chunk([{"index": 0, "delta": {}, "finish_reason": finish_reason}]))
    if usage is not None:
        rows.append({**_chunk([]), "usage": usage})
    events = [f"data: {json.dumps(row)}\n\n" for row in rows] + (["data: [DONE]\n\n"] if done else [])
    return Answer("".join(events), content_type="text/event-stream")


def _chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted-2026"}
    return {**chunk, "choices": choices}


def failed(status: int, message: str) -> Answer:
    """An error as OpenAI words it."""
    return Answer(json.dumps({"error": {"message": message, "type": "error", "code": None}}), status)


class ScriptedServer:
    """Answers each request with the next step; a request after the last one is answered with HTTP 410."""

    def __init__(self, *steps: Step) -> None:
        self.requests: list[Request] = []
        self._steps = list(steps)
        self._lock = threading.Lock()
        script = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                script._send(self, script._next(Request(self.path, body, self.headers["Authorization"])))

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            step = self._steps.pop(0) if self._steps else failed(410, "the script is over")
        return step if isinstance(step, Answer) else step(request)

    def _send(self, handler: BaseHTTPRequestHandler, answer: Answer) -> None:
        payload = answer.body.encode() if isinstance(answer.body, str) else answer.body
        pause = threading.Event()
        try:
            pause.wait(answer.wait)
            handler.send_response(answer.status)
            handler.send_header("Content-Type", answer.content_type)
            if answer.content_type != "text/event-stream":
                handler.send_header("Content-Length", str(len(payload)))
            for name, value in answer.headers:
                handler.send_header(name, value)
            handler.end_headers()
            payload = payload[: answer.cut]
            if not answer.trickle:
                handler.wfile.write(payload)
                return
            for byte in payload:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                pause.wait(answer.trickle)
        except OSError:
            return
