"""A member's lease, renewed from outside of its process.

Owns: that it costs the server one statement.
Must not know: when to renew.

It is not a write of a store object: nothing of it has to be remembered, and written twice it is the same. So it leaves
no mark, and takes no lock but that of the member's row. Whoever declares the member dead changes that row too, and from
then on nothing here finds it: a beat comes before that, or it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.stores.postgres.connection import Patience, close, connect_patiently, preamble
from holdfast.stores.postgres.failures import Verdict, judge, translate
from holdfast.stores.sql import statements

if TYPE_CHECKING:
    from holdfast.ports.operations import Membership
    from holdfast.stores.postgres.address import Address


async def renew(
    address: Address, membership: Membership, lease_seconds: float, state: str, *, patience_seconds: float
) -> bool:
    """Renew a lease by the database's clock; return False when the member left or was declared dead.

    Args:
        address: of the store.
        membership: whose lease it is.
        lease_seconds: how long it lasts from now on.
        state: how the member is, for others to read.
        patience_seconds: how long a server that cannot be reached is tried again.

    Raises:
        MissingExtraError: the extra `postgres` is not installed.
        StoreError: the server cannot be reached or used.
    """
    text = statements.load(__package__)["renew_member"]
    connection = await connect_patiently(address, Patience(address, patience_seconds), purpose="beats")
    try:
        if address.is_pooled:
            await connection.execute(f"BEGIN;{preamble(address)}")
        done = await connection.execute(text, membership.member, membership.epoch, lease_seconds, state)
        if address.is_pooled:
            await connection.execute("COMMIT")
    except Exception as error:
        if judge(error) is Verdict.OTHER:
            raise
        raise translate(error, address) from error
    finally:
        await close(connection)
    return done == "UPDATE 1"
