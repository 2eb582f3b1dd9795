"""Which parts of operations and of their results are bodies, and the place of each.

Owns: the tables ENCRYPTS and PLAIN, which between them name every operation, and DECRYPTS.
Must not know: ciphers, databases.

Where a body stands:

    input, failures         of a queued task: execution and step        progress        the same, or queued task
    item                    of a fan-out: execution, step, index        item outcome    fan-out, index
    outcome                 of a task in the mail: execution, step      end, reason     execution (or child)
    mail                    run, kind, name, operation id               ask             the same
    answer                  request                                     ledger          name
    kept answer             caller, key
    exchanges               execution and step
    contract                host, endpoint
    model answer            digest of what was asked
    said by a step          execution, name, epoch, place
    memo                    run                                         input           schedule
    event                   of a gathering: workflow, key
    delivery                webhook, delivery id, part: headers, body, or the reason of one that failed

Attributes are not bodies either: a run is found by them.

Names, times, counts and options are not bodies: stores search and order by them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from holdfast.errors import EncryptionError
from holdfast.history import Codec, Page, is_encrypted, place_of
from holdfast.ports import operations as ops

TEXT_MARK: Final = "hf-encrypted:"
"""Begins what is encrypted in a text, where a store has text."""

_replace = msgspec.structs.replace


def encrypt(codec: Codec, content: bytes, place: bytes) -> bytes:
    """Return a body as it is stored."""
    # What is empty says nothing, and what nobody here could decrypt goes back as it came.
    return codec.encrypt(content, place) if content and not is_encrypted(content) else content


def open_or_leave(codec: Codec, content: bytes, place: bytes) -> bytes:
    """Return a stored body decrypted, or as it is when it cannot be."""
    try:
        return codec.decrypt(content, place)
    except EncryptionError:
        return content


def open_progress(codec: Codec, content: bytes, execution_id: int, step: str, task_id: int) -> bytes:
    """Return the progress of a queued task. Raises EncryptionError.

    A heartbeat knows its row in the queue, and whoever hands in the whole row knows the step.
    """
    content = open_or_leave(codec, content, place_of("progress", task_id))
    return codec.decrypt(content, place_of("progress", execution_id, step))


# --- Reasons: text, of which the first word stays readable -------------------------------------------------------


def encrypt_reason(codec: Codec, reason: str, execution_id: int) -> str:
    """Return the reason a run is parked for, as it is stored."""
    kind, space, rest = reason.partition(" ")
    if not rest:
        return reason
    body = codec.encrypt(rest.encode(), place_of("reason", execution_id))
    return f"{kind}{space}{TEXT_MARK}{base64.b64encode(body).decode()}"


def open_reason(codec: Codec, reason: str, execution_id: int) -> str:
    """Return the reason a run is parked for; as much as can be read."""
    kind, mark, encoded = reason.partition(TEXT_MARK)
    if not mark:
        return reason
    try:
        return kind + codec.decrypt(base64.b64decode(encoded), place_of("reason", execution_id)).decode()
    except (EncryptionError, binascii.Error, UnicodeDecodeError):
        return f"{kind}(encrypted)"


# --- What goes in ------------------------------------------------------------------------------------------------


def _check_page(page: Page | None) -> None:
    assert page is None or is_encrypted(page.body), "a page reached the store unsealed: see `holdfast.history.seal`"


def _start(codec: Codec, operation: ops.StartRun) -> ops.StartRun:
    _check_page(operation.page)
    newest, *others = codec.digests(operation.input_digest)
    return _replace(
        operation,
        input_digest=newest,
        other_digests=tuple(others),
        notices=tuple(encrypt(codec, each, place_of("notice", operation.run_id)) for each in operation.notices),
        memo=encrypt(codec, operation.memo, place_of("memo", operation.run_id)),
    )


def _start_next(codec: Codec, operation: ops.StartNext) -> ops.StartNext:
    operation = cast("ops.StartNext", _start(codec, operation))
    signal = operation.signal
    if signal is None:
        return operation
    place = place_of("mail", operation.run_id, "signal", signal.name, signal.operation_id)
    return _replace(operation, signal=_replace(signal, body=encrypt(codec, signal.body, place)))


def _append(codec: Codec, operation: ops.Append) -> ops.Append:
    _check_page(operation.page)
    execution_id = operation.execution_id
    changes: dict[str, Any] = {}
    if operation.closing is not None:
        if operation.closing.continuation is not None:
            _check_page(operation.closing.continuation.page)
        outcome = encrypt(codec, operation.closing.outcome, place_of("end", execution_id))
        changes["closing"] = _replace(operation.closing, outcome=outcome)
    if operation.queue:
        changes["queue"] = tuple(_queue_task(codec, execution_id, each) for each in operation.queue)
    if operation.fan_outs:
        changes["fan_outs"] = tuple(_queue_fan_out(codec, execution_id, each) for each in operation.fan_outs)
    if operation.outgoing is not None:
        changes["outgoing"] = _outgoing(codec, operation.outgoing)
    if operation.park:
        changes["park"] = encrypt_reason(codec, operation.park, execution_id)
    return _replace(operation, **changes) if changes else operation


def _move_away(codec: Codec, operation: ops.MoveAway) -> ops.MoveAway:
    _check_page(operation.page)
    outcome = encrypt(codec, operation.closing.outcome, place_of("end", operation.execution_id))
    return _replace(operation, closing=_replace(operation.closing, outcome=outcome))


def _outgoing(codec: Codec, outgoing: ops.Outgoing) -> ops.Outgoing:
    return ops.Outgoing(
        children=tuple(_new_child(codec, each) for each in outgoing.children),
        stop=outgoing.stop,
        messages=tuple(
            _replace(
                each,
                body=encrypt(codec, each.body, place_of("mail", each.run_id, each.kind, each.name, each.operation_id)),
            )
            for each in outgoing.messages
        ),
    )


def _new_child(codec: Codec, child: ops.NewChild) -> ops.NewChild:
    _check_page(child.page)
    newest, *others = codec.digests(child.input_digest)
    memo = encrypt(codec, child.memo, place_of("memo", child.run_id))
    return _replace(child, input_digest=newest, other_digests=tuple(others), memo=memo)


def _queue_task(codec: Codec, execution_id: int, task: ops.QueueTask) -> ops.QueueTask:
    return _replace(
        task,
        input=encrypt(codec, task.input, place_of("input", execution_id, task.step)),
        failures=encrypt(codec, task.failures, place_of("failures", execution_id, task.step)),
        progress=encrypt(codec, task.progress, place_of("progress", execution_id, task.step)),
    )


def _queue_fan_out(codec: Codec, execution_id: int, fan_out: ops.QueueFanOut) -> ops.QueueFanOut:
    step = fan_out.step
    items = tuple(
        encrypt(codec, item, _item_place(execution_id, step, index)) for index, item in enumerate(fan_out.items)
    )
    return _replace(fan_out, items=items)


def _deliver(codec: Codec, operation: ops.Deliver) -> ops.Deliver:
    if operation.kind == "terminate":
        return operation  # a store ends runs that nobody owns by itself, and writes down why
    run_id = operation.run_id
    place = place_of("mail", run_id, operation.kind, operation.name, operation.operation_id)
    return _replace(operation, body=encrypt(codec, operation.body, place))


def _finish(codec: Codec, operation: Any) -> Any:
    assert operation.execution_id, "an outcome says whose it is"
    place = place_of("outcome", operation.execution_id, operation.step)
    return _replace(operation, body=encrypt(codec, operation.body, place))


def _retry(codec: Codec, operation: ops.RetryTask) -> ops.RetryTask:
    place = place_of("failures", operation.execution_id, operation.step)
    return _replace(operation, failures=encrypt(codec, operation.failures, place))


def _retry_own(codec: Codec, operation: ops.RetryOwnTask) -> ops.RetryOwnTask:
    whose = operation.execution_id, operation.step
    return _replace(
        operation,
        failures=encrypt(codec, operation.failures, place_of("failures", *whose)),
        progress=encrypt(codec, operation.progress, place_of("progress", *whose)),
    )


def _beat(codec: Codec, operation: ops.BeatTasks) -> ops.BeatTasks:
    return ops.BeatTasks(
        tuple(
            (task_id, token, encrypt(codec, progress, place_of("progress", task_id)))
            for task_id, token, progress in operation.progress
        )
    )


def _record(codec: Codec, operation: ops.RecordItems) -> ops.RecordItems:
    fan_out_id = operation.fan_out_id
    assert fan_out_id or not operation.outcomes, "an outcome says whose it is"
    outcomes = tuple(
        _replace(each, body=encrypt(codec, each.body, item_outcome_place(fan_out_id, each.index)))
        for each in operation.outcomes
    )
    return _replace(operation, outcomes=outcomes)


def exchanges_place(execution_id: int, step: str) -> bytes:
    """Return the place of the calls of a step."""
    return place_of("exchanges", execution_id, step)


def _record_exchanges(codec: Codec, operation: ops.RecordExchanges) -> ops.RecordExchanges:
    place = exchanges_place(operation.execution_id, operation.step)
    return _replace(operation, body=encrypt(codec, operation.body, place))


def model_answer_place(digest: str) -> bytes:
    """Return the place of a model's answer."""
    return place_of("model answer", digest)


def _keep_model_answer(codec: Codec, operation: ops.KeepModelAnswer) -> ops.KeepModelAnswer:
    return _replace(operation, body=encrypt(codec, operation.body, model_answer_place(operation.digest)))


def piece_place(execution: str, name: str, epoch: int, start: int) -> bytes:
    """Return the place of what a step said."""
    return place_of("stream", execution, name, epoch, start)


def _say(codec: Codec, operation: ops.Say) -> ops.Say:
    place = piece_place(operation.execution, operation.name, operation.epoch, operation.start)
    return _replace(operation, body=encrypt(codec, operation.body, place))


def contract_place(host: str, endpoint: str) -> bytes:
    """Return the place of what was learned of an endpoint."""
    return place_of("contract", host, endpoint)


def _keep_contract(codec: Codec, operation: ops.KeepContract) -> ops.KeepContract:
    record = operation.record
    body = encrypt(codec, record.body, contract_place(record.host, record.endpoint))
    return _replace(operation, record=_replace(record, body=body))


def _mark_done(codec: Codec, operation: ops.MarkDone) -> ops.MarkDone:
    # Alike: the very same write again is known by its result.
    return _replace(operation, result=codec.encrypt_alike(operation.result, place_of("ledger", operation.name)))


def _put_schedule(codec: Codec, operation: ops.PutSchedule) -> ops.PutSchedule:
    return _replace(operation, input=encrypt(codec, operation.input, place_of("schedule", operation.name)))


def _gather(codec: Codec, operation: ops.Gather) -> ops.Gather:
    return _replace(operation, event=encrypt(codec, operation.event, gathered_place(operation.workflow, operation.key)))


def gathered_place(workflow: str, key: str) -> bytes:
    """Return the place of an event that waits for others."""
    return place_of("gathered", workflow, key)


def _ask(codec: Codec, operation: ops.Ask) -> ops.Ask:
    place = place_of("ask", operation.run_id, operation.kind, operation.name, operation.operation_id)
    return _replace(operation, body=encrypt(codec, operation.body, place))


def _answer(codec: Codec, operation: ops.Answer) -> ops.Answer:
    return _replace(operation, body=encrypt(codec, operation.body, place_of("answer", operation.request_id)))


def _note_delivery(codec: Codec, operation: ops.NoteDelivery) -> ops.NoteDelivery:
    newest, *others = codec.digests(operation.digest)
    whose = operation.webhook, operation.key
    return _replace(
        operation,
        digest=newest,
        other_digests=tuple(others),
        # Why a genuine one failed may quote it; why another one was refused says nothing of it.
        reason=_encrypt_text(codec, operation.reason, delivery_place(*whose, "reason"))
        if operation.state == ops.DeliveryState.FAILED
        else operation.reason,
        headers=encrypt(codec, operation.headers, delivery_place(*whose, "headers")),
        body=encrypt(codec, operation.body, delivery_place(*whose, "body")),
    )


def open_delivery_reason(codec: Codec, record: ops.DeliveryRecord) -> str:
    """Return why a delivery failed; as much as can be read."""
    mark, found, encoded = record.reason.partition(TEXT_MARK)
    if mark or not found:
        return record.reason
    place = delivery_place(record.webhook, record.key, "reason")
    try:
        return codec.decrypt(base64.b64decode(encoded), place).decode()
    except (EncryptionError, binascii.Error, UnicodeDecodeError):
        return "(encrypted)"


def _encrypt_text(codec: Codec, text: str, place: bytes) -> str:
    return TEXT_MARK + base64.b64encode(codec.encrypt(text.encode(), place)).decode()


def delivery_place(webhook: str, key: str, part: str) -> bytes:
    """Return the place of a part of what a webhook was sent."""
    return place_of("delivery", webhook, key, part)


def _do_once(codec: Codec, operation: ops.DoOnce) -> ops.DoOnce:
    # Its act was encrypted before: see `EncryptedStore`. What was asked for is not to be guessed from its digest.
    newest, *others = codec.digests(operation.fingerprint)
    return _replace(operation, fingerprint=newest, other_fingerprints=tuple(others))


def _settle(codec: Codec, operation: ops.Settle) -> ops.Settle:
    place = place_of("kept answer", operation.caller, operation.key)
    return _replace(operation, answer=encrypt(codec, operation.answer, place))


def _item_place(execution_id: int, step: str, index: int) -> bytes:
    return place_of("item", execution_id, step, index)


def item_outcome_place(fan_out_id: int, index: int) -> bytes:
    """Return the place of what became of one item of a fan-out."""
    return place_of("item outcome", fan_out_id, index)


ENCRYPTS: Final[dict[type, Callable[[Codec, Any], Any]]] = {
    ops.StartRun: _start,
    ops.StartNext: _start_next,
    ops.Append: _append,
    ops.MoveAway: _move_away,
    ops.Deliver: _deliver,
    ops.FinishTask: _finish,
    ops.FinishOwnTask: _finish,
    ops.RetryTask: _retry,
    ops.RetryOwnTask: _retry_own,
    ops.BeatTasks: _beat,
    ops.RecordItems: _record,
    ops.RecordExchanges: _record_exchanges,
    ops.KeepContract: _keep_contract,
    ops.KeepModelAnswer: _keep_model_answer,
    ops.Say: _say,
    ops.MarkDone: _mark_done,
    ops.PutSchedule: _put_schedule,
    ops.Gather: _gather,
    ops.Ask: _ask,
    ops.Answer: _answer,
    ops.NoteDelivery: _note_delivery,
    ops.DoOnce: _do_once,
    ops.Settle: _settle,
}
"""Operations that carry what users wrote, and what encrypts it."""

PLAIN: Final[frozenset[type]] = frozenset(
    {
        ops.Join,
        ops.Beat,
        ops.Leave,
        ops.Reap,
        ops.ClaimRuns,
        ops.Fit,
        ops.KeepSecret,
        ops.ReleaseRuns,
        ops.Pause,
        ops.Resume,
        ops.ClaimTasks,
        ops.ReleaseTasks,
        ops.ClaimChunks,
        ops.AcquireLease,
        ops.RenewLease,
        ops.ReleaseLease,
        ops.BreakLock,
        ops.OpenEntry,
        ops.RenewEntry,
        ops.CloseEntry,
        ops.TakeRequests,
        ops.ReturnRequest,
        ops.MarkCaptured,
        ops.Unclaim,
        ops.PruneKeys,
        ops.Audited,
        ops.PruneAudit,
        ops.Prune,
        ops.ClaimNotices,
        ops.SettleNotice,
        ops.ResendNotice,
        ops.PruneDeliveries,
        ops.PutKey,
        ops.RotateKey,
        ops.NoteUse,
        ops.RevokeKey,
        ops.MoveSchedule,
        ops.DropSchedule,
        ops.BeginGathered,
        ops.HurryGathering,
        ops.PruneGatherings,
        ops.FreezeRate,
        ops.SetLimit,
        ops.TellHost,
        ops.ReportDrift,
        ops.SettleDrift,
        ops.ProposeMappings,
        ops.RelearnContract,
        ops.NoteRetirement,
        ops.ReserveModelCall,
        ops.SettleModelCall,
        ops.ParkForBudget,
        ops.ParkForFailure,
        ops.GrantBudget,
        ops.OpenStream,
        ops.PausePool,
        ops.ResumePool,
        ops.LimitPool,
        ops.HoldPrefixes,
        ops.WarmPrefix,
        ops.NotePrefix,
    }
)
"""Operations that carry names, numbers and times only."""


# --- What comes out of a write -----------------------------------------------------------------------------------


def _claimed_tasks(codec: Codec, result: Any) -> Any:
    return tuple(_open_task(codec, each) for each in result) if isinstance(result, tuple) else result


def _open_task(codec: Codec, task: ops.ClaimedTask) -> ops.ClaimedTask:
    try:
        return _replace(
            task,
            input=codec.decrypt(task.input, place_of("input", task.execution_id, task.step)),
            failures=codec.decrypt(task.failures, place_of("failures", task.execution_id, task.step)),
            progress=open_progress(codec, task.progress, task.execution_id, task.step, task.task_id),
        )
    except EncryptionError:
        return _left(task)


def _left(task: ops.ClaimedTask) -> ops.ClaimedTask:
    # Whoever looks at the input is to see it, also where it was something else that could not be decrypted.
    sealed = next(each for each in (task.input, task.failures, task.progress) if is_encrypted(each))
    return _replace(task, input=sealed)


def _claimed_chunks(codec: Codec, result: Any) -> Any:
    return tuple(_open_chunk(codec, each) for each in result) if isinstance(result, tuple) else result


def _open_chunk(codec: Codec, chunk: ops.ClaimedChunk) -> ops.ClaimedChunk:
    try:
        items = tuple(
            (index, codec.decrypt(item, _item_place(chunk.execution_id, chunk.step, index)))
            for index, item in chunk.items
        )
    except EncryptionError:
        # One that is encrypted first, so that it is seen.
        return _replace(chunk, items=tuple(sorted(chunk.items, key=lambda each: not is_encrypted(each[1]))))
    return _replace(chunk, items=items)


def _notices(codec: Codec, result: Any) -> Any:
    return tuple(_replace(each, url=open_or_leave(codec, each.url, place_of("notice", each.run_id))) for each in result)


def _requests(codec: Codec, result: Any) -> Any:
    if not isinstance(result, tuple):
        return result
    return tuple(
        _replace(
            each,
            body=open_or_leave(codec, each.body, place_of("ask", each.run_id, each.kind, each.name, each.operation_id)),
        )
        for each in result
    )


def _done_before(codec: Codec, result: Any) -> Any:
    if not isinstance(result, ops.DoneBefore):
        return result
    place = place_of("kept answer", result.caller, result.key)
    return _replace(result, answer=open_or_leave(codec, result.answer, place))


DECRYPTS: Final[dict[type, Callable[[Codec, Any], Any]]] = {
    ops.ClaimTasks: _claimed_tasks,
    ops.ClaimChunks: _claimed_chunks,
    ops.TakeRequests: _requests,
    ops.ClaimNotices: _notices,
    ops.DoOnce: _done_before,
}
"""Operations whose results have bodies, and what decrypts them."""
