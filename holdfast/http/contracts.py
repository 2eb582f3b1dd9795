"""What code expects of answers, and how one that is otherwise is told.

Owns: reading an answer as a type, naming what is called, and the differences between the two.
Must not know: calls, what is done about a difference.

No value of an answer gets into a report, unless it is a text where only certain texts are expected: such a value is the
difference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from msgspec import DecodeError
from msgspec.json import decode as decode_json
from msgspec.json import encode as encode_json

from holdfast.authoring import adapter_for, contract_name, differences_of
from holdfast.errors import ApiDrift
from holdfast.ports.mappings import Step, apply_mapping

if TYPE_CHECKING:
    import httpx
    from pydantic_core import ErrorDetails

KIND_CHARACTERS_MAX: Final = 60
LEARNED: Final = "its contract, version "
"""Begins the name of a contract that was learned."""
SEGMENTS_MAX: Final = 12
"""How many parts of a path tell endpoints apart."""

_ID: Final = re.compile(
    r"[0-9]+|[0-9a-fA-F]{8,}|[0-9a-fA-F-]{32,}|[A-Za-z]{0,12}[-_][0-9a-zA-Z_-]*[0-9][0-9a-zA-Z_-]*|[^/]{25,}", re.ASCII
)
"""A part of a path that names one thing of many: a number, a UUID, `ch_1a2b`, `ord-17`."""
NOTHING: Final[Mapping[str, tuple[Step, ...]]] = MappingProxyType({})


def endpoint_of(method: str, path: str) -> str:
    """Return what is called: `GET /charges/{}` for `/charges/ch_17`."""
    parts = path.strip("/").split("/")[:SEGMENTS_MAX]
    return f"{method} /" + "/".join("{}" if _ID.fullmatch(each) else each for each in parts)


def endpoint_of_url(method: str, url: str) -> tuple[str, str]:
    """Return whom a recorded call went to, and what was called."""
    import httpx

    parsed = httpx.URL(url)
    name = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    host = name if parsed.port is None else f"{name}:{parsed.port}"
    return host, endpoint_of(method, parsed.path)


def read_answer(
    answer: httpx.Response,
    expect: Any,
    host: str,
    where: tuple[str, str],
    mappings: Mapping[str, tuple[Step, ...]] = NOTHING,
) -> Any:
    """Return an answer's body as a value of a type.

    Args:
        answer: read to its end.
        expect: the type.
        host: who answered.
        where: method, and URL as it is shown.
        mappings: by what is called, how an answer that is none is read as one.

    Raises:
        ApiDrift: it is none.
        DefinitionError: answers cannot be read as such a type.
    """
    from pydantic import ValidationError

    adapter = adapter_for(expect, "the answer of a call")
    try:
        return adapter.validate_json(answer.content)
    except ValidationError as error:
        refused = error
    endpoint = endpoint_of(answer.request.method, answer.request.url.path)
    if steps := mappings.get(endpoint):
        try:
            return adapter.validate_json(encode_json(apply_mapping(steps, decode_json(answer.content))))
        except ValidationError as error:
            refused = error
        except DecodeError:  # it is no JSON
            pass
    changes = _differences(answer, refused.errors(include_url=False, include_context=False))
    raise drift(where, host, endpoint, contract_name(expect), changes, answer.status_code)


def drift(
    where: tuple[str, str],
    host: str,
    endpoint: str,
    contract: str,
    changes: tuple[tuple[str, str, str], ...],
    status: int = 0,
) -> ApiDrift:
    """Return the error of an answer that is not as expected; without changes, of one that others met before."""
    if contract.startswith(LEARNED):
        reason = "its answer is not as before" if changes else "its answers are not as before, as another run found"
        return ApiDrift(*where, reason, status, host=host, endpoint=endpoint, contract=contract, changes=changes)
    reason = f"its answer is no {contract}" if changes else f"its answers are no {contract}, as another run found"
    return ApiDrift(*where, reason, status, host=host, endpoint=endpoint, contract=contract, changes=changes)


def mapped(answer: httpx.Response, steps: Sequence[Step]) -> httpx.Response | None:
    """Return an answer of the old shape for one of the new; None where it is no JSON."""
    try:
        content = encode_json(apply_mapping(steps, decode_json(answer.content)))
    except DecodeError:
        return None
    import httpx

    return httpx.Response(answer.status_code, headers=answer.headers, content=content, request=answer.request)


def _differences(answer: httpx.Response, errors: list[ErrorDetails]) -> tuple[tuple[str, str, str], ...]:
    if any(each["type"] == "json_invalid" for each in errors):
        kind = answer.headers.get("content-type", "something without a content type")
        return (("", "JSON", kind[:KIND_CHARACTERS_MAX]),)
    return differences_of(errors)
