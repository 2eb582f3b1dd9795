"""Runs as Temporal describes and lists them.

Owns: a description as a record of ours, and a filter as a search of Temporal's.
Must not know: how either is fetched.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

import msgspec
from temporalio.api.workflow.v1 import WorkflowExecutionInfo

from holdfast.errors import EncryptionError, NotOnEngineError
from holdfast.ports.captures import EndedFilter
from holdfast.ports.engine import Outcome, encode_memo
from holdfast.ports.operations import CONTINUED_AS_NEW, PARKED, PAUSED, RUNNING, TERMINAL, RunFilter, RunRecord
from holdfast.temporal.attributes import FOUND_BY, keyword_of
from holdfast.temporal.ends import SEARCHED, STATUSES
from holdfast.temporal.own import execution_name, read_memo, read_note
from holdfast.temporal.runtime import ENGINE

_encode: Final = msgspec.msgpack.Encoder().encode


def record_of(info: WorkflowExecutionInfo, outcome: Outcome | None = None) -> RunRecord:
    """Return an execution as lists and descriptions show it.

    Args:
        info: what Temporal says of it.
        outcome: how it has ended; where that is not known, its status is all there is.
    """
    run_id = info.execution.workflow_id
    note = read_note(info.memo.fields)
    status = STATUSES[info.status]
    closed = status in TERMINAL
    if status == RUNNING:
        status = PAUSED if note.paused_at else PARKED if note.parked else RUNNING
    begun, begins = info.start_time.ToDatetime(UTC).timestamp(), info.execution_time.ToDatetime(UTC).timestamp()
    return RunRecord(
        execution_id=number_of(info.execution.run_id),
        run_id=run_id,
        execution=execution_name(run_id, note.number),
        workflow=info.type.name,
        status=status,
        created_at=begun,
        closed_at=info.close_time.ToDatetime(UTC).timestamp() if closed else None,
        parked=note.parked if status == PARKED else "",
        outcome=_encode(outcome or Outcome(status)) if closed else b"",
        owner="",
        last_event=info.history_length,
        code_version=note.code_version,
        recoveries=0,
        wake_at=None,
        paused_by=note.paused_by,
        paused_reason=note.paused_reason,
        paused_at=note.paused_at or None,
        memo=encode_memo(read_memo(info.memo.fields)),
        attributes=note.attributes,
        forked_from=note.forked_from,
        starts_at=begins if not closed and begins > begun and begins > datetime.now(UTC).timestamp() else 0.0,
    )


def listed(info: WorkflowExecutionInfo) -> RunRecord:
    """Return an execution as lists show it: one whose memo cannot be decrypted as if it had none."""
    try:
        return record_of(info)
    except EncryptionError:
        bare = WorkflowExecutionInfo()
        bare.CopyFrom(info)
        bare.ClearField("memo")
        return record_of(bare)


def number_of(run: str) -> int:
    """Return a number for an execution that Temporal calls `run`: lists want one."""
    return int.from_bytes(blake2b(run.encode(), digest_size=7).digest(), "big")


def search_of(where: RunFilter) -> str:
    """Return a search that finds the runs a filter means.

    Raises:
        NotOnEngineError: Temporal cannot search by this.
    """
    if where.error:
        raise NotOnEngineError("search by a failure's text", ENGINE)
    terms = [f"ExecutionStatus != {_quoted(SEARCHED[CONTINUED_AS_NEW])}"]  # the run has gone on since
    names = ((where.workflow,) if where.workflow is not None else ()) + where.workflows
    if names:
        terms.append(f"WorkflowType IN ({', '.join(map(_quoted, names))})")
    if where.statuses:
        # One that is paused or parked is running, for Temporal.
        known = sorted({SEARCHED.get(each, SEARCHED[RUNNING]) for each in where.statuses})
        terms.append(f"ExecutionStatus IN ({', '.join(map(_quoted, known))})")
    if where.created_from is not None:
        terms.append(f"StartTime >= {_quoted(_moment(where.created_from))}")
    if where.created_before is not None:
        terms.append(f"StartTime < {_quoted(_moment(where.created_before))}")
    terms += [f"{FOUND_BY.name} = {_quoted(keyword_of(*each))}" for each in where.attributes]
    return " AND ".join(terms)


def ended_search(where: EndedFilter) -> str:
    """Return a search that finds the executions a filter means of those that have ended."""
    terms = [search_of(RunFilter(workflows=where.workflows, statuses=where.statuses))]
    if where.closed_from:
        terms.append(f"CloseTime >= {_quoted(_moment(where.closed_from))}")
    return " AND ".join(terms)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
