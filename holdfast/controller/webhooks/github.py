"""How GitHub signs.

Owns: the class GitHub.
Must not know: HTTP.

    X-Hub-Signature-256: sha256=HEX        HMAC-SHA256 of the body
    X-GitHub-Delivery, X-GitHub-Event      not signed

Nothing says when it was signed, and the delivery's id is not a part of what was: `Delivery.is_bound` is False, and the
same body under another id is taken for what it is, a replay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from holdfast.controller.webhooks.secrets import check_references, read_secret
from holdfast.controller.webhooks.signatures import Headers, check_signature, read_hex
from holdfast.errors import SignatureError
from holdfast.ports.webhooks import NOWHERE, Delivery, HeaderPairs

SIGNATURE: Final = "X-Hub-Signature-256"
DELIVERY: Final = "X-GitHub-Delivery"
EVENT: Final = "X-GitHub-Event"
_SCHEME: Final = "sha256="


@dataclass(frozen=True, slots=True, init=False)
class GitHub:
    """Verifies webhooks of GitHub.

    ```python
    GitHub("env:GITHUB_SECRET").verify(headers, body, now=datetime.now(UTC))
    ```
    """

    secrets: tuple[str, ...]

    def __init__(self, *secrets: str) -> None:
        """Verify with secrets, given by reference: `env:NAME` or `file:PATH`; any of several is good.

        Raises:
            DefinitionError: one is no reference.
        """
        object.__setattr__(self, "secrets", check_references(secrets, "GitHub"))

    @property
    def id_in_body(self) -> str:
        """See `Verifier`: a header says it."""
        return NOWHERE

    @property
    def event_in_body(self) -> str:
        """See `Verifier`: a header says it."""
        return NOWHERE

    @property
    def signature_headers(self) -> tuple[str, ...]:
        """See `Verifier`."""
        return (SIGNATURE.lower(), "x-hub-signature")

    def verify(self, headers: HeaderPairs, raw_body: bytes, *, now: datetime) -> Delivery:  # noqa: ARG002 - no time is signed
        """Return what GitHub signed; its id and event are not signed. Raises SignatureError, SettingsError."""
        known = Headers(headers)
        signature = known.get(SIGNATURE)
        if not signature.startswith(_SCHEME):
            raise SignatureError(f"header {SIGNATURE} does not begin with {_SCHEME}")
        presented = [read_hex(signature.removeprefix(_SCHEME))]
        check_signature(map(read_secret, self.secrets), presented, [raw_body])
        return Delivery(raw_body, known.get_id(DELIVERY), known.find(EVENT) or "", is_bound=False)

    def check(self) -> None:
        """Make sure that every secret is where it should be. Raises SettingsError."""
        for each in self.secrets:
            read_secret(each)
