"""What the twins are started with, as JSON values by workflow."""

from __future__ import annotations

from typing import Any, Final

INPUTS: Final[dict[str, Any]] = {
    "Order": "abc",
    "Shipment": {"article": "ink", "count": 3},
    "Refused": "no paper",
    "Doomed": "no ink",
    "Race": "pen",
    "Patient": "wait",
    "Changed": "ink",
    "Labelled": "ink",
}
