"""Checking a store that nobody has to run for it.

Owns: finding the check that fits the store.
Must not know: what is checked.
"""

from __future__ import annotations

from holdfast.app.encryption import load_codec
from holdfast.app.settings import Settings
from holdfast.stores import VerifyReport, verify


def verify_store(settings: Settings) -> VerifyReport:
    """Check that the store holds what was written; change nothing.

    Raises:
        SettingsError: the settings name no store that can be checked.
        StoreError: there is no store there.
        MissingExtraError: the extra `encryption` is not installed.
    """
    return verify(settings.sqlite_path(), codec=load_codec(settings.encryption_keys))
