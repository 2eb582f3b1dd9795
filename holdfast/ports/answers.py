"""Answers that cross processes: a result, or the error that stands for it.

Owns: their form as bytes.
Must not know: what was asked.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import msgspec

from holdfast import errors
from holdfast.errors import HoldfastError

_RESULT: Final = b"\x00"
_ERROR: Final = b"\x01"


def encode_result(result: bytes) -> bytes:
    """Return a result (JSON text) as an answer."""
    return _RESULT + result


def encode_error(error: HoldfastError) -> bytes:
    """Return an error as an answer: its class name and its fields."""
    values = {each.name: getattr(error, each.name) for each in fields(error)}
    return _ERROR + msgspec.msgpack.encode((type(error).__name__, values))


def decode_answer(answer: bytes) -> bytes:
    """Return the result (JSON text) of an answer.

    Raises:
        HoldfastError: the error that was the answer, of its own class.
    """
    if answer[:1] == _RESULT:
        return answer[1:]
    name, values = msgspec.msgpack.decode(answer[1:], type=tuple[str, dict[str, Any]])
    kind = getattr(errors, name, HoldfastError)
    raise kind(**{key: _tuples(value) for key, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
