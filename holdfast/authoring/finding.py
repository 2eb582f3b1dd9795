"""What a run is found by, set by its own code: `set_attributes`.

Owns: the function.
Must not know: where attributes are kept, or who searches.
"""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.authoring.inside import running
from holdfast.history import AttributeValue, encode_changes


def set_attributes(attributes: Mapping[str, AttributeValue | None]) -> None:
    """Change what the run is found by, such as `{"stage": "paid", "total": 12.5}`.

    ```python
    set_attributes({"stage": "shipping", "carrier": None})  # sets one, takes the other away
    ```

    It is durable and can be searched as soon as the run goes on from here, and stays when the run goes on as a new
    execution. `run_info().attributes` has them all.

    Args:
        attributes: text, booleans, numbers and aware times, by name; None takes the name away. Others stay as they are.

    Raises:
        InputError: a name or a value is none that a run can be found by, or there would be too many; see
            `WorkflowClient.start`. Nothing was changed.
        OutsideWorkflowError: no workflow is running here.
    """
    remedy = "From outside, a run gets its attributes when it is started: start(..., attributes={...})."
    running("set_attributes()", remedy).set_attributes(encode_changes(attributes))
