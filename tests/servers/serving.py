"""What all servers of the tests are alike in.

Owns: `Server`: its life, and its port.
Must not know: which server it is, pytest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from tests.servers.ward import ServerError, Ward, free_port

PORTS_TRIED = 5


class Server(ABC):
    """A server. It runs once `_start_first` has returned; `close` ends it and removes every trace."""

    def __init__(self, ward: Ward) -> None:
        """Be kept by `ward`."""
        self._ward = ward
        self.port = 0
        """Its port on 127.0.0.1, the same after each start."""

    @abstractmethod
    def start(self) -> None:
        """Start it, on its port; return when it answers."""

    def stop(self) -> None:
        """End it in good order; connections are closed."""
        self._ward.stop()

    def kill9(self) -> None:
        """End it by SIGKILL."""
        self._ward.kill()

    def restart(self) -> None:
        """Stop it and start it."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Stop it where it is: connections stay open, and nothing answers."""
        self._ward.pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        self._ward.resume()

    def close(self) -> None:
        """End it and remove every trace."""
        self._ward.close()

    def __enter__(self) -> Self:
        """Return the server itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _start_first(self) -> None:
        for tried in range(PORTS_TRIED):  # somebody else may take the port before we do
            self.port = free_port()
            try:
                self.start()
            except ServerError:
                if tried == PORTS_TRIED - 1 or "in use" not in self._ward.words():
                    raise
            else:
                return
