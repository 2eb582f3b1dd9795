"""What users write workflows and tasks with.

Owns: the decorators, the functions called inside workflows and tasks, and how values travel.
Must not know: how any of it is run, stored or scheduled.
"""

from holdfast.authoring.adapters import adapter_for
from holdfast.authoring.callbacks import Callback, callback
from holdfast.authoring.children import Child, OtherRun, continue_as_new, get_run, start_child
from holdfast.authoring.choice import codec_of_result
from holdfast.authoring.codec import PAYLOAD_BYTES_MAX, ValueCodec
from holdfast.authoring.differences import contract_name, differences_of
from holdfast.authoring.durations import Duration, parse_duration, read_duration, write_duration
from holdfast.authoring.effects import side_effect
from holdfast.authoring.expressions import Expression, InputMapping, Template
from holdfast.authoring.fan_out import Err, Ok, Results, map_tasks
from holdfast.authoring.finding import set_attributes
from holdfast.authoring.gathering import Batch, Debounce, Gathering, event_of, join_events, read_gathering
from holdfast.authoring.guard import DeterminismGuard
from holdfast.authoring.inside import (
    all_handlers_finished,
    deprecate_patch,
    now,
    patched,
    random,
    run_info,
    uuid4,
    wait_for_signal,
)
from holdfast.authoring.inside_task import heartbeat, task_info
from holdfast.authoring.json_schemas import compile_schema
from holdfast.authoring.limits import Concurrency, Rate
from holdfast.authoring.lint import Finding, lint_file
from holdfast.authoring.locks import HeldLock, LockBlock, Places, current_places, lock, semaphore
from holdfast.authoring.messages import MessageHandler, Query, Signal, Update, query, signal, update
from holdfast.authoring.modules import Module, source_files
from holdfast.authoring.options import Retry, make_options
from holdfast.authoring.places import calling_place
from holdfast.authoring.plain import PlainCodec
from holdfast.authoring.portable import bound_calls
from holdfast.authoring.recovery import Recovery, Rule, minutes_of_day, read_table
from holdfast.authoring.references import Startable, encode_message, encode_untyped, startable
from holdfast.authoring.registry import Registry
from holdfast.authoring.results import LEARN, RESULT, ResultContract, check_matches, host_of_task
from holdfast.authoring.saga import Saga
from holdfast.authoring.signature import CallSignature
from holdfast.authoring.task import (
    AsyncTask,
    BoundTask,
    SyncTask,
    TaskDefinition,
    TaskFuture,
    plain_task,
    task,
)
from holdfast.authoring.webhooks import Webhook, check_webhooks, webhook
from holdfast.authoring.workflow import WorkflowDefinition, definition_of, find_definition, task_workflow, workflow

__all__ = [
    "LEARN",
    "PAYLOAD_BYTES_MAX",
    "RESULT",
    "AsyncTask",
    "Batch",
    "BoundTask",
    "CallSignature",
    "Callback",
    "Child",
    "Concurrency",
    "Debounce",
    "DeterminismGuard",
    "Duration",
    "Err",
    "Expression",
    "Finding",
    "Gathering",
    "HeldLock",
    "InputMapping",
    "LockBlock",
    "MessageHandler",
    "Module",
    "Ok",
    "OtherRun",
    "Places",
    "PlainCodec",
    "Query",
    "Rate",
    "Recovery",
    "Registry",
    "ResultContract",
    "Results",
    "Retry",
    "Rule",
    "Saga",
    "Signal",
    "Startable",
    "SyncTask",
    "TaskDefinition",
    "TaskFuture",
    "Template",
    "Update",
    "ValueCodec",
    "Webhook",
    "WorkflowDefinition",
    "adapter_for",
    "all_handlers_finished",
    "bound_calls",
    "callback",
    "calling_place",
    "check_matches",
    "check_webhooks",
    "codec_of_result",
    "compile_schema",
    "continue_as_new",
    "contract_name",
    "current_places",
    "definition_of",
    "deprecate_patch",
    "differences_of",
    "encode_message",
    "encode_untyped",
    "event_of",
    "find_definition",
    "get_run",
    "heartbeat",
    "host_of_task",
    "join_events",
    "lint_file",
    "lock",
    "make_options",
    "map_tasks",
    "minutes_of_day",
    "now",
    "parse_duration",
    "patched",
    "plain_task",
    "query",
    "random",
    "read_duration",
    "read_gathering",
    "read_table",
    "run_info",
    "semaphore",
    "set_attributes",
    "side_effect",
    "signal",
    "source_files",
    "start_child",
    "startable",
    "task",
    "task_info",
    "task_workflow",
    "update",
    "uuid4",
    "wait_for_signal",
    "webhook",
    "workflow",
    "write_duration",
]
