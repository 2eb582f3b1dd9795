"""How those sign who follow the Standard Webhooks specification.

Owns: the class StandardWebhooks.
Must not know: HTTP.

    webhook-id: ID        webhook-timestamp: SECONDS
    webhook-signature: v1,BASE64 v1,BASE64          HMAC-SHA256 of `ID.SECONDS.BODY`

An id with a full stop in it is refused: `a.1` signed at 2 and `a` signed at 1 would be the same text.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from holdfast.authoring import Duration, parse_duration
from holdfast.controller.webhooks.secrets import SECRET_BYTES_MIN, check_references, read_secret
from holdfast.controller.webhooks.signatures import (
    SIGNATURES_MAX,
    Headers,
    check_signature,
    read_base64,
    read_time,
)
from holdfast.errors import SettingsError, SignatureError
from holdfast.ports.webhooks import NOWHERE, Delivery, HeaderPairs

ID: Final = "webhook-id"
TIME: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
PREFIX: Final = b"whsec_"
ENTRIES_MAX: Final = 2 * SIGNATURES_MAX
"""How many signatures the header may have, those of schemes that are not looked at included."""


@dataclass(frozen=True, slots=True, init=False)
class StandardWebhooks:
    """Verifies webhooks that follow the Standard Webhooks specification, with symmetric secrets.

    ```python
    StandardWebhooks("env:WEBHOOK_SECRET").verify(headers, body, now=datetime.now(UTC))
    ```
    """

    secrets: tuple[str, ...]
    tolerance_seconds: float

    def __init__(self, *secrets: str, tolerance: Duration = "5m") -> None:
        """Verify with secrets, given by reference: `env:NAME` or `file:PATH`; any of several is good.

        Args:
            *secrets: where each secret is; what is there is `whsec_` and Base64, as the specification writes it.
            tolerance: how long ago, and how far ahead, a delivery may have been signed.

        Raises:
            DefinitionError: one is no reference.
        """
        object.__setattr__(self, "secrets", check_references(secrets, "StandardWebhooks"))
        object.__setattr__(self, "tolerance_seconds", parse_duration(tolerance, "tolerance of StandardWebhooks"))

    @property
    def id_in_body(self) -> str:
        """See `Verifier`: a header says it."""
        return NOWHERE

    @property
    def event_in_body(self) -> str:
        """See `Verifier`."""
        return "body.type"

    @property
    def signature_headers(self) -> tuple[str, ...]:
        """See `Verifier`."""
        return (SIGNATURE,)

    def verify(self, headers: HeaderPairs, raw_body: bytes, *, now: datetime) -> Delivery:
        """Return what was signed. Raises SignatureError, SettingsError."""
        known = Headers(headers)
        delivery_id, time = known.get_id(ID), known.get(TIME)
        if "." in delivery_id:
            raise SignatureError(f"header {ID} has a full stop, so what was signed could be read in two ways")
        signed_at = read_time(time, now, self.tolerance_seconds)
        presented = _read_entries(known.get(SIGNATURE))
        check_signature(map(_read_key, self.secrets), presented, [f"{delivery_id}.{time}.".encode(), raw_body])
        return Delivery(raw_body, delivery_id, signed_at=signed_at)

    def check(self) -> None:
        """Make sure that every secret is where it should be, and is one. Raises SettingsError."""
        for each in self.secrets:
            _read_key(each)


def _read_entries(header: str) -> list[bytes]:
    entries = header.split(" ", ENTRIES_MAX)
    if len(entries) > ENTRIES_MAX:
        raise SignatureError(f"header {SIGNATURE} has more than {ENTRIES_MAX} signatures")
    presented = []
    for each in entries:
        scheme, separator, value = each.partition(",")
        if not separator:
            raise SignatureError(f"header {SIGNATURE} has a signature without a scheme")
        if scheme == "v1":
            presented.append(read_base64(value))
    return presented


def _read_key(reference: str) -> bytes:
    try:
        key = b64decode(read_secret(reference).removeprefix(PREFIX), validate=True)
    except Error:
        key = b""
    if len(key) < SECRET_BYTES_MIN:
        raise SettingsError(
            f"what {reference} holds is no secret of Standard Webhooks: expected whsec_ and Base64",
            "Copy it once more from where the sender shows it, whsec_ included.",
        )
    return key
