"""What the bodies of a webhook have to be: values of a type, or as bodies have been.

Owns: holding a body against either, and reporting one that breaks it.
Must not know: signatures, HTTP, what is done about a delivery.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from holdfast.authoring import LEARN, Webhook, adapter_for, contract_name, differences_of
from holdfast.errors import EncryptionError, InputError
from holdfast.observe import logger
from holdfast.ports.contracts import Seen
from holdfast.ports.mappings import Step, apply_mapping
from holdfast.ports.operations import ContractRecord, DriftChange, KeepContract, ReportDrift
from holdfast.ports.store import Store

if TYPE_CHECKING:
    from holdfast.http import Learner

BODY: Final = "body"
"""What is called, in a report about deliveries that are about nothing in particular."""
NO_RUN: Final = 0
"""The execution in a report that parks none."""

Changes: TypeAlias = tuple[tuple[str, str, str], ...]

log = logger("holdfast.controller")


class Bodies:
    """Holds bodies against their contracts."""

    def __init__(self, store: Store) -> None:
        """Keep in `store` what is learned, and what breaks."""
        self._store = store
        self._shelf = _Shelf(store)
        self._learner: Learner | None = None

    async def mapped(self, webhook: str, event: str, body: Any) -> Any:
        """Return what an accepted mapping makes of a body, as JSON values; None where there is none.

        Raises:
            StoreError: it could not be read.
        """
        steps = await self._steps(webhook, event or BODY)
        return apply_mapping(steps, copy.deepcopy(body)) if steps else None

    async def _steps(self, webhook: str, endpoint: str) -> tuple[Step, ...]:
        hosts = await self._store.hosts()
        state = next((each.state for each in hosts if each.host == host_of_webhook(webhook)), None)
        return () if state is None else state.mappings.get(endpoint, ())

    async def hold(self, webhook: Webhook, event: str, body: Any, content: bytes, *, is_mapped: bool = False) -> None:
        """Hold a body against what its webhook says of it, or learn from it.

        Args:
            webhook: the declaration that it fits.
            event: what the delivery is about.
            body: as JSON values.
            content: as it came, or as a mapping made it.
            is_mapped: whether a mapping made it. What breaks the contract as it came is no report while there is one.

        Raises:
            InputError: it breaks the contract; that is reported.
            StoreError: that could not be written, or what was learned could not be read.
        """
        if webhook.contract is None:
            return
        endpoint = event or BODY
        if webhook.contract == LEARN:
            name, changes = await self._learned(webhook, endpoint, body)
        else:
            name, changes = contract_name(webhook.contract), _as_type(webhook, content)
        if not changes:
            return
        if is_mapped or not await self._steps(webhook.name, endpoint):
            told = tuple(DriftChange(*each) for each in changes)
            await self._store.write([ReportDrift(NO_RUN, host_of_webhook(webhook.name), endpoint, name, told)])
        problems = tuple((_pointer(path), f"expected {expected}, found {found}") for path, expected, found in changes)
        raise InputError(f"the body of webhook {webhook.name!r}", problems)

    async def _learned(
        self, webhook: Webhook, endpoint: str, body: Any
    ) -> tuple[str, tuple[tuple[str, str, str], ...]]:
        # Loads what infers schemas, which few webhooks need.
        from holdfast.http import LEARNED, Learner, Terms, as_changes

        learner = self._learner = self._learner or Learner()
        seen = Seen(0, "application/json", is_json=True, value=body)
        terms = Terms(matches=webhook.matches)
        try:
            held = await learner.hold(self._shelf, (host_of_webhook(webhook.name), endpoint), seen, terms)
        except EncryptionError as error:  # it is the contract that cannot be read, not the body
            log.warning("a body could not be held against its contract", error=str(error))
            return "", ()
        return f"{LEARNED}{held.version}", as_changes(held.breaking)


class _Shelf:
    """Where contracts stand: in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def contract(self, host: str, endpoint: str) -> ContractRecord | None:
        """Return the newest version of a contract."""
        return await self._store.contract(host, endpoint)

    async def contract_versions(self, host: str, endpoint: str) -> list[ContractRecord]:
        """Return what is kept of a contract, the newest version first."""
        return await self._store.contract_versions(host, endpoint)

    async def keep_contract(self, record: ContractRecord) -> bool:
        """Keep what was learned; say whether it is kept."""
        (is_kept,) = await self._store.write([KeepContract(record)])
        return bool(is_kept)


def host_of_webhook(name: str) -> str:
    """Return in the place of which host reports are about a webhook."""
    return f"webhook {name}"


def _as_type(webhook: Webhook, content: bytes) -> Changes:
    from pydantic import ValidationError

    try:
        adapter_for(webhook.contract, f"contract of webhook {webhook.name!r}").validate_json(content)
    except ValidationError as error:
        return differences_of(error.errors(include_url=False, include_context=False))
    return ()


def _pointer(path: str) -> str:
    """Return a path as a JSON pointer, with `-` for some place of a list."""
    return "/" + path.replace("[]", ".-").lstrip(".").replace(".", "/") if path else ""
