"""One-time URLs that an outside system answers a run at: `callback`.

Owns: a callback as workflow code holds it, and the type of its answer.
Must not know: how a token is made, or how an answer arrives.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, TypeVar, overload

from holdfast.authoring.choice import codec_for
from holdfast.authoring.codec import ValueCodec
from holdfast.authoring.durations import Duration, parse_duration
from holdfast.authoring.inside import running
from holdfast.ports.callbacks import name_of, token_of
from holdfast.ports.runtime import WorkflowRuntime

T = TypeVar("T")


class Callback(Generic[T]):
    """A question to an outside system. Awaiting it gives what was posted; again, the same."""

    __slots__ = ("_answer", "_codec", "_runtime", "token", "url")

    def __init__(self, url: str, runtime: WorkflowRuntime, codec: ValueCodec) -> None:
        """Use `callback`."""
        self.url = url
        """Where the answer is to be posted, once."""
        self.token = token_of(url)
        """The last part of the URL. Whoever has it can answer."""
        self._runtime = runtime
        self._codec = codec
        self._answer: bytes | None = None

    def __await__(self) -> Generator[Any, Any, T]:
        """Wait for the answer.

        Raises:
            InputError: what was posted does not fit the type; the callback is used up.
        """
        return self._wait().__await__()

    async def _wait(self) -> T:
        if self._answer is None:
            self._answer = await self._runtime.wait_signal(name_of(self.token))
        answer: T = self._codec.decode(self._answer)
        return answer


@overload
def callback(*, type: type[T], expires: Duration | None = None) -> Callback[T]: ...
@overload
def callback(*, type: Any = Any, expires: Duration | None = None) -> Callback[Any]: ...
def callback(*, type: Any = Any, expires: Duration | None = None) -> Callback[Any]:
    """Make a one-time URL that an outside system posts JSON to, and that can be awaited.

    ```python
    done = callback(type=Receipt, expires="1h")
    await order_print(document, done.url)
    receipt = await done
    ```

    Args:
        type: what is posted; it is checked against this when it is awaited.
        expires: how long the URL is good; None is until the run ends. It ends no wait: for that, `asyncio.timeout`.

    Raises:
        OutsideWorkflowError: no workflow is running here.
    """
    runtime = running("callback()", "A callback is answered to a workflow.")
    codec = codec_for(type, "answer of callback()")
    seconds = 0.0 if expires is None else parse_duration(expires, "expires of callback()")
    return Callback(runtime.open_callback(seconds), runtime, codec)
