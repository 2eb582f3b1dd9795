"""Values that must never be written down.

Owns: what this process has been told is secret, and which of its environment's variables look so.
Must not know: where such values might turn up, and what stands in their place there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

SECRET_CHARACTERS_MIN: Final = 4
"""A shorter value cannot be looked for in texts: it would be found everywhere."""

VARIABLE_CHARACTERS_MIN: Final = 8
"""A variable's value that is shorter is more likely a switch than a secret."""

_VARIABLE: Final = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRETS|TOKEN|CREDENTIALS?|APIKEY|AUTHORIZATION|COOKIE|DSN"
    r"|(?:API|ACCESS|PRIVATE|SECRET|SIGNING|ENCRYPTION|MASTER|AUTH)_KEY(?:_ID)?)(?:_[0-9]+)?$",
    re.IGNORECASE,
)
_USERINFO: Final = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s/:@]*:([^\s/@]+)@", re.IGNORECASE)

_registered: Final[dict[str, str]] = {}
"""Secret to what it is called."""


def redact(value: str, name: str = "secret") -> str:
    """Keep `value` out of every capture and log that this process writes, however it is escaped there; return it.

    Register secrets where they are read, at the top of a module: the process that writes a capture imports your
    modules, but may run none of your tasks.

    ```python
    API_KEY = holdfast.redact(Path("/run/secrets/stripe").read_text().strip(), name="stripe key")
    ```

    Args:
        value: the secret, at least SECRET_CHARACTERS_MIN characters long.
        name: what to call it where it stood.

    Raises:
        ValueError: it is too short to be looked for.
    """
    if len(value) < SECRET_CHARACTERS_MIN:
        raise ValueError(
            f"a secret of {len(value)} characters would be found in every other word; "
            f"{SECRET_CHARACTERS_MIN} are the least (SECRET_CHARACTERS_MIN)"
        )
    _registered[value] = name
    return value


def registered() -> Mapping[str, str]:
    """Return every value that `redact` was told of, and what each is called."""
    return _registered


def known_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return every value this process knows to be secret, and what each is called.

    Args:
        environment: variables whose names look secret count, and passwords in addresses that any of them holds.
    """
    found = {}
    for name, value in environment.items():
        if len(value) >= VARIABLE_CHARACTERS_MIN and _VARIABLE.search(name):
            found[value] = name.lower()
        for match in _USERINFO.finditer(value):
            for password in (match[1], unquote(match[1])):
                if len(password) >= SECRET_CHARACTERS_MIN:
                    found[password] = f"{name.lower()} password"
    return found | _registered
