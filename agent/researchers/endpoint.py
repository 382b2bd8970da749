"""An OpenAI-compatible endpoint: one request in, one reply out, every failure a sentence.

Owns the client, the key, the forms in which JSON can be asked for, retries and time; it neither
stores nor understands replies, but bounds them and takes secrets out. The key leaves this module only inside
requests.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agent.researchers.base import ResearcherError
from agent.researchers.conversation import Turn
from workspaces.plain_text import one_line
from workspaces.redaction import redacted

DEFAULT_BASE_URL = "https://api.openai.com/v1"
RETRIES = 4
REPLY_CHARACTERS = 200_000
NAME_CHARACTERS = 200
FORMS = ("json_schema", "json_object", "text")


@dataclass(frozen=True)
class Reply:
    """What the model said. `form` is the response format in which it was asked."""

    text: str
    form: str
    finish_reason: str | None
    served_by: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float


class Endpoint:
    """One model behind OPENAI_BASE_URL with OPENAI_API_KEY, as `environ` gives them."""

    def __init__(
        self, model: str, schema: Mapping[str, Any], environ: Mapping[str, str], seconds: float
    ) -> None:
        """`schema` is the JSON schema of a reply, `seconds` the wall time of one question with its retries.

        Raises:
            ResearcherError: model, base URL or key cannot be right.
        """
        if not model.strip():
            raise ResearcherError("The language-model researcher has no model: name one with --model NAME.")
        self._model = model
        self._schema = schema
        self._seconds = seconds
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
        self._form = 0
        self._environ = environ

    def redacted(self, text: str) -> str:
        """`text` without the key and every other secret of the environment."""
        return redacted(text, self._environ)

    def ask(self, turns: Sequence[Turn]) -> Reply:
        """Ask in the strictest form that the server accepts. Callable from any thread without an event loop.

        Raises:
            ResearcherError: no reply can be had; the message says what to do.
        """
        return asyncio.run(self._ask(turns))

    async def _ask(self, turns: Sequence[Turn]) -> Reply:
        import openai

        start = time.monotonic()
        try:
            async with (
                asyncio.timeout(self._seconds),
                openai.AsyncOpenAI(
                    api_key=self._key or "none",
                    base_url=self._base_url,
                    timeout=self._seconds,
                    max_retries=RETRIES,
                ) as client,
            ):
                completion, form = await self._completion(client, turns)
        except TimeoutError:
            raise ResearcherError(
                f"{self._address} did not answer for model {self._model} within {self._seconds:g} s. "
                "See whether it is overloaded, then go on with `szilard resume`."
            ) from None
        except openai.OpenAIError as error:
            raise self._refusal(error) from None
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise self._foreign() from None
        choices = getattr(completion, "choices", None)
        if not isinstance(choices, list) or not choices:
            raise self._foreign()
        message, usage = getattr(choices[0], "message", None), getattr(completion, "usage", None)
        said = _text(message, "content") or _text(message, "refusal") or ""
        return Reply(
            text=self.redacted(said)[: REPLY_CHARACTERS + 1],
            form=form,
            finish_reason=self._name(choices[0], "finish_reason"),
            served_by=self._name(completion, "model"),
            prompt_tokens=_count(usage, "prompt_tokens"),
            completion_tokens=_count(usage, "completion_tokens"),
            seconds=round(time.monotonic() - start, 3),
        )

    def _name(self, record: object, field: str) -> str | None:
        """A short word of the server's own, which may be anything."""
        said = _text(record, field)
        return None if said is None else one_line(self.redacted(said), NAME_CHARACTERS)

    async def _completion(self, client: Any, turns: Sequence[Turn]) -> tuple[object, str]:
        """What the server answered, untrusted, and the form in which it was asked."""
        import openai

        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        while True:
            number = self._form
            try:
                completion = await client.chat.completions.create(
                    model=self._model, messages=messages, **self._response_format(FORMS[number])
                )
                return completion, FORMS[number]
            except (openai.BadRequestError, openai.UnprocessableEntityError):
                if number + 1 == len(FORMS):
                    raise
                self._form = number + 1

    def _response_format(self, form: str) -> dict[str, Any]:
        if form == "json_schema":
            schema = {"name": "proposal", "strict": True, "schema": self._schema}
            return {"response_format": {"type": form, "json_schema": schema}}
        return {"response_format": {"type": form}} if form == "json_object" else {}

    def _refusal(self, error: Exception) -> ResearcherError:
        import openai

        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else None
        said = one_line(self.redacted(_encodable(str(cause or error))), 500)
        match error:
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
                what = f"still limits requests after {RETRIES} retries ({said}). Wait or raise the limit"
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


def _text(record: object, name: str) -> str | None:
    value = getattr(record, name, None)
    return _encodable(value) if isinstance(value, str) else None


def _count(record: object, name: str) -> int | None:
    value = getattr(record, name, None)
    return value if isinstance(value, int) else None
