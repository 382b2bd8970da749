"""An OpenAI-compatible endpoint: one request in, one reply out, every failure a sentence.

Owns the client, the key, the ways in which a reply can be asked for, and time; it neither stores nor
understands replies, but takes secrets out. Reading an answer belongs to `completion`, asking again to
`patience`. The key leaves this module only inside requests.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from agent.events import Message, Observer, Progress
from agent.researchers.base import ResearcherError
from agent.researchers.completion import Completion, CutOff, NoCompletion, read_stream, read_whole
from agent.researchers.conversation import Turn
from agent.researchers.patience import RETRIES, asked_to_wait, patiently
from workspaces.plain_text import one_line
from workspaces.redaction import redacted

DEFAULT_BASE_URL = "https://api.openai.com/v1"
NAME_CHARACTERS = 200
CONNECT_SECONDS = 10.0
TOLD_EVERY = 0.5
_REFUSES_THE_WAY = (400, 405, 415, 422, 501)
FORMS = ("json_schema", "json_object", "text")
_OF_STREAMS = re.compile(r"\bstream", re.IGNORECASE)


@dataclass(frozen=True)
class Way:
    """How a reply is asked for: its form, a place among FORMS, and whether it is to come in pieces."""

    form: int = 0
    streams: bool = True


@dataclass(frozen=True)
class Reply:
    """What the model said. `form` is the response format in which it was asked; None is not known."""

    text: str
    form: str | None
    finish_reason: str | None
    served_by: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float | None


class Endpoint:
    """One model behind OPENAI_BASE_URL with OPENAI_API_KEY, as `environ` gives them."""

    def __init__(
        self,
        model: str,
        schema: Mapping[str, Any],
        environ: Mapping[str, str],
        seconds: float,
        observer: Observer | None = None,
    ) -> None:
        """`schema` is the JSON schema of a reply, `seconds` the wall time of one question with its retries.

        `observer` hears how replies come in, and of every wait.

        Raises:
            ResearcherError: model, base URL or key cannot be right.
        """
        if not model.strip():
            raise ResearcherError("The language-model researcher has no model: name one with --model NAME.")
        self._model = model
        self._schema = schema
        self._seconds = seconds
        self._tell: Observer = observer or (lambda event: None)
        self._base_url = environ.get("OPENAI_BASE_URL", "").strip() or DEFAULT_BASE_URL
        self._address = _address(self._base_url)
        self._key = environ.get("OPENAI_API_KEY", "").strip()
        if not self._key and self._base_url == DEFAULT_BASE_URL:
            raise ResearcherError(
                "OPENAI_API_KEY is not set. Set it to a key of api.openai.com, or set OPENAI_BASE_URL to "
                "another OpenAI-compatible endpoint, which may need no key."
            )
        if not (self._key.isascii() and self._key.isprintable()):
            raise ResearcherError(
                "OPENAI_API_KEY holds characters that no key has. Set it again, without them."
            )
        self._way = Way()
        self._environ = environ

    def redacted(self, text: str) -> str:
        """`text` without the key and every other secret of the environment."""
        return redacted(text, self._environ)

    def ask(self, turns: Sequence[Turn], attempt: int) -> Reply:
        """Ask on behalf of an attempt, in the strictest form that the server accepts, streamed if it can.

        Callable from any thread without an event loop.

        Raises:
            ResearcherError: no reply can be had; the message says what to do.
        """
        return asyncio.run(self._ask(turns, attempt))

    async def _ask(self, turns: Sequence[Turn], attempt: int) -> Reply:
        import openai

        start = time.monotonic()
        self._tell(Progress(attempt, "propose", detail=f"asks {self._model}"))
        try:
            async with asyncio.timeout(self._seconds), self._client() as client:
                completion, way = await patiently(
                    lambda: self._answer(client, turns, _Counter(self._tell, attempt)),
                    self._seconds,
                    partial(self._tell_of_a_wait, attempt),
                )
        except TimeoutError:
            raise ResearcherError(
                f"{self._address} did not answer for model {self._model} within {self._seconds:g} s. "
                "See whether it is overloaded, then go on with `szilard resume`."
            ) from None
        except (openai.OpenAIError, CutOff) as error:
            raise self._refusal(error) from None
        except NoCompletion:
            raise self._foreign() from None
        self._way = way if completion.is_counted else Way(way.form, streams=False)
        return Reply(
            text=self.redacted(completion.text),
            form=FORMS[way.form],
            finish_reason=self._name(completion.finish_reason),
            served_by=self._name(completion.served_by),
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            seconds=round(time.monotonic() - start, 3),
        )

    def _client(self) -> Any:
        """A client that does not retry, and for which half of the time without a byte is too long."""
        import openai

        return openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._base_url,
            timeout=openai.Timeout(self._seconds / 2, connect=min(CONNECT_SECONDS, self._seconds / 2)),
            max_retries=0,
        )

    def _name(self, said: str | None) -> str | None:
        """A short word of the server's own, which may be anything."""
        return None if said is None else one_line(self.redacted(said), NAME_CHARACTERS)

    async def _answer(
        self, client: Any, turns: Sequence[Turn], told: Callable[[int], None]
    ) -> tuple[Completion, Way]:
        """What the server answered, and the way in which it was asked."""
        import openai

        way = self._way
        while True:
            try:
                return await self._completion(client, turns, way, told), way
            except openai.APIStatusError as error:
                simpler = _simpler(way, str(error)) if error.status_code in _REFUSES_THE_WAY else None
                if simpler is None:
                    raise
                way = simpler

    async def _completion(
        self, client: Any, turns: Sequence[Turn], way: Way, told: Callable[[int], None]
    ) -> Completion:
        streaming = {"stream": True, "stream_options": {"include_usage": True}} if way.streams else {}
        async with client.chat.completions.with_streaming_response.create(
            model=self._model,
            messages=[{"role": turn.role, "content": turn.content} for turn in turns],
            **self._response_format(FORMS[way.form]),
            **streaming,
        ) as response:
            if "text/event-stream" in response.headers.get("content-type", ""):
                return await read_stream(_bytes(response), told)
            return await read_whole(_bytes(response))

    def _response_format(self, form: str) -> dict[str, Any]:
        if form == "json_schema":
            schema = {"name": "proposal", "strict": True, "schema": self._schema}
            return {"response_format": {"type": form, "json_schema": schema}}
        return {"response_format": {"type": form}} if form == "json_object" else {}

    def _tell_of_a_wait(self, attempt: int, error: Exception, pause: float) -> None:
        said = one_line(self.redacted(_encodable(str(error))), 200)
        self._tell(Message(f"attempt {attempt}: {self._address}: {said}. Asking again in {pause:.1f} s."))

    def _refusal(self, error: Exception) -> ResearcherError:
        import openai

        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else None
        said = one_line(self.redacted(_encodable(str(cause or "") or str(error))), 500)
        match error:
            case openai.APITimeoutError() if "Connect" not in type(cause).__name__:
                what = f"was silent for {self._seconds / 2:g} s. See whether it is overloaded"
            case openai.APIConnectionError():
                what = f"cannot be reached ({said}). Set OPENAI_BASE_URL to an endpoint that runs"
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                what = (
                    f"refused the key (HTTP {error.status_code}). Set OPENAI_API_KEY to one that it accepts"
                )
            case openai.NotFoundError():
                what = (
                    f"does not know model {self._model} or the path ({said}). Name another with --model, "
                    "or mend OPENAI_BASE_URL, which often has to end in /v1"
                )
            case openai.RateLimitError():
                wait = asked_to_wait(error)
                told = "" if wait is None else f", to be asked again in {wait:.0f} s"
                what = f"limits requests ({said}){told}. Wait or raise the limit"
            case openai.BadRequestError() | openai.UnprocessableEntityError():
                what = f"rejected the request for model {self._model} ({said}). Try another with --model"
            case _:
                what = f"failed, with up to {RETRIES} retries ({said}). Wait until it works"
        return ResearcherError(f"{self._address} {what}, then go on with `szilard resume`.")

    def _foreign(self) -> ResearcherError:
        return ResearcherError(
            f"{self._address} answered with something that is no chat completion. Set OPENAI_BASE_URL to "
            "an OpenAI-compatible interface, which often ends in /v1, then go on with `szilard resume`."
        )


def _address(base_url: str) -> str:
    """The base URL as it may be shown: without a user's name, password or query."""
    try:
        parts = urlsplit(base_url)
        port = f":{parts.port}" if parts.port else ""
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise ResearcherError(
            "OPENAI_BASE_URL is not an address: it must look like https://host/v1 or http://localhost:8000/v1."
        )
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}"


def _encodable(text: str) -> str:
    """`text` without lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _simpler(way: Way, refusal: str) -> Way | None:
    """The next way to try after a refusal; None if there is none.

    What it says of streams is believed; else forms are given up first, streaming last.
    """
    is_last_form = way.form + 1 == len(FORMS)
    if way.streams and (is_last_form or _OF_STREAMS.search(refusal)):
        return Way(way.form, streams=False)
    return None if is_last_form else Way(way.form + 1, way.streams)


async def _bytes(response: Any) -> AsyncIterator[bytes]:
    """What comes of an answer. Raises CutOff where its transport breaks off."""
    try:
        async for chunk in response.iter_bytes():
            yield chunk
    except Exception as error:  # it is of the HTTP library under the client, which changes with its releases
        raise CutOff(f"its answer broke off ({type(error).__name__} {error})") from error


class _Counter:
    """Tells how many characters of an attempt's reply have come, not more often than can be read."""

    def __init__(self, tell: Observer, attempt: int) -> None:
        self._tell = tell
        self._attempt = attempt
        self._told = 0.0

    def __call__(self, characters: int) -> None:
        now = time.monotonic()
        if now - self._told >= TOLD_EVERY:
            self._told = now
            self._tell(Progress(self._attempt, "propose", detail=f"{characters:,} characters"))
