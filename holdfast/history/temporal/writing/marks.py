"""What a run says of itself: marks of patches, and what it is found by.

Owns: what is written of them.
Must not know: workflow tasks, other kinds of events.
"""

from __future__ import annotations

from typing import Final

import msgspec

from holdfast.history.attributes import attribute_key, decode_attributes
from holdfast.history.events import AttributesSet, PatchMarked
from holdfast.history.temporal.markers import MARKER, PATCH_DETAILS, PATCH_MARKER
from holdfast.history.temporal.notes import write_note
from holdfast.history.temporal.payloads import write_payload, write_result
from holdfast.history.temporal.search import FIELDS, write_attributes
from holdfast.history.temporal.writing.sheet import Sheet, Writes

FOUND_BY: Final = "HoldfastAttributes"
"""The search attribute of our own runs: a list of keywords."""


def mark_patch(sheet: Sheet, event: PatchMarked) -> None:
    """Write that the code took the changed side of a patch."""
    details = msgspec.json.encode({"id": event.patch_id, "deprecated": event.deprecated})
    sheet.decide(MARKER, markerName=PATCH_MARKER, details={PATCH_DETAILS: write_result(details)})
    sheet.patches.append(event.patch_id)  # Temporal lists them where runs can be searched by them
    listed = write_payload(msgspec.json.encode(sheet.patches))
    sheet.decide("UpsertWorkflowSearchAttributes", searchAttributes={FIELDS: {"TemporalChangeVersion": listed}})


def set_attributes(sheet: Sheet, event: AttributesSet) -> None:
    """Write that the code changes what the run is found by."""
    if sheet.for_sdk:
        sheet.decide("UpsertWorkflowSearchAttributes", searchAttributes=write_attributes(event.attributes))
        return
    known = {**sheet.note.attributes, **event.attributes}
    attributes = {name: text for name, text in known.items() if text}
    sheet.note = msgspec.structs.replace(sheet.note, attributes=attributes)
    sheet.decide("WorkflowPropertiesModified", upsertedMemo={"fields": write_note(sheet.note)})
    keywords = [f"{name}={attribute_key(value)}" for name, value in decode_attributes(attributes).items()]
    listed = write_payload(msgspec.json.encode(keywords))
    sheet.decide("UpsertWorkflowSearchAttributes", searchAttributes={FIELDS: {FOUND_BY: listed}})


DECISIONS: Final[Writes] = {PatchMarked: mark_patch, AttributesSet: set_attributes}
