"""Numbered migrations in files: read, and compared with those that a database has had.

Owns: the form of `migrations/*.sql`, which of them are missing.
Must not know: how they are applied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME: Final = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a schema."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Hash of the text: an applied migration never changes."""
        return blake2b(self.text.encode(), digest_size=16).hexdigest()


@cache
def load(package: str) -> tuple[Migration, ...]:
    """Return the migrations in the folder `migrations` of a package, in order."""
    files = {
        file.name: file.read_text("utf-8")
        for file in resources.files(package).joinpath("migrations").iterdir()
        if _NAME.match(file.name)
    }
    return tuple(Migration(int(name[:4]), name, files[name]) for name in sorted(files))


def missing(applied: Sequence[tuple[Any, ...]], migrations: Sequence[Migration]) -> Sequence[Migration]:
    """Return the migrations that a store has not had.

    Args:
        applied: (number, name, checksum) of those it has had, in order.
        migrations: the program's.

    Raises:
        SchemaError: the store is newer than the program, or holds another migration under some number.
    """
    for (number, name, checksum), migration in zip(applied, migrations, strict=False):
        if (number, checksum) != (migration.number, migration.checksum):
            raise SchemaError(
                f"the store was made by another program: its migration {name} is not this one's {migration.name}",
                "Open it with the program that wrote it last.",
            )
    if len(applied) > len(migrations):
        raise SchemaError(
            f"the store's schema is {applied[-1][0]}, newer than this program's {migrations[-1].number}",
            "Upgrade Holdfast here too: pip install --upgrade holdfast",
        )
    return migrations[len(applied) :]
