"""The fields of log lines: one name for one thing, whoever writes the line.

Owns: which fields there are and what each means; the reference is made from this table.
Must not know: who writes which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FIELDS: Final[Mapping[str, str]] = {
    # On every line.
    "timestamp": "When, in UTC: `2026-11-29T23:14:05.123Z`.",
    "level": "`debug`, `info`, `warning` or `error`.",
    "logger": "The part that says it: `holdfast.orchestrator`, `holdfast.worker`, `holdfast.controller`, ...",
    "event": "What happened. The same words each time; what differs is in the other fields.",
    "member": "The process: its machine's name and its process id, as `holdfast workers` lists it.",
    "exception": "A traceback, where there is one.",
    # What it is about.
    "run_id": "Run id.",
    "execution": "The execution of the run, such as `ord-1@2`.",
    "workflow": "Name of the workflow.",
    "step": "Step of the execution, such as `charge#1`.",
    "task": "Name of the task.",
    "attempt": "Which attempt, at a task or a notice.",
    "pool": "Pool of the task.",
    "lease": "Name of a lease.",
    "token": "Fencing token of a lease.",
    "store": "Address of the store, without its password.",
    "bus": "Address of the bus, without its password.",
    "host": "Name of a system that is called.",
    "endpoint": "What is called there, such as `GET /rooms/{}/price`.",
    "kind": "What a difference means: `additive`, `widened`, `narrowed` or `breaking`.",
    "deprecated_at": "Since when something is not to be used any more.",
    "sunset_at": "From when on something may be gone.",
    "outbox": "Address of a database of yours in which runs are enqueued, without its password.",
    "capture": "Name of a capture.",
    "schedule": "Name of a schedule.",
    "notice_id": "Which notice of a run's end.",
    "operation": "Kind of a write to the store.",
    "folder": "Path of a folder.",
    "key_id": "Which encryption key.",
    # Why.
    "error": "What went wrong, in words.",
    "reason": "Why it was done.",
    "remedy": "What can be done about it.",
    # How much.
    "seconds": "How long it took.",
    "wait_seconds": "How long until it is tried again.",
    "overlap_seconds": "How long an API key's old secret is still good.",
    "runs": "How many runs.",
    "tasks": "How many tasks.",
    "members": "How many processes.",
    "processes": "How many processes of this one's.",
    "kept": "How many are kept.",
    "events": "How many events of a history.",
    "payload_bytes": "How long a payload is.",
    "unnoted": "How many are in no inbox.",
    # Worker processes.
    "worker": "Which of a supervisor's processes.",
    "code": "Exit code of a process.",
    "entry": "The program that was to be started.",
    # HTTP requests.
    "method": "Method of an HTTP request; `other` for one that HTTP does not define.",
    "route": "Route that a request was for, such as `/v1/runs/{run_id}`: never its path or its query.",
    "status": "Status that a request was answered with, or that a run has.",
    "key": "Name of the API key, never the key.",
    "scopes": "Scopes of an API key.",
    "error_id": "Names this very failure; the answer to the request has it, too.",
}
