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
    def form(self) -> str | None:
        form: str | None = self.body.get("response_format", {}).get("type")
        return form


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. With `trickle`, its bytes follow one by one, as many seconds apart."""

    body: str
    status: int = 200
    content_type: str = "application/json"
    trickle: float = 0.0


Step = Answer | Callable[[Request], Answer]


def said(text: str, finish_reason: str = "stop") -> Answer:
    """A chat completion that says `text`."""
    return Answer(
        json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": "scripted-2026",
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": finish_reason,
                        "message": {"role": "assistant", "content": text},
                    }
                ],
                "usage": {"prompt_tokens": 1200, "completion_tokens": 80, "total_tokens": 1280},
            }
        )
    )


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
        payload = answer.body.encode()
        try:
            handler.send_response(answer.status)
            handler.send_header("Content-Type", answer.content_type)
            handler.send_header("Content-Length", str(len(payload)))
            handler.end_headers()
            if not answer.trickle:
                handler.wfile.write(payload)
                return
            pause = threading.Event()
            for byte in payload:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                pause.wait(answer.trickle)
        except OSError:
            return
