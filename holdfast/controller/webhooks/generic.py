"""How anybody else signs, as far as it is an HMAC over the body.

Owns: the class Hmac.
Must not know: HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from holdfast.authoring import Duration, calling_place, parse_duration
from holdfast.controller.webhooks.secrets import check_references, read_secret
from holdfast.controller.webhooks.signatures import Headers, check_signature, read_base64, read_hex, read_time
from holdfast.errors import DefinitionError, SignatureError
from holdfast.ports.webhooks import NOWHERE, Delivery, HeaderPairs

Algorithm = Literal["sha1", "sha256", "sha384", "sha512"]
Encoding = Literal["hex", "base64"]

ALGORITHMS: Final = ("sha1", "sha256", "sha384", "sha512")
"""SHA-1 is broken as a hash and not below an HMAC; some senders know nothing else."""

_READERS: Final[dict[str, Callable[[str], bytes]]] = {"hex": read_hex, "base64": read_base64}
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_PART: Final = re.compile(r"\{(id|timestamp|body)\}")
_REMEDY: Final = 'Such as signed="{timestamp}.{body}": the body last, and something between each two parts.'


@dataclass(frozen=True, slots=True, init=False)
class Hmac:
    """Verifies webhooks that are signed by an HMAC over the body, and what else the sender puts in.

    ```python
    Hmac("env:SHOP_SECRET", header="X-Shop-Signature", encoding="base64")
    Hmac("env:ERP_SECRET", header="X-Sign", prefix="v1=", signed="{timestamp}.{body}", timestamp_header="X-Sign-Time")
    ```
    """

    secrets: tuple[str, ...]
    header: str
    prefix: str
    encoding: str
    algorithm: str
    signed: str
    timestamp_header: str
    id_header: str
    event_header: str
    tolerance_seconds: float

    def __init__(  # noqa: PLR0913 - one for each thing there is to say
        self,
        *secrets: str,
        header: str,
        prefix: str = "",
        encoding: Encoding = "hex",
        algorithm: Algorithm = "sha256",
        signed: str = "{body}",
        timestamp_header: str = "",
        id_header: str = "",
        event_header: str = "",
        tolerance: Duration = "5m",
    ) -> None:
        """Verify with secrets, given by reference: `env:NAME` or `file:PATH`; any of several is good.

        Args:
            *secrets: where each secret is.
            header: the header that holds the signature.
            prefix: what stands before the signature there, such as `sha256=`.
            encoding: how the signature is written.
            algorithm: the hash below the HMAC.
            signed: what is signed, put together of `{id}`, `{timestamp}` and `{body}` and what is between them.
            timestamp_header: the header with the time of signing, in seconds since the epoch.
            id_header: the header that names the delivery; without one, the body does.
            event_header: the header that says what the delivery is about.
            tolerance: how long ago, and how far ahead, a delivery may have been signed.

        Raises:
            DefinitionError: one is no reference, or the parts do not fit together.
        """
        given: dict[str, Any] = {
            "secrets": check_references(secrets, "Hmac"),
            "header": header,
            "prefix": prefix,
            "encoding": encoding,
            "algorithm": algorithm,
            "signed": signed,
            "timestamp_header": timestamp_header,
            "id_header": id_header,
            "event_header": event_header,
            "tolerance_seconds": parse_duration(tolerance, "tolerance of Hmac"),
        }
        for name, value in given.items():
            object.__setattr__(self, name, value)
        self._check_parts()

    def _check_parts(self) -> None:
        for name in ("header", "timestamp_header", "id_header", "event_header"):
            value = getattr(self, name)
            if (value or name == "header") and _HEADER.fullmatch(value) is None:
                raise _wrong(f"{name} is {value!r}, which is no name of a header", "Such as X-Signature.")
        if self.encoding not in _READERS:
            raise _wrong(f"encoding is {self.encoding!r}", f"One of {', '.join(_READERS)}.")
        if self.algorithm not in ALGORITHMS:
            raise _wrong(f"algorithm is {self.algorithm!r}", f"One of {', '.join(ALGORITHMS)}.")
        pieces = _PART.split(self.signed)
        parts, between = pieces[1::2], pieces[2:-1:2]
        if parts.count("body") != 1 or parts[-1] != "body" or len(set(parts)) != len(parts) or pieces[-1]:
            raise _wrong(f"signed is {self.signed!r}, which does not end with {{body}}, or has a part twice", _REMEDY)
        if not all(between):
            raise _wrong(f"signed is {self.signed!r}: where one part ends and the next begins cannot be told", _REMEDY)
        for part, name in (("timestamp", "timestamp_header"), ("id", "id_header")):
            if part in parts and not getattr(self, name):
                raise _wrong(f"signed has {{{part}}}, and nothing says where that is", f"Say it: {name}=...")
        if self.timestamp_header and "timestamp" not in parts:
            raise _wrong(
                "timestamp_header is given, and signed does not have {timestamp}: anybody could change the time",
                _REMEDY,
            )

    @property
    def id_in_body(self) -> str:
        """See `Verifier`: a header says it, or nothing does."""
        return NOWHERE

    @property
    def event_in_body(self) -> str:
        """See `Verifier`: a header says it, or nothing does."""
        return NOWHERE

    @property
    def signature_headers(self) -> tuple[str, ...]:
        """See `Verifier`."""
        return (self.header.lower(),)

    def verify(self, headers: HeaderPairs, raw_body: bytes, *, now: datetime) -> Delivery:
        """Return what was signed. Raises SignatureError, SettingsError."""
        known = Headers(headers)
        signature = known.get(self.header)
        if not signature.startswith(self.prefix):
            raise SignatureError(f"header {self.header} does not begin with {self.prefix}")
        presented = [_READERS[self.encoding](signature.removeprefix(self.prefix))]
        delivery_id = known.get_id(self.id_header) if self.id_header else ""
        time = known.get(self.timestamp_header) if self.timestamp_header else ""
        signed_at = read_time(time, now, self.tolerance_seconds) if time else None
        parts = self._parts({"id": delivery_id, "timestamp": time}, raw_body)
        check_signature(map(read_secret, self.secrets), presented, parts, self.algorithm)
        event = (known.find(self.event_header) or "") if self.event_header else ""
        is_bound = signed_at is not None or "{id}" in self.signed or not self.id_header
        return Delivery(raw_body, delivery_id, event, signed_at, is_bound)

    def check(self) -> None:
        """Make sure that every secret is where it should be. Raises SettingsError."""
        for each in self.secrets:
            read_secret(each)

    def _parts(self, values: dict[str, str], raw_body: bytes) -> list[bytes]:
        pieces = _PART.split(self.signed)
        parts = [pieces[0].encode()]
        for name, after in zip(pieces[1::2], pieces[2::2], strict=True):
            if name == "body":
                parts.append(raw_body)
                continue
            if after in values[name]:
                raise SignatureError(f"the {name} has {after!r} in it, so what was signed could be read in two ways")
            parts += [values[name].encode(), after.encode()]
        return parts


def _wrong(what: str, remedy: str) -> DefinitionError:
    return DefinitionError(f"Hmac: {what}", calling_place(), remedy)
