"""Where a store is: the one noun for it, whichever database it is on.

Owns: the kinds of addresses, how they are written, compared and shown.
Must not know: how a store is opened.

Addresses are values: equal ones are the same store. `text` is what settings say, and may hold a password; `name` is
what people and logs are shown, and never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from holdfast.errors import SettingsError
from holdfast.stores import is_address, parse_address

FILE_PREFIX: Final = "sqlite:///"


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A SQLite file."""

    path: Path

    @property
    def text(self) -> str:
        """Return the address as settings write it."""
        return f"{FILE_PREFIX}{self.path}"

    @property
    def name(self) -> str:
        """Return what it is called."""
        return self.text

    @property
    def folder(self) -> Path:
        """Return where relative paths of what belongs to the store begin."""
        return self.path.parent

    def in_place(self, here: Path) -> FileAddress:
        """Return the address as it is in any other folder, seen from `here`."""
        return FileAddress(here / self.path)


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A schema in a PostgreSQL database."""

    text: str
    """The address as settings write it, with its password."""

    @property
    def name(self) -> str:
        """Return what it is called, without its password."""
        return parse_address(self.text).text

    @property
    def folder(self) -> Path:
        """Return where relative paths of what belongs to the store begin: there is no better place than this one."""
        return Path()

    def in_place(self, _: Path) -> ServerAddress:
        """Return the address itself: it is the same everywhere."""
        return self


Address: TypeAlias = FileAddress | ServerAddress


def address_of(store: str) -> Address:
    """Return what the setting `store` means.

    Raises:
        SettingsError: it is nothing that Holdfast can open; the message shows no password.
    """
    if is_address(store):
        parse_address(store)
        return ServerAddress(store.strip())
    if store.startswith(FILE_PREFIX) and len(store) > len(FILE_PREFIX):
        return FileAddress(Path(store[len(FILE_PREFIX) :]))
    shown = repr(store) if "@" not in store else f"a {store.partition(':')[0]} address"
    raise SettingsError(
        f"store {shown} is not something Holdfast can open",
        "Use sqlite:///relative/path.db, sqlite:////absolute/path.db or postgresql://user:password@host/database",
    )
