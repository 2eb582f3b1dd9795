"""What may be written beside other writes.

Owns: which operations share the schema's lock, which statements they may run while they do, and why.
Must not know: how the lock is taken.

An operation is listed once its rows' own locks suffice, with the reason. Everything else is written alone, which is
right without further thought. So are statements: one that an operation comes to, and that is not listed, is not run
beside others; the transaction is undone and carried out again, alone. Whoever adds a statement to a handler therefore
breaks nothing.

What all the reasons build on: a batch locks the executions it changes before it asks anything (see `foresight`), one
member's batches follow one another, and nothing is taken away from a member but alone (see `write`).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import (
    AcquireLease,
    Answer,
    Append,
    Ask,
    Beat,
    BeatTasks,
    ClaimChunks,
    ClaimRuns,
    ClaimTasks,
    CloseEntry,
    Deliver,
    FinishOwnTask,
    FinishTask,
    HoldPrefixes,
    MarkDone,
    OpenEntry,
    RecordItems,
    ReleaseLease,
    ReleaseRuns,
    ReleaseTasks,
    RenewEntry,
    RenewLease,
    RetryOwnTask,
    RetryTask,
    ReturnRequest,
    Say,
    StartRun,
    TakeRequests,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.ports.operations import Operation

_CLAIM = "it passes over rows that others have locked, and locks what it takes"
_OF_AN_EXECUTION = "it changes what belongs to an execution, whose row is locked"
_BY_NAME = "everybody who has to do with the name waits for its lock"

SHARED: Final[Mapping[type, str]] = MappingProxyType({
    StartRun: "of two that start one run, the unique index lets one make it, and the other one finds it",
    Append: "the history is its owner's, and its tip moves from where it was or not at all; " + _OF_AN_EXECUTION,
    Deliver: _OF_AN_EXECUTION,
    ClaimRuns: _CLAIM,
    ReleaseRuns: _OF_AN_EXECUTION,
    ClaimTasks: _CLAIM + "; what has limits it moves under the locks of the lines",
    FinishTask: _OF_AN_EXECUTION,
    FinishOwnTask: _OF_AN_EXECUTION,
    RetryTask: _OF_AN_EXECUTION,
    RetryOwnTask: _OF_AN_EXECUTION,
    ReleaseTasks: "the rows are the member's own until it gives them back",
    BeatTasks: "the rows are the member's own, and progress is only noted",
    ClaimChunks: _CLAIM,
    RecordItems: _OF_AN_EXECUTION,
    Beat: "it changes one row, and that of a member which is alive",
    HoldPrefixes: "it changes the writing member's own row, and its batches follow one another",
    Ask: "it adds a row, or finds the one with its operation id",
    TakeRequests: _CLAIM,
    ReturnRequest: "it changes one row, if that is still its own",
    Answer: "it changes one row, if nobody has before",
    OpenEntry: _BY_NAME,
    RenewEntry: _BY_NAME,
    CloseEntry: _BY_NAME,
    MarkDone: _BY_NAME,
    AcquireLease: _BY_NAME,
    RenewLease: _BY_NAME,
    ReleaseLease: _BY_NAME,
    Say: "the stream's row is locked, and another epoch is opened alone",
})  # fmt: skip
"""Operation to the reason why it may be carried out beside others."""

_OF_A_HISTORY = (
    "start_execution", "start_executions", "started_before", "first_page", "append_page", "begin_tip", "move_tip",
    "end_tip", "held_execution", "take_grip", "set_wake", "set_parts", "make_stable", "put_deadline", "pin_execution",
    "schedule_execution",
    "put_attribute", "drop_attribute", "put_memo", "put_blob", "use_blob", "put_notice",
    "close_execution", "look_before_closing", "look_before_all_closing", "drop_inbox", "drop_read_inbox",
    "drop_delivered", "drop_tasks", "release_notices",
)  # fmt: skip
_OF_MAIL = (
    "newest_execution", "newest_executions", "numbered_execution", "lock_executions", "find_addressee",
    "is_scheduled", "find_delivered", "find_all_delivered", "put_delivered", "put_inbox", "make_ready", "draw_tokens",
)  # fmt: skip
_OF_RUNS = (
    "wake_executions", "ready_executions", "own_execution", "own_inbox", "note_version", "release_execution",
    "disown_inbox", "is_ready", "execution_told_to_end", "forget_taken",
)  # fmt: skip
_OF_TASKS = (
    "enqueue_task", "unqueue_task", "promote_tasks", "claim_tasks", "claimable_in_turn", "claimable_tasks",
    "claim_chosen_tasks", "living_holders", "claimable_with_prefix", "claimable_with_prefixes",
    "finish_task", "finish_tasks", "finish_own_task",
    "finish_own_tasks", "retry_task", "retry_own_task", "execution_standing", "set_aside_tasks", "release_tasks",
    "held_tasks", "record_progress", "pool_rules", "pool_is_limited",
)  # fmt: skip
_OF_LINES = (
    "enqueue_limited_task", "limited_tasks_of", "touch_lines", "take_touched_lines", "due_limited_tasks", "lock_lines",
    "read_time", "still_due_tasks", "stand_in_line", "weigh_places", "first_in_line", "hold_places",
    "make_tasks_ready", "weigh_rates", "rate_uses_after", "drop_rate_uses", "put_rate_hold",
    "recall_scouts", "post_scout", "drop_rate_hold", "put_rate_use", "note_rate", "put_back_in_line",
)  # fmt: skip
_OF_FAN_OUTS = (
    "start_fan_out", "open_fan_out", "open_fan_outs", "close_fan_out", "count_outcomes", "fan_out_status",
    "executions_of_chunks", "add_slice", "add_chunk", "drop_slices", "drop_chunk", "drop_chunks", "promote_chunks",
    "claim_chunks", "claimed_chunk", "held_chunk", "keep_pending", "give_back_chunk", "add_outcomes", "all_outcomes",
)  # fmt: skip
_OF_REQUESTS = (
    "drop_expired_requests", "ask", "take_requests", "make_unowned_ready", "answer", "return_request",
)  # fmt: skip
_OF_NAMES = (
    "find_entry", "lease_entry", "renew_entry", "close_entry", "finish_entry",
    "join_line", "find_lease", "extend_place", "renew_lease", "leave_line_by_lease", "first_waiting", "grant_place",
    "expire_places_of",
)  # fmt: skip
_OF_STREAMS = ("find_stream", "put_piece", "note_said")
_OF_MEMBERS = ("beat_member", "count_refused", "hold_prefixes")

STATEMENTS: Final = frozenset({
    *_OF_A_HISTORY, *_OF_MAIL, *_OF_RUNS, *_OF_TASKS, *_OF_LINES, *_OF_FAN_OUTS, *_OF_REQUESTS, *_OF_NAMES,
    *_OF_STREAMS, *_OF_MEMBERS,
})  # fmt: skip
"""Names of the statements that may be run beside others."""

LOCKING: Final[Mapping[str, str]] = MappingProxyType({
    "newest_execution": "FOR NO KEY UPDATE",
    "numbered_execution": "FOR NO KEY UPDATE",
    "find_addressee": "FOR NO KEY UPDATE",
    "lock_executions": "FOR NO KEY UPDATE",
    "find_stream": "FOR NO KEY UPDATE",
})  # fmt: skip
"""What is added to statements, beside others, so that they lock the rows they find."""


def may_share(operation: Operation) -> bool:
    """Say whether an operation may be tried beside others."""
    return type(operation) in SHARED and not (type(operation) is Append and _reaches_others(operation))


def _reaches_others(append: Append) -> bool:
    """Say whether an append is certain to come to something for which it has to be alone."""
    is_followed = append.closing is not None and append.closing.continuation is not None
    return bool(append.outgoing or append.lock or append.unlock or append.park or is_followed)
