"""Histories from files, whoever wrote them.

Owns: `load_history`, and which dialects it understands.
Must not know: what is done with a history; how a dialect is written (each has its own reader).

A dialect is a function from a file's content to a History. It answers None when the file is not written in it, so that
the next one is asked, and raises HistoryError when it is and something is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from holdfast.errors import HistoryError
from holdfast.history import FILE_PLACE, FORMAT, TRANSCRIPT_BYTES_MAX, Codec, History, decrypted, from_json
from holdfast.history.temporal import from_temporal

Dialect: TypeAlias = Callable[[bytes, Codec | None], History | None]
"""Reads a file's content, decrypting what is encrypted in it, or answers None: it is not written in this dialect."""

FORMAT_FAMILY: Final = FORMAT.partition("/")[0] + "/"


class _Outline(msgspec.Struct):
    """As much of a file as tells whose it is."""

    format: str = ""


def read_holdfast(content: bytes, _: Codec | None = None) -> History | None:
    """Read what `holdfast runs export` and captures write. A dialect."""
    try:
        outline = msgspec.json.decode(content, type=_Outline)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return from_json(content) if outline.format.startswith(FORMAT_FAMILY) else None


DIALECTS: Final[tuple[Dialect, ...]] = (read_holdfast, from_temporal)
"""In the order in which they are asked."""


def load_history(source: str | PathLike[str] | bytes | Mapping[str, Any], *, codec: Codec | None = None) -> History:
    """Return the history in a file.

    ```python
    history = load_history("prod_failure_log.json")
    ```

    No code from the file is run, and what is damaged or hostile gives an error, never harm.

    Args:
        source: a path, the content of a file, or the object its JSON says.
        codec: decrypts a file that was exported with `--encrypted`, or payloads in one of Temporal's; see
            `holdfast.app.load_codec`.

    Raises:
        EncryptionError: it is encrypted, and `codec` cannot decrypt it.
        HistoryError: it cannot be read, or is no history; the event at fault is named.
    """
    content, where = _content_of(source)
    content = decrypted(content, codec, FILE_PLACE, where or "the history")
    if len(content) > TRANSCRIPT_BYTES_MAX:
        raise HistoryError(f"the file has more than {TRANSCRIPT_BYTES_MAX:,} bytes (TRANSCRIPT_BYTES_MAX)", where)
    for read in DIALECTS:
        history = read(content, codec)
        if history is not None:
            return history
    return from_json(content)  # which says what is wrong with it


def _content_of(source: str | PathLike[str] | bytes | Mapping[str, Any]) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        return source, ""
    if isinstance(source, Mapping):
        try:
            return msgspec.json.encode(source), ""
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise HistoryError(f"the object is no history: {str(error) or type(error).__name__}") from None
    path = Path(source)
    try:
        return path.read_bytes(), str(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise HistoryError(
            f"{path} cannot be read: {reason}", hint="Name a file that `holdfast runs export` or a capture wrote."
        ) from None
