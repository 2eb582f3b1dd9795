"""The server: takes requests as providers do, and answers them as it is told to.

Owns: the socket, its threads, the queue of troubles.
Must not know: how prompts are read and counted, and answers written.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec

from holdfast.testing.models.answers import answer_body, answer_events
from holdfast.testing.models.asked import Asked, Reply, read_asked
from holdfast.testing.models.counting import Counted, PromptCache

MINIMUM_TOKENS: Final = 1_024
SECONDS: Final = 300.0
BODY_BYTES_MAX: Final = 64 << 20

Trouble: TypeAlias = Literal["rate limit", "overload", "garbage", "cut off", "too long", "unknown model"]


class HostedModel:
    """A provider of language models on this machine.

    ```python
    with HostedModel(answer=lambda asked: f"You said: {asked.prompt}") as provider:
        llm = LLM("anthropic:claude-sonnet-5-5", base_url=provider.url, api_key=provider.key)
    ```

    It speaks Anthropic's Messages and OpenAI's Chat Completions and Responses, and counts cached tokens from the bytes
    it has seen.
    """

    def __init__(
        self,
        answer: Callable[[Asked], Reply] = lambda asked: f"You said: {asked.prompt}",
        *,
        minimum_tokens: int = MINIMUM_TOKENS,
        cache_seconds: float = SECONDS,
        now: Callable[[], float] = time.monotonic,
        before_answer: Callable[[Asked], object] = lambda _: None,
    ) -> None:
        """Prepare a provider; nothing listens yet.

        Args:
            answer: what to say to a request; a dict where a structured answer is wanted.
            minimum_tokens: the shortest prefix that is kept.
            cache_seconds: for how long a prefix is kept after its last use.
            now: the clock of the cache, in seconds.
            before_answer: called in the thread of a request before it is answered, and before its prefix is kept.
        """
        self.key = "test-key"
        self.asked: list[Asked] = []
        """Every request that was answered, in order of arrival."""
        self.counted: list[Counted] = []
        """What each of them was charged for."""
        self._answer = answer
        self._before = before_answer
        self._cache = PromptCache(minimum_tokens, cache_seconds, now)
        self._troubles: deque[tuple[Trouble, str | None]] = deque()
        self._guard = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="hosted-model")

    @property
    def url(self) -> str:
        """Where it is reached, such as `http://127.0.0.1:8765`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def troubles(self) -> int:
        """How many requests will meet with trouble."""
        return len(self._troubles)

    def give_trouble(self, trouble: Trouble, times: int = 1, *, retry_after: str | None = None) -> None:
        """Answer the next `times` requests with trouble.

        Args:
            trouble: what goes wrong.
            times: for how many requests.
            retry_after: what to say in that header; nothing when None.
        """
        with self._guard:
            self._troubles.extend([(trouble, retry_after)] * times)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop, when what is being answered has been answered."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _receive(self, asked: Asked) -> tuple[Reply, Counted, Trouble | None, str | None]:
        with self._guard:
            trouble, retry_after = self._troubles.popleft() if self._troubles else (None, None)
            if trouble not in {None, "garbage", "cut off"}:
                return "", Counted(0, 0, 0), trouble, retry_after
            counted, prefixes = self._cache.count(asked.blocks, by_itself=asked.keeps_by_itself)
            self.asked.append(asked)
            self.counted.append(counted)
        self._before(asked)
        with self._guard:
            self._cache.keep(prefixes)
        return self._answer(asked), counted, trouble, retry_after


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # whoever closes it waits for all of them
    request_queue_size = 512

    def __init__(self, provider: HostedModel) -> None:
        self.provider = provider
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > BODY_BYTES_MAX:
            self._refuse(413, "request_too_large", "the request is too large")
            return
        body: dict[str, Any] = msgspec.json.decode(self.rfile.read(length))
        asked = read_asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        if asked.key != self.server.provider.key:
            self._refuse(401, "authentication_error", "invalid x-api-key")
            return
        reply, counted, trouble, retry_after = self.server.provider._receive(asked)  # noqa: SLF001 - its other half
        match trouble:
            case "rate limit":
                self._refuse(429, "rate_limit_error", "too many requests", retry_after)
            case "overload":
                self._refuse(529, "overloaded_error", "overloaded", retry_after)
            case "too long":
                self._refuse(400, "invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum")
            case "unknown model":
                self._refuse(404, "not_found_error", f"model: {asked.model}")
            case "garbage":
                self._send(200, b"<html>not what you think</html>", "application/json")
            case "cut off" | None:
                self._say(asked, reply, counted, is_cut=trouble is not None)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _say(self, asked: Asked, reply: Reply, counted: Counted, *, is_cut: bool) -> None:
        if not asked.is_streamed:
            body = msgspec.json.encode(answer_body(asked, reply, counted))
            self._send(200, body[: len(body) // 2] if is_cut else body, "application/json", length=len(body))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        events = list(answer_events(asked, reply, counted))
        for event in events[: len(events) // 2] if is_cut else events:
            self.wfile.write(event)

    def _refuse(self, status: int, kind: str, text: str, retry_after: str | None = None) -> None:
        body = msgspec.json.encode({"type": "error", "error": {"type": kind, "message": text}})
        self._send(status, body, "application/json", retry_after=retry_after)

    def _send(
        self, status: int, body: bytes, kind: str, *, length: int | None = None, retry_after: str | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)
