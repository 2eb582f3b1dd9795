"""What the result of a task has to be: a value of a type, or as results have been.

Owns: the function that a task with a contract runs instead of the user's own.
Must not know: what is learned, where it is kept, what is done about a difference.

The result is held against the contract inside the attempt, so that one that breaks it is never recorded: nobody gets
to work with it. What the type of the function's own annotation says is checked anyway, and fails the task; a contract
parks the run instead, since what a task returns often is what somebody else answered. A mapping that was accepted for
such results makes of one what was expected, before anybody sees it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, Final, Literal, TypeAlias

from holdfast.authoring.adapters import adapter_for
from holdfast.authoring.differences import contract_name, differences_of
from holdfast.authoring.signature import CallSignature
from holdfast.errors import ApiDrift, DefinitionError
from holdfast.ports.results import results_here

LEARN: Final = "learn"
RESULT: Final = "result"
"""What is called, in a report about a task."""

ResultContract: TypeAlias = type[Any] | Literal["learn"] | None


def check_matches(matches: Collection[str]) -> frozenset[str]:
    """Return paths of fields on which code matches. Raises DefinitionError."""
    if isinstance(matches, str):
        raise DefinitionError(f"matches={matches!r} is one text", remedy=f"Write matches=[{matches!r}].")
    return frozenset(matches)


def host_of_task(task: str) -> str:
    """Return in the place of which host reports are about a task."""
    return f"task {task}"


def held(
    function: Callable[..., Any],
    task: str,
    signature: CallSignature,
    contract: Any,
    matches: Collection[str],
    *,
    is_async: bool,
) -> Callable[..., Any]:
    """Return a function that does the same, and raises ApiDrift where the result breaks the contract.

    Args:
        function: the user's.
        task: its name.
        signature: how its results become JSON.
        contract: a type, or `"learn"`.
        matches: paths of fields of the result on which code matches.
        is_async: whether it is a coroutine function.

    Raises:
        DefinitionError: results cannot be read as the type.
    """
    adapter = None if contract == LEARN else adapter_for(contract, f"contract= of task {task!r}")

    def breach(content: bytes) -> ApiDrift | None:
        """Return how a result, as JSON text, breaks the type; None where it does not."""
        if adapter is None:
            return None
        from pydantic import ValidationError

        try:
            adapter.validate_json(content)
        except ValidationError as error:
            name = contract_name(contract)
            changes = differences_of(error.errors(include_url=False, include_context=False))
            return ApiDrift(
                "task",
                task,
                f"its result is no {name}",
                host=host_of_task(task),
                endpoint=RESULT,
                contract=name,
                changes=changes,
            )
        return None

    def taken(mapped: bytes | None, broken: ApiDrift) -> Any:
        """Return the value of a result after an accepted mapping; raise what is broken where that mends nothing."""
        if mapped is None:
            raise broken
        if (still := breach(mapped)) is not None:
            raise still
        return signature.decode_result(mapped)

    if is_async:

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            results = results_here()
            if results is not None:
                await results.refuse(task)
            value = await function(*args, **kwargs)
            content = signature.encode_result(value)
            if (broken := breach(content)) is not None:
                return taken(None if results is None else await results.mapped(task, content), broken)
            if adapter is None and results is not None:
                found = await results.hold(task, content, matches)
                return value if found == content else signature.decode_result(found)
            return value

        return awaited

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        results = results_here()
        if results is not None:
            results.refuse_and_block(task)
        value = function(*args, **kwargs)
        content = signature.encode_result(value)
        if (broken := breach(content)) is not None:
            return taken(None if results is None else results.mapped_and_block(task, content), broken)
        if adapter is None and results is not None:
            found = results.hold_and_block(task, content, matches)
            return value if found == content else signature.decode_result(found)
        return value

    return called
