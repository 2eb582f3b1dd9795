"""Arrays are written as the server reads them, and read as it writes them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.stores.postgres.address import parse_address
from holdfast.stores.postgres.arrays import ARRAYS, ArrayType, decode_array, encode_array
from holdfast.stores.postgres.connection import connect

COLUMNS: dict[str, list[list[Any]]] = {
    "smallint": [[], [1, -2, True], [None, 3]],
    "integer": [[], [1, -(2**31)], [7, None]],
    "bigint": [[], [0, 1, -(2**63), 2**63 - 1, True, False], [None, 1], [None, None]],
    "double precision": [[], [0.5, -1e300, 3], [None, 2.0]],
    "bytea": [[], [b"", b"\0\1", b"x" * 70_000], [b"", None]],
    "text": [[], ["", "ä'\"{},\\", "y" * 1_023, "y" * 1_024], [None, "NULL"]],
}


def test_the_server_reads_them_as_they_were_meant(dsn: str) -> None:
    """Whatever is in them, and gives them back so."""

    async def ask() -> dict[str, list[list[Any]]]:
        connection = await connect(parse_address(dsn))
        try:
            return {
                name: [
                    list(
                        await connection.fetchval(
                            f"SELECT array_agg(each) FROM unnest($1::{name}[]) AS n (each)", column
                        )
                        or ()
                    )
                    for column in columns
                ]
                for name, columns in COLUMNS.items()
            }
        finally:
            await connection.close()

    assert asyncio.run(ask()) == COLUMNS


def test_the_driver_writes_them_so(dsn: str) -> None:
    """The driver that is locked has the seam for it: by itself it would write an array of two dimensions."""

    async def ask() -> None:
        connection = await connect(parse_address(dsn))
        try:
            for type_ in COLUMNS:
                with pytest.raises(Exception, match="invalid input for query argument"):
                    await connection.fetchval(f"SELECT cardinality($1::{type_}[])", [[None]])
        finally:
            await connection.close()

    asyncio.run(ask())


@pytest.mark.parametrize("type_", ARRAYS, ids=lambda each: each.name)
def test_nothing_is_an_array_too(type_: ArrayType) -> None:
    """An array without elements has no dimension."""
    assert decode_array(type_, bytes(encode_array(type_, ()))) == []


def test_more_dimensions_are_refused() -> None:
    """Nothing here asks for them."""
    with pytest.raises(ValueError, match="2 dimensions"):
        decode_array(ARRAYS[0], b"\0\0\0\2")
