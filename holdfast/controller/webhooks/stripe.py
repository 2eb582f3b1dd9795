"""How Stripe signs.

Owns: the class Stripe.
Must not know: HTTP.

    Stripe-Signature: t=SECONDS,v1=HEX,v1=HEX,v0=...        HMAC-SHA256 of `SECONDS.BODY`

Schemes other than v1 are not looked at. The id and type of the event are in the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from holdfast.authoring import Duration, parse_duration
from holdfast.controller.webhooks.secrets import check_references, read_secret
from holdfast.controller.webhooks.signatures import SIGNATURES_MAX, Headers, check_signature, read_hex, read_time
from holdfast.errors import SignatureError
from holdfast.ports.webhooks import Delivery, HeaderPairs

SIGNATURE: Final = "Stripe-Signature"
FIELDS_MAX: Final = 2 * SIGNATURES_MAX + 1
"""How many fields the header may have: the time, and signatures of two schemes."""


@dataclass(frozen=True, slots=True, init=False)
class Stripe:
    """Verifies webhooks of Stripe.

    ```python
    Stripe("env:STRIPE_SECRET").verify(headers, body, now=datetime.now(UTC))
    ```
    """

    secrets: tuple[str, ...]
    tolerance_seconds: float

    def __init__(self, *secrets: str, tolerance: Duration = "5m") -> None:
        """Verify with secrets, given by reference: `env:NAME` or `file:PATH`; any of several is good.

        Args:
            *secrets: where each signing secret is; what is there is `whsec_...`, as Stripe shows it.
            tolerance: how long ago, and how far ahead, a delivery may have been signed.

        Raises:
            DefinitionError: one is no reference.
        """
        object.__setattr__(self, "secrets", check_references(secrets, "Stripe"))
        object.__setattr__(self, "tolerance_seconds", parse_duration(tolerance, "tolerance of Stripe"))

    @property
    def id_in_body(self) -> str:
        """See `Verifier`."""
        return "body.id"

    @property
    def event_in_body(self) -> str:
        """See `Verifier`."""
        return "body.type"

    @property
    def signature_headers(self) -> tuple[str, ...]:
        """See `Verifier`."""
        return (SIGNATURE.lower(),)

    def verify(self, headers: HeaderPairs, raw_body: bytes, *, now: datetime) -> Delivery:
        """Return what Stripe signed. Raises SignatureError, SettingsError."""
        times, presented = _read_fields(Headers(headers).get(SIGNATURE))
        if len(times) != 1:
            raise SignatureError(f"header {SIGNATURE} has {len(times)} fields t; expected one")
        signed_at = read_time(times[0], now, self.tolerance_seconds)
        parts = [times[0].encode(), b".", raw_body]
        check_signature(map(read_secret, self.secrets), presented, parts)
        return Delivery(raw_body, signed_at=signed_at)

    def check(self) -> None:
        """Make sure that every secret is where it should be. Raises SettingsError."""
        for each in self.secrets:
            read_secret(each)


def _read_fields(header: str) -> tuple[list[str], list[bytes]]:
    fields = header.split(",", FIELDS_MAX)
    if len(fields) > FIELDS_MAX:
        raise SignatureError(f"header {SIGNATURE} has more than {FIELDS_MAX} fields")
    times: list[str] = []
    presented: list[bytes] = []
    for each in fields:
        name, separator, value = each.strip().partition("=")
        if not separator:
            raise SignatureError(f"header {SIGNATURE} has a field without a value")
        match name:
            case "t":
                times.append(value)
            case "v1":
                presented.append(read_hex(value))
            case _:
                pass  # a scheme we do not know
    return times, presented
