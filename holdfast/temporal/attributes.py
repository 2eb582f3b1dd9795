"""What a run is found by, as one search attribute of Temporal's.

Owns: its name, its form, and seeing to it that a namespace has it.
Must not know: who sets attributes, or looks for them.

A namespace has few search attributes of its own, each of one type, and each has to be added before it is used. So all
of Holdfast's attributes are entries `name=text` of one list of keywords, where `text` is what a value is found by.
Their values stand in the memo: see `holdfast.temporal.own.Note`. Where code changes them, its memo is changed to all
that it has then, and the search attribute with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from temporalio.api.common.v1 import SearchAttributes
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.converter import encode_search_attributes
from temporalio.service import RPCError, RPCStatusCode

from holdfast.errors import StoreError
from holdfast.history import attribute_key, decode_attributes

FOUND_BY: Final = SearchAttributeKey.for_keyword_list("HoldfastAttributes")
"""The search attribute."""
COMMAND: Final = f"temporal operator search-attribute create --name {FOUND_BY.name} --type KeywordList --namespace"
"""What adds it, but for the namespace."""


def keyword_of(name: str, text: str) -> str:
    """Return by which keyword a run is found that has an attribute of this text."""
    return f"{name}={attribute_key(text)}"


def keywords_of(attributes: Mapping[str, str]) -> list[str]:
    """Return the keywords of recorded attributes."""
    return [f"{name}={attribute_key(value)}" for name, value in decode_attributes(attributes).items()]


def write_attributes(attributes: Mapping[str, str]) -> SearchAttributes:
    """Return what a start says of recorded attributes."""
    written = SearchAttributes()
    encode_search_attributes(TypedSearchAttributes([SearchAttributePair(FOUND_BY, keywords_of(attributes))]), written)
    return written


def is_missing(error: RPCError) -> bool:
    """Say whether a request was refused because the namespace does not have the attribute."""
    return error.status == RPCStatusCode.INVALID_ARGUMENT and FOUND_BY.name in error.message


async def add_attribute(client: Client) -> None:
    """See to it that the namespace has the attribute.

    Raises:
        StoreError: it does not, and may not be given it by us.
    """
    request = AddSearchAttributesRequest(
        namespace=client.namespace,
        search_attributes={FOUND_BY.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST},
    )
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise StoreError(
                f"Temporal did not add the search attribute {FOUND_BY.name}: {error.message}. "
                f"Somebody who may: {COMMAND} {client.namespace}"
            ) from error
