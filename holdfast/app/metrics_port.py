"""Metrics of a process that has no HTTP API, on a port of this machine.

Owns: a small server on the loopback address, in threads beside the event loop.
Must not know: what is measured.

It answers with what this process has counted, and nothing else: counting is the event loop's business, and whoever asks
does not keep it from its own. What is about the store, every controller says.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

from holdfast.errors import SettingsError
from holdfast.observe import Publisher

HOST: Final = "127.0.0.1"
PATH: Final = "/metrics"
REQUEST_SECONDS_MAX: Final = 5.0
"""How long a request may take to arrive."""
_OWN_NAMES: Final = frozenset({"127.0.0.1", "localhost"})
"""Under other names this machine is addressed by web pages of others (DNS rebinding)."""


class MetricsPort:
    """Serves this process's metrics until it is closed."""

    def __init__(self, publisher: Publisher, port: int) -> None:
        """Serve what `publisher` says on `port`; 0 takes a free one.

        Raises:
            SettingsError: the port is taken.
        """
        try:
            self._server = _Server((HOST, port), _Answer)
        except OSError as error:
            raise SettingsError(
                f"metrics cannot be served on {HOST}:{port}: {error}",
                "Each process on a machine has a port of its own: --metrics-port NUMBER, or 0 for a free one.",
            ) from None
        self._server.publisher = publisher
        self._thread = threading.Thread(target=self._server.serve_forever, name="holdfast metrics", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the metrics are, such as `http://127.0.0.1:9101/metrics`."""
        return f"http://{HOST}:{self._server.server_address[1]}{PATH}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    publisher: Publisher


class _Answer(BaseHTTPRequestHandler):
    server: _Server
    timeout: ClassVar[float] = REQUEST_SECONDS_MAX

    def do_GET(self) -> None:
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if host not in _OWN_NAMES:
            self._answer(421, b"this answers to names of its own machine only\n", "text/plain; charset=utf-8")
        elif self.path.partition("?")[0] != PATH:
            self._answer(404, f"there is only {PATH}\n".encode(), "text/plain; charset=utf-8")
        else:
            self._answer(200, *self.server.publisher.own_page(self.headers.get("Accept", "")))

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "holdfast"

    def log_message(self, *_: Any) -> None:
        """Say nothing: what was asked is what a stranger wrote."""
