"""One example of every error, as its page in docs/errors shows it.

Owns: the values the examples are made of.
Must not know: how a message is worded; the classes of `holdfast.errors` do that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from holdfast import errors
from holdfast.errors import HoldfastError

EXAMPLES: Final[dict[str, HoldfastError]] = {
    each.code: each
    for each in (
        errors.HoldfastError(),
        # The code is wrong before anything ran.
        errors.DefinitionError(
            what="workflow 'nightly' is a sync function",
            where="automations.py:12, in nightly",
            remedy="Workflow code decides and waits, so it is async; work is done by tasks. The change is two lines:\n"
            "  - def nightly(...):\n"
            "  + async def nightly(...):\n"
            "  -     result = work(...)\n"
            "  +     result = await work(...)      # with @task on work\n"
            "Or is nightly itself the work? Then put @task on it.",
        ),
        errors.DuplicateNameError(
            what="two tasks are called 'fetch'",
            where="billing.py:7",
            remedy='The other one: reports.py:31. Give one of them another name: @task(name="...")',
        ),
        errors.OutsideWorkflowError(
            what="task 'fetch' was called outside a workflow",
            where="script.py:9, in main",
            remedy="Nothing would make this call durable. In a unit test: await fetch.local(...)\n"
            "To run it durably without a workflow: app.submit(fetch, ...)",
        ),
        # Workflow code did what a workflow may not do.
        errors.WorkflowCodeError(),
        errors.NondeterminismError(
            call="time.time()",
            where="automations.py:31, in Review.run",
            instead="now(), the time of the event being applied",
        ),
        errors.DuplicateKeyError(
            step="fetch[doc-7]",
            first="automations.py:40, in Review.run",
            second="automations.py:52, in Review.run",
        ),
        errors.ReadOnlyError(
            attempted="change state that other code waits for or draws from", handler="query 'progress'"
        ),
        errors.LivelockError(callbacks=1_000_000, where="automations.py:61, in Review.run"),
        errors.NotOnEngineError(what="recovery= of a task", engine="Temporal", where="task 'charge_card'"),
        # The code and the history disagree.
        errors.ReplayError(),
        errors.DivergenceError(
            run_id="ord-1187",
            event_id=14,
            kind="REORDERED",
            recorded="task charge_card#3 (input 9f2c)",
            attempted="timer sleep#3 (5 s)",
            where="automations.py:88, in Review.run",
        ),
        errors.HistoryError(what="events 40 to 44 are not what was written", where="event 40"),
        errors.PrunedError(what="events were pruned"),
        # A value cannot travel.
        errors.PayloadError(),
        errors.EncodeError(what="argument 'session' of fetch", reason="Session has no JSON form"),
        errors.InputError(
            what="argument 'order' of Checkout",
            problems=(("/lines", "Field required"), ("/total", "Input should be a valid integer")),
        ),
        errors.PayloadTooLargeError(what="the result of render", payload_bytes=81_264_014, limit_bytes=67_108_864),
        # Outcomes.
        errors.TaskError(step="charge#1", type="ConnectionError", text="the bank hung up", attempts=5),
        errors.TaskTimeoutError(
            step="render#2",
            type="TimeoutError",
            text="the attempt did not end within 60 s (attempt time-out)",
            attempts=3,
            timeout="attempt",
        ),
        errors.FanOutError(step="map#1", type="ValueError", text="page 3 is empty", attempts=5, failed=1, index=4_711),
        errors.ChildError(
            step="Pay#1", run_id="ord-1187:Pay#1", status="FAILED", type="TaskError", text="the card was refused"
        ),
        errors.RateLimited("30s", "partner"),
        # A language model did not answer.
        errors.ModelError("anthropic:claude-sonnet-5-5", "its answer broke off before its end"),
        errors.ModelRequestError(
            "anthropic:claude-sonnet-5-5",
            "the prompt is too long: 300000 tokens > 200000 maximum",
            "Shorten the prompt or its prefix, or take a model with a longer context.",
        ),
        errors.AnswerError(
            "openai:gpt-5.6",
            "The answer does not fit the schema: pages: Input should be a valid integer. Answer with JSON alone.",
        ),
        errors.BudgetUsedUp("team", "workflow", "triage"),
        errors.BudgetBusy(name="team", per="workflow", scope="triage"),
        errors.HostBusy(30.0, host="api.example.com", reason="it answered 429 and wants to be left alone"),
        errors.CircuitOpen(12.5, host="api.example.com", reason="time-out (ReadTimeout)"),
        errors.CallError("POST", "https://api.example.com/charges", "it did not succeed"),
        errors.CallFailedError("POST", "https://api.example.com/charges", "it answered 502 Bad Gateway", 502),
        errors.CallRefusedError(
            "POST", "https://api.example.com/charges", "it answered 422", 422, '{"error": "no such account"}'
        ),
        errors.ApiDrift(
            "GET",
            "https://api.example.com/rooms/7/price",
            "its answer is no Price",
            200,
            host="api.example.com",
            endpoint="GET /rooms/{}/price",
            contract="Price",
            changes=(("cents", "a valid integer", "text"),),
        ),
        errors.ForbiddenTargetError(
            "GET",
            "http://crm.example.com/x",
            "crm.example.com leads to 10.0.0.7, which is not a public address, nor one that is allowed",
        ),
        errors.MessageError(
            step="signal(reserve)#1", run_id="stock-7", type="RunClosedError", text="run 'stock-7' is COMPLETED"
        ),
        errors.RunError(run_id="ord-1187", type="ValueError", text="no such account"),
        errors.RunFailedError(run_id="ord-1187", type="ValueError", text="no such account"),
        errors.RunCancelledError(run_id="ord-1187", text="the customer called"),
        errors.RunTerminatedError(run_id="ord-1187", text="wrong file"),
        errors.RunTimedOutError(run_id="ord-1187"),
        # Requests.
        errors.RequestError(),
        errors.RunNotFoundError(run_id="ord-1178"),
        errors.RunClosedError(run_id="ord-1187", status="COMPLETED"),
        errors.RunConflictError(run_id="ord-1187", what="input"),
        errors.UnknownNameError(kind="query", name="progres", known=("progress", "total")),
        errors.UpdateRejectedError(name="add", type="ValueError", text="a document needs a name"),
        errors.QueryError(name="progress", type="KeyError", text="'total'"),
        errors.UpdateFailedError(run_id="ord-1187", name="add", type="ValueError", text="the basket is full"),
        errors.NoOrchestratorError(what="query 'progress' of run 'ord-1187' within 30 s"),
        errors.RunStateError(
            run_id="ord-1187",
            status="RUNNING",
            what="resumed",
            remedy="Only a run that is PARKED or PAUSED can. See what it waits for: holdfast runs show ord-1187",
        ),
        errors.CallbackError(),
        errors.CallbackGoneError(why="it was answered before"),
        errors.ScheduleError(
            schedule="nightly",
            what="has an open run, nightly-20261129T010000Z, and its policy is skip",
            remedy="Wait for its end, cancel it, or give the schedule another overlap policy.",
        ),
        errors.ForkError(execution="ord-1187", what="step chargge#1", remedy="Its steps: reserve#1, charge#1, ship#1"),
        errors.BacklogFullError(limit=100_000),
        errors.SignatureError(reason="stale: signed 1,204 s ago, and 300 s are taken (tolerance)"),
        errors.DeliveryError(webhook="stripe", what="id: body.data.object.id finds nothing"),
        errors.DeliveryConflictError(
            webhook="stripe",
            what="another body came as delivery evt_1Nx before",
            remedy="A sender names each delivery once.",
        ),
        errors.KeyReusedError(key="8e03978e-40d5-43dd-bc93-6894a57f9324"),
        errors.KeyInUseError(key="8e03978e-40d5-43dd-bc93-6894a57f9324"),
        errors.KeyNameError(
            name="ci",
            what="exists already",
            remedy="Names are not used again, also those of revoked keys, so that the audit log stays true. Take "
            "another name, or give this one another secret: holdfast keys rotate ci",
        ),
        errors.HttpError(what="there is nothing at /v1/run; what there is: /openapi.json"),
        errors.UnauthenticatedError(what="this needs an API key that is valid: Authorization: Bearer hf_..."),
        errors.NotAllowedError(what="key 'ci' does not have the scope 'start' that this needs"),
        errors.MediaTypeError(what="expected Content-Type: application/json"),
        errors.TooManyRequestsError(what="key 'ci' may make 600 requests in 60 s (rate_limit)"),
        # Leases.
        errors.LeaseError(),
        errors.LeaseHeld(name="invoice-17", holder="web-2:4187"),
        errors.LeaseLost(name="invoice-17"),
        errors.LockLost(name="account:9", token=4_711),
        errors.AlreadyProcessed(name="invoice-17"),
        errors.FencedError(what="event 40 of execution 12"),
        errors.InboxUnreadError(execution_id=12),
        # Store, settings, extras.
        errors.StoreError(
            what="/srv/shop/holdfast.db cannot be opened: [Errno 13] Permission denied",
            remedy="Check the permissions.",
        ),
        errors.StoreBusyError(
            what="process 4187 has kept the turn of /srv/shop/holdfast.db for 30 s (wait_seconds_max)",
            remedy="It may be stopped or hang in a disk operation. Look at it: ps -p 4187",
        ),
        errors.StoreFullError(
            what="the disk under /srv/shop/holdfast.db has 4,096 bytes left, and a store needs 33,554,432"
            " (free_bytes_min)",
            remedy="Nothing was written and nothing was lost. Make room; work goes on by itself.",
        ),
        errors.StoreCorruptError(
            what="payload 9f2c17aa03b1e84d is not what was stored", remedy="See what else is not: holdfast verify"
        ),
        errors.SchemaError(
            what="the store's schema is 7, newer than this program's 3",
            remedy="Upgrade Holdfast here too: pip install --upgrade holdfast",
        ),
        errors.SettingsError(
            what="settings do not fit\n  lease_seconds  Input should be a valid number",
            remedy="They come from arguments, HOLDFAST_* variables and holdfast.toml.",
        ),
        errors.UsageError(what="the command names no run", remedy="Give a run id, or --where NAME=VALUE for many."),
        errors.TransactionError(
            "a transaction is under way on this connection",
            "transaction() begins and ends its own. Call it before the connection is used, or commit first.",
            "billing/tasks.py:41",
        ),
        errors.EncryptionError(
            what="page ord-1187/1",
            key_id="3fa2c1d0",
            reason="the keys of this process are 9b04e2aa",
        ),
        errors.MissingExtraError(part="Redis", extra="redis"),
        errors.WorldStuckError(
            waited_for="the result of ord-1187",
            now="2030-03-01 00:00:00+00:00",
            runs=("ord-1187 (Order) RUNNING: waits for a message, or for its own code",),
        ),
    )
}
"""The example of each code."""


def error_classes() -> Iterable[type[HoldfastError]]:
    """Yield every class of the tree, in the order in which errors.py defines them."""
    return (each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, HoldfastError))
