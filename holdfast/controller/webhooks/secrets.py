"""Secrets that senders sign with: never written down, only where they are.

Owns: references, and reading what they lead to.
Must not know: what a secret is used for.
"""

from __future__ import annotations

import re
from typing import Final

from holdfast.authoring import calling_place
from holdfast.errors import DefinitionError, SettingsError
from holdfast.observe import read_reference

SECRET_BYTES_MIN: Final = 8
"""A shorter secret can be guessed, and an empty one is everybody's."""
SECRETS_MAX: Final = 10
"""How many secrets a webhook may have at a time: the new one, and those that are on their way out."""

_REFERENCE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+", re.DOTALL)


def check_references(references: tuple[str, ...], verifier: str) -> tuple[str, ...]:
    """Return references to secrets; `verifier` names who wants them.

    Raises:
        DefinitionError: there is none, there are too many, or one is the secret itself.
    """
    if not 1 <= len(references) <= SECRETS_MAX:
        raise DefinitionError(
            f"{verifier} was given {len(references)} secrets; it takes 1 to {SECRETS_MAX} (SECRETS_MAX)",
            calling_place(),
            f'Say where each of them is: {verifier}("env:NAME")',
        )
    for each in references:
        if _REFERENCE.fullmatch(each) is None:
            # Not shown: it may be the secret, written where the whole world reads it.
            raise DefinitionError(
                f"{verifier} was given something that is no reference to a secret",
                calling_place(),
                f'A secret itself does not belong into code or settings. Say where it is: {verifier}("env:NAME") or '
                f'{verifier}("file:PATH")',
            )
    return references


def read_secret(reference: str) -> bytes:
    """Return the secret that a reference leads to; white space around it does not matter.

    Raises:
        SettingsError: there is none, or it is too short to be one.
    """
    try:
        secret = read_reference(reference, "its verifier", "secret").encode("utf-8", "surrogateescape")
    except ValueError:
        secret = b""  # too short even to be kept out of logs
    if len(secret) < SECRET_BYTES_MIN:
        raise SettingsError(
            f"what {reference} holds is too short for a webhook's secret: {SECRET_BYTES_MIN} bytes are the least "
            "(SECRET_BYTES_MIN)",
            "Anybody could sign with it. Take a longer one.",
        )
    return secret
