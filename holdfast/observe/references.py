"""Secrets that settings and code only refer to: `env:NAME`, `file:PATH`.

Owns: what a reference looks like, and reading what it leads to.
Must not know: what the secrets are for.
"""

from __future__ import annotations

import os
from pathlib import Path

from holdfast.errors import SettingsError
from holdfast.observe.secrets import redact


def read_reference(reference: str, setting: str, what: str) -> str:
    """Return the secret that a reference leads to, and keep it out of everything that this process writes down.

    Args:
        reference: `env:NAME` or `file:PATH`.
        setting: where the reference stands.
        what: what kind of secret it is, such as `key`.

    Raises:
        SettingsError: it leads to none, or is none.
    """
    kind, _, name = reference.partition(":")
    match kind:
        case "env":
            found = os.environ.get(name)
            if found is None:
                raise SettingsError(
                    f"{setting} names {reference!r}, and there is no variable {name}", f"Set {name} to the {what}."
                )
        case "file":
            try:
                found = Path(name).read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(
                    f"{setting} names {reference!r}, which cannot be read: {error}", "Check the path."
                ) from None
        case _:
            # Not shown: it may be a secret, written where the whole world reads it.
            raise SettingsError(
                f"{setting} holds something that is no reference to its {what}",
                f"The {what} itself does not belong there. Say where it is: env:NAME or file:PATH",
            )
    return redact(found.strip(), what)
