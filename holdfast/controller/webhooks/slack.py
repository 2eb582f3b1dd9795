"""How Slack signs.

Owns: the class Slack.
Must not know: HTTP.

    X-Slack-Request-Timestamp: SECONDS
    X-Slack-Signature: v0=HEX              HMAC-SHA256 of `v0:SECONDS:BODY`
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from holdfast.authoring import Duration, parse_duration
from holdfast.controller.webhooks.secrets import check_references, read_secret
from holdfast.controller.webhooks.signatures import Headers, check_signature, read_hex, read_time
from holdfast.errors import SignatureError
from holdfast.ports.webhooks import Delivery, HeaderPairs

SIGNATURE: Final = "X-Slack-Signature"
TIME: Final = "X-Slack-Request-Timestamp"
_SCHEME: Final = "v0="


@dataclass(frozen=True, slots=True, init=False)
class Slack:
    """Verifies what Slack's Events API sends.

    ```python
    Slack("env:SLACK_SIGNING_SECRET").verify(headers, body, now=datetime.now(UTC))
    ```
    """

    secrets: tuple[str, ...]
    tolerance_seconds: float

    def __init__(self, *secrets: str, tolerance: Duration = "5m") -> None:
        """Verify with secrets, given by reference: `env:NAME` or `file:PATH`; any of several is good.

        Args:
            *secrets: where each signing secret is.
            tolerance: how long ago, and how far ahead, a delivery may have been signed.

        Raises:
            DefinitionError: one is no reference.
        """
        object.__setattr__(self, "secrets", check_references(secrets, "Slack"))
        object.__setattr__(self, "tolerance_seconds", parse_duration(tolerance, "tolerance of Slack"))

    @property
    def id_in_body(self) -> str:
        """See `Verifier`."""
        return "body.event_id"

    @property
    def event_in_body(self) -> str:
        """See `Verifier`: the type of the event, or where there is none of the message, such as `url_verification`."""
        return "body.event.type || body.type"

    @property
    def signature_headers(self) -> tuple[str, ...]:
        """See `Verifier`."""
        return (SIGNATURE.lower(),)

    def verify(self, headers: HeaderPairs, raw_body: bytes, *, now: datetime) -> Delivery:
        """Return what Slack signed. Raises SignatureError, SettingsError."""
        known = Headers(headers)
        time, signature = known.get(TIME), known.get(SIGNATURE)
        signed_at = read_time(time, now, self.tolerance_seconds)
        if not signature.startswith(_SCHEME):
            raise SignatureError(f"header {SIGNATURE} does not begin with {_SCHEME}")
        presented = [read_hex(signature.removeprefix(_SCHEME))]
        check_signature(map(read_secret, self.secrets), presented, [b"v0:", time.encode(), b":", raw_body])
        return Delivery(raw_body, signed_at=signed_at)

    def check(self) -> None:
        """Make sure that every secret is where it should be. Raises SettingsError."""
        for each in self.secrets:
            read_secret(each)
