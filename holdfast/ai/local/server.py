"""A process that computes, from the outside.

Owns: `Server`: how it is started, asked and stopped; what its refusals mean.
Must not know: prefixes, slots, the library it runs.
"""

from __future__ import annotations

import http.client
import re
import secrets
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Self
from urllib.parse import urlsplit

import msgspec

from holdfast.ai.local.described import Described
from holdfast.ai.local.lines import NOT_INSTALLED, Began, Wanted
from holdfast.errors import MissingExtraError, ModelError, ModelRequestError

STOP_SECONDS: Final = 5.0
ASK_SECONDS: Final = 3_600.0
"""How long a request for control may take: a long prefix on a small machine takes long."""
LOG_BYTES: Final = 8_192
"""How much of what the library said last is looked through for the reason of a failure."""
BAD_REQUEST: Final = 400
SERVER_ERROR: Final = 500
TOO_LONG: Final = "exceed_context_size_error"
ERROR_LINE: Final = re.compile(r"^.*?error[^:]*: *(?P<what>.+)$", re.IGNORECASE | re.MULTILINE)


class Server:
    """A local model that is being served."""

    def __init__(
        self, described: Described, process: subprocess.Popen[bytes], log: IO[bytes], began: Began, key: str
    ) -> None:
        """Speak to `process`; `start` makes one."""
        self.url = began.url
        self.key = key
        self.version = began.version
        self._described = described
        self._process = process
        self._log = log
        where = urlsplit(began.url)
        self._host, self.port = where.hostname or "127.0.0.1", where.port or 0

    @classmethod
    def start(cls, described: Described, kv_dir: Path, *, port: int = 0, key: str = "") -> Self:
        """Start a process, and wait until it has read the model.

        Args:
            described: what to serve.
            kv_dir: where it may write what it computed.
            port: where to listen; anywhere when 0.
            key: what it is to be asked with; a new one when empty.

        Raises:
            MissingExtraError: the extra `local-llm` is not installed.
            ModelRequestError: the file is not there, is no model, or the machine is too small for it.
        """
        described.check_file()
        key = key or secrets.token_urlsafe()
        log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process that writes to it
        process = subprocess.Popen(
            [sys.executable, "-m", "holdfast.ai.local.serving"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            process_group=0,  # Ctrl-C is meant for whoever asks it
        )
        wanted = Wanted(
            # The library adds a name to the folder as it stands.
            str(described.path),
            described.ctx,
            described.slots,
            described.threads,
            f"{kv_dir}/",
            key,
            described.exact,
            port,
        )
        began = _exchange(process, wanted)
        server = cls(described, process, log, began, key)
        if began.problem or not began.url:
            server._end()  # what it said is written when it has ended
            why = server._last_error() or began.detail or "the process that was to serve it ended"
            server.stop()
            if began.problem == NOT_INSTALLED:
                raise MissingExtraError("holdfast.ai.local", "local-llm")
            remedy = "It may be damaged, of a form the library does not know, or need more memory than there is."
            raise ModelRequestError(described.name, f"it cannot be loaded: {why}", f"{described.path}: {remedy}")
        return server

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return what it answers to a request of control.

        Raises:
            ModelRequestError: it refused.
            ModelError: it did not answer, or could not do it.
        """
        name = self._described.name
        connection = http.client.HTTPConnection(self._host, self.port, timeout=ASK_SECONDS)
        try:
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            connection.request("POST", path, msgspec.json.encode(body), headers)
            response = connection.getresponse()
            answer: dict[str, Any] = msgspec.json.decode(response.read())
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            raise ModelError(name, f"no answer from the process that serves it: {error}") from error
        finally:
            connection.close()
        if response.status < BAD_REQUEST:
            return answer
        refusal = answer.get("error") or {}
        said, kind = str(refusal.get("message") or answer), refusal.get("type")
        if kind == TOO_LONG:
            raise ModelRequestError(name, f"the prompt is too long: {said}", too_long_remedy(self._described.ctx))
        if response.status < SERVER_ERROR:
            raise ModelRequestError(name, f"it refused: {said}")
        raise ModelError(name, f"it failed: {said}")

    def stop(self) -> None:
        """End the process."""
        self._end()
        self._log.close()

    def _end(self) -> None:
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what it did not read is lost with it
                    pipe.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _last_error(self) -> str:
        end = self._log.seek(0, 2)
        self._log.seek(max(0, end - LOG_BYTES))
        lines = self._log.read().decode("utf-8", "replace")
        found = [each["what"].strip() for each in ERROR_LINE.finditer(lines)]
        return found[0] if found else ""


def too_long_remedy(ctx: int) -> str:
    """Say what to do about a prompt that does not fit."""
    return f"Give it a longer context than {ctx:,} tokens, local(..., ctx=...), or shorten the prompt or its prefix."


def _exchange(process: subprocess.Popen[bytes], wanted: Wanted) -> Began:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(wanted) + b"\n")
        process.stdin.flush()
        return msgspec.json.decode(process.stdout.readline(), type=Began)
    except (OSError, msgspec.DecodeError):  # it ended before it said anything
        return Began()
