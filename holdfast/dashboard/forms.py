"""What a form sends.

Owns: reading it, the usual way and with files.
Must not know: which forms there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.parser import BytesParser
from email.policy import HTTP
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends
from starlette.requests import Request

from holdfast.controller.http import RefusalError, parts_of

FIELDS_MAX: Final = 10_000
"""How many fields one form may send."""


class Form:
    """The fields of a form, by name. A field that was not sent is empty."""

    def __init__(self, pairs: list[tuple[str, str]], files: Mapping[str, bytes] | None = None) -> None:
        """Keep `pairs`, in the order in which they were sent, and `files` by name."""
        self.pairs = pairs
        self.files = dict(files or {})
        self._fields = dict(pairs)

    def __getitem__(self, name: str) -> str:
        """Return a field, the last one of this name."""
        return self._fields.get(name, "")

    def all(self, name: str) -> list[str]:
        """Return every field of a name."""
        return [value for key, value in self.pairs if key == name]

    @property
    def fields(self) -> dict[str, str]:
        """All fields by name."""
        return dict(self._fields)


async def read_form(request: Request) -> Form:
    """Return what a form sent; read once for each request.

    Raises:
        RefusalError: 415 when it is no form, 413 when it is too large, 408 when it is slow, 400 when it cannot be read.
    """
    known: Form | None = getattr(request.state, "form", None)
    if known is not None:
        return known
    kind = request.headers.get("content-type", "")
    seconds = parts_of(request.app).settings.body_seconds_max
    try:
        async with asyncio.timeout(seconds):
            body = await request.body()
    except TimeoutError:
        raise RefusalError(408, f"the form did not arrive within {seconds:g} s") from None
    match kind.partition(";")[0].strip().lower():
        case "application/x-www-form-urlencoded":
            form = _urlencoded(body)
        case "multipart/form-data":
            form = _multipart(kind, body)
        case _:
            raise RefusalError(415, "expected a form: application/x-www-form-urlencoded or multipart/form-data")
    request.state.form = form
    return form


def _urlencoded(body: bytes) -> Form:
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise RefusalError(
            400, f"the form cannot be read, or has more than {FIELDS_MAX:,} fields (FIELDS_MAX)"
        ) from None
    return Form([(name, value.replace("\r\n", "\n")) for name, value in pairs])


def _multipart(kind: str, body: bytes) -> Form:
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode("latin-1", "replace") + b"\r\n\r\n" + body
    )
    if not message.is_multipart():
        raise RefusalError(400, "the form cannot be read")
    pairs: list[tuple[str, str]] = []
    files: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", "", header="content-disposition"))
        content = part.get_payload(decode=True)
        data = content if isinstance(content, bytes) else b""
        if part.get_filename() is not None:
            files[name] = data
        else:
            pairs.append((name, data.decode("utf-8", "replace").replace("\r\n", "\n")))
    return Form(pairs, files)


TheForm = Annotated[Form, Depends(read_form)]
"""What the form of the request sent."""
