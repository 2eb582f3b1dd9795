"""Routes of runs: start them, read them, operate them.

Owns: these paths.
Must not know: how runs are carried out.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from holdfast.authoring import CallSignature
from holdfast.client import IdConflictPolicy, IdReusePolicy
from holdfast.controller.documents import (
    Bulk,
    BulkAnswer,
    BulkFork,
    BulkForkAnswer,
    Explained,
    ForkAnswer,
    ForkBody,
    HistoryPage,
    Reason,
    Run,
    RunPage,
    SignalledStart,
    Where,
)
from holdfast.controller.http.access import About, ScopedRoute, requires
from holdfast.controller.http.openapi import describes, reference, takes
from holdfast.controller.http.parts import (
    InSeconds,
    Parts,
    RunId,
    TheBody,
    TheOperationId,
    ThePartsOf,
    ThePrincipal,
    TheService,
    json_response,
    wait_unless_stopping,
)
from holdfast.controller.http.problems import RefusalError
from holdfast.controller.http.stream import CountedStream, check_place
from holdfast.controller.keys import Scope
from holdfast.controller.runs import EVENTS_MAX, RUNS_MAX
from holdfast.controller.starts import StartOptions
from holdfast.controller.strict import read_json
from holdfast.errors import InputError
from holdfast.ports.operations import IdPolicy

_WAIT: Final = re.compile(r"wait\s*=\s*\"?(?P<seconds>[0-9]{1,9})\"?\s*")
_EVENT_ID: Final = re.compile(r"[0-9]{1,15}")

EVENT_MAX: Final = 2**53 - 1
"""The largest id of an event that may be asked for: what every JSON reader takes for a whole number."""

router = APIRouter(route_class=ScopedRoute, tags=["runs"])

After = Annotated[int, Query(ge=0, le=EVENT_MAX, description="Only events after this one.")]
Payloads = Annotated[bool, Query(description="Show inputs, results and tracebacks too.")]


def _reason(body: Reason = Reason()) -> None:  # noqa: B008 - frozen
    """Describe the body of cancel, terminate and pause."""


def _fork(body: ForkBody) -> None:
    """Describe the body of fork."""


def _bulk(body: Bulk) -> None:
    """Describe the body of bulk."""


def _bulk_fork(body: BulkFork) -> None:
    """Describe the body of a fork of many."""


def _signalled(body: SignalledStart) -> None:
    """Describe the body of a start that comes with a signal."""


_SIGNALLED: Final = CallSignature(_signalled, name="the request")
_BULK_FORK: Final = CallSignature(_bulk_fork, name="the request")
_FORK: Final = CallSignature(_fork, name="the request")
_BULK: Final = CallSignature(_bulk, name="the request")
_REASON: Final = CallSignature(_reason, name="the request")


@router.post(
    "/v1/workflows/{name}/runs",
    status_code=201,
    responses=describes(Run, 201, "The run was made.")
    | describes(Run, 200, "It had been made with this input before."),
    openapi_extra=takes({"description": 'Input of the workflow; with `?signal=`, `{"input": ..., "signal": ...}`.'}),
)
@requires(Scope.START, About.WORKFLOW)
async def start_run(  # noqa: PLR0913, PLR0917 - one for each parameter of the query
    parts: ThePartsOf,
    principal: ThePrincipal,
    name: str,
    body: TheBody,
    operation_id: TheOperationId,
    id: Annotated[
        str | None, Query(description="Run id. The same one with the same input again gives the same run.")
    ] = None,
    timeout: Annotated[
        str, Query(max_length=40, description="How long the run may take, such as `1h`; then it is TIMED_OUT.")
    ] = "",
    execution_timeout: Annotated[
        str, Query(max_length=40, description="How long each execution of the run may take.")
    ] = "",
    delay: Annotated[str, Query(max_length=40, description="How long after this the run begins, such as `10m`.")] = "",
    start_at: Annotated[
        datetime | None, Query(description="When the run begins, instead of `delay`. Without a zone it is in UTC.")
    ] = None,
    id_reuse_policy: Annotated[
        IdReusePolicy, Query(description="What to do when the run of this id has ended.")
    ] = "same_input",
    id_conflict_policy: Annotated[
        IdConflictPolicy, Query(description="What to do when the run of this id is open.")
    ] = "same_input",
    attribute: Annotated[
        list[str] | None,
        Query(description="`region=eu`: what the run is found by. `12.5` is a number, `true` a boolean. Repeatable."),
    ] = None,
    memo: Annotated[list[str] | None, Query(description="`note=text`: what to note about it. Repeatable.")] = None,
    notify: Annotated[
        list[str] | None, Query(description="URL that is told by a signed POST how the run has ended. Repeatable.")
    ] = None,
    signal: Annotated[
        str | None,
        Query(
            max_length=200,
            description="Deliver this signal in the same commit: to the run that this starts, or to the open run of "
            'this `id`, whatever its input. The body is then `{"input": ..., "signal": ...}`, and an '
            "Idempotency-Key names both.",
        ),
    ] = None,
    prefer: Annotated[
        list[str] | None, Header(description="`wait=10` waits up to 10 seconds for the run's end.")
    ] = None,
) -> Response:
    """Start a run of a workflow. Once this answers it cannot be lost."""
    message: tuple[str, bytes] | None = None
    if signal is not None:
        body, message = _with_signal(signal, body, id, id_conflict_policy)
    policy = IdPolicy(id_reuse_policy, id_conflict_policy)
    options = StartOptions(
        timeout=timeout,
        execution_timeout=execution_timeout,
        delay=delay,
        start_at=start_at,
        policy=None if policy == IdPolicy() else policy,
        attributes=_pairs("attribute", attribute),
        memo=_pairs("memo", memo),
        notify=notify or (),
        signal=message,
    )
    run, created = await parts.service.starts.start(
        name, body, id, options, key=operation_id, by=principal.actor, only=principal.workflows
    )
    headers = {"Location": f"/v1/runs/{_path_segment(run.run_id)}"}
    seconds = preferred_wait(prefer or [])
    if seconds is not None:
        seconds = min(seconds, int(parts.settings.wait_seconds_max))
        headers["Preference-Applied"] = f"wait={seconds}"
        run = msgspec.structs.replace(await _ended(parts, run.run_id, seconds), warning=run.warning)
    return json_response(run, 201 if created else 200, headers)


@router.get("/v1/runs", responses=describes(RunPage))
@requires(Scope.READ, About.SELECTION)
async def list_runs(  # noqa: PLR0913, PLR0917 - one for each parameter of the query
    service: TheService,
    principal: ThePrincipal,
    workflow: Annotated[str | None, Query(description="Only runs of this workflow.")] = None,
    status: Annotated[str | None, Query(description="Only runs of this status, such as RUNNING.")] = None,
    created_from: Annotated[datetime | None, Query(description="Only runs made then or later.")] = None,
    created_before: Annotated[datetime | None, Query(description="Only runs made before.")] = None,
    error: Annotated[str, Query(max_length=1000, description="Text in what is said of its failure or parking.")] = "",
    where: Annotated[
        list[str] | None, Query(description="`region=eu`: only runs that have this attribute. Repeatable.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=RUNS_MAX)] = 50,
    payloads: Payloads = False,  # noqa: FBT002 - given by name, in the query
) -> Response:
    """List runs, newest first."""
    wanted = Where(
        workflow=workflow,
        status=[] if status is None else [status],
        created_from=created_from,
        created_before=created_before,
        error=error,
        attributes=_pairs("where", where),
    )
    page = await service.runs.page(wanted, cursor=cursor, limit=limit, payloads=payloads, only=principal.workflows)
    return json_response(page)


@router.get("/v1/runs/{run_id}", responses=describes(Run))
@requires(Scope.READ, About.RUN)
async def read_run(service: TheService, run_id: RunId) -> Response:
    """Read a run, with its result or error when it has ended."""
    return json_response(await service.runs.read(run_id))


@router.get(
    "/v1/runs/{run_id}/result",
    responses=describes(Run, 200, "It has ended.") | describes(Run, 202, "It has not ended yet."),
)
@requires(Scope.READ, About.RUN)
async def read_result(
    parts: ThePartsOf,
    run_id: RunId,
    wait: Annotated[
        float,
        InSeconds,
        Query(
            ge=0, le=86400, allow_inf_nan=False, description="How long to wait for the end: seconds, or such as `2m`."
        ),
    ] = 0,
    prefer: Annotated[list[str] | None, Header(description="`wait=10` does the same as `?wait=10`.")] = None,
) -> Response:
    """Wait for a run to end. 200 when it has, 202 when it has not; the wait may be cut short by the server."""
    headers = {}
    preferred = preferred_wait(prefer or [])
    if preferred is not None:
        wait = max(wait, min(preferred, int(parts.settings.wait_seconds_max)))
        headers["Preference-Applied"] = f"wait={wait:g}"
    run = await _ended(parts, run_id, min(wait, parts.settings.wait_seconds_max))
    return json_response(run, 200 if run.closed_at is not None else 202, headers)


@router.get("/v1/runs/{run_id}/history", responses=describes(HistoryPage))
@requires(Scope.READ, About.RUN)
async def read_history(
    service: TheService,
    run_id: RunId,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=EVENTS_MAX)] = EVENTS_MAX,
    payloads: Payloads = False,  # noqa: FBT002 - given by name, in the query
) -> Response:
    """Read the events of a run, in order."""
    return json_response(await service.runs.history(run_id, after=after, limit=limit, payloads=payloads))


@router.get("/v1/runs/{run_id}/explain", responses=describes(Explained))
@requires(Scope.READ, About.RUN)
async def explain_run(service: TheService, run_id: RunId) -> Response:
    """Say why a run does not move, as a chain of causes."""
    return json_response(await service.runs.explain(run_id))


@router.get(
    "/v1/runs/{run_id}/events",
    responses={
        200: {"description": "Events, as server-sent events.", "content": {"text/event-stream": {}}},
        204: {"description": "The run has ended and nothing is left to come."},
    },
)
@requires(Scope.READ, About.RUN)
async def stream_events(
    parts: ThePartsOf,
    run_id: RunId,
    after: After = 0,
    payloads: Payloads = False,  # noqa: FBT002 - given by name, in the query
    last_event_id: Annotated[str | None, Header(description="Id of the last event seen.")] = None,
) -> Response:
    """Follow the events of a run as they are recorded, until it ends."""
    if last_event_id:
        if not _EVENT_ID.fullmatch(last_event_id):
            raise RefusalError(400, "Last-Event-ID is none of ours: expected the number of an event")
        after = max(after, int(last_event_id))
    check_place(parts)
    source = await parts.service.runs.watch(run_id, after=after, payloads=payloads)
    if source is None:
        return Response(status_code=204)
    return CountedStream(parts, source)


@router.post(
    "/v1/runs/{run_id}/cancel",
    status_code=202,
    responses=describes(Run, 202, "The run will be asked to stop."),
    openapi_extra=takes(reference(Reason)),
)
@requires(Scope.OPERATE, About.RUN)
async def cancel_run(
    service: TheService, run_id: RunId, body: TheBody, operation_id: TheOperationId, principal: ThePrincipal
) -> Response:
    """Ask a run to stop; its code may clean up first."""
    return json_response(await service.operating.cancel(run_id, _reason_in(body), operation_id, principal.actor), 202)


@router.post(
    "/v1/runs/{run_id}/terminate",
    status_code=202,
    responses=describes(Run, 202, "The run will be ended."),
    openapi_extra=takes(reference(Reason)),
)
@requires(Scope.OPERATE, About.RUN)
async def terminate_run(
    service: TheService, run_id: RunId, body: TheBody, operation_id: TheOperationId, principal: ThePrincipal
) -> Response:
    """End a run without asking its code."""
    return json_response(
        await service.operating.terminate(run_id, _reason_in(body), operation_id, principal.actor), 202
    )


@router.post(
    "/v1/runs/{run_id}/pause",
    responses=describes(Run, 200, "The run does not move."),
    openapi_extra=takes(reference(Reason)),
)
@requires(Scope.OPERATE, About.RUN)
async def pause_run(service: TheService, run_id: RunId, body: TheBody, principal: ThePrincipal) -> Response:
    """Keep a run from moving until it is resumed."""
    return json_response(await service.operating.pause(run_id, principal.name, _reason_in(body), principal.actor))


@router.post("/v1/runs/{run_id}/resume", status_code=202, responses=describes(Run, 202, "The run goes on."))
@requires(Scope.OPERATE, About.RUN)
async def resume_run(
    service: TheService,
    run_id: RunId,
    body: TheBody,  # noqa: ARG001 - read and not used
    principal: ThePrincipal,
) -> Response:
    """Let a parked or paused run go on."""
    return json_response(await service.operating.resume(run_id, principal.actor), 202)


@router.post(
    "/v1/runs/{run_id}/fork",
    status_code=201,
    responses=describes(ForkAnswer, 201, "The new run was made.")
    | describes(ForkAnswer, 200, "It had been made before."),
    openapi_extra=takes(reference(ForkBody)),
)
@requires(Scope.OPERATE, About.RUN)
async def fork_run(
    service: TheService, run_id: RunId, body: TheBody, operation_id: TheOperationId, principal: ThePrincipal
) -> Response:
    """Start a run whose history begins with what another one recorded; an Idempotency-Key names it."""
    read_json(body or b"null", "the request")
    (wanted,), _ = _FORK.decode_call(body or b"null")
    answer, created = await service.forks.fork(run_id, wanted, principal.actor, operation_id)
    return json_response(answer, 201 if created else 200)


@router.post("/v1/bulk", responses=describes(BulkAnswer), openapi_extra=takes(reference(Bulk)))
@requires(Scope.OPERATE, About.SELECTION)
async def operate_many(
    service: TheService, body: TheBody, principal: ThePrincipal, operation_id: TheOperationId
) -> Response:
    """Cancel, terminate, pause or resume the next runs that a filter means; what is refused is listed."""
    read_json(body or b"null", "the request")
    (wanted,), _ = _BULK.decode_call(body or b"null")
    return json_response(
        await service.operating.bulk(wanted, principal.name, operation_id, principal.workflows, principal.actor)
    )


@router.post("/v1/bulk/fork", responses=describes(BulkForkAnswer), openapi_extra=takes(reference(BulkFork)))
@requires(Scope.OPERATE, About.SELECTION)
async def fork_many(
    service: TheService, body: TheBody, principal: ThePrincipal, operation_id: TheOperationId
) -> Response:
    """Fork the next runs that a filter means, all at the same place; what is refused is listed."""
    read_json(body or b"null", "the request")
    (wanted,), _ = _BULK_FORK.decode_call(body or b"null")
    return json_response(await service.forks.fork_many(wanted, operation_id, principal.workflows, principal.actor))


def preferred_wait(headers: list[str]) -> int | None:
    """Return the seconds of `wait=` in Prefer headers (RFC 7240); None without one. The rest is ignored."""
    for each in ",".join(headers).split(","):
        found = _WAIT.fullmatch(each.strip().partition(";")[0])
        if found is not None:
            return int(found["seconds"])
    return None


async def _ended(parts: Parts, run_id: str, seconds: float) -> Run:
    return await wait_unless_stopping(
        parts, parts.service.runs.ended(run_id, seconds)
    ) or await parts.service.runs.read(run_id)


def _reason_in(body: bytes) -> str:
    if not body:
        return ""
    read_json(body, "the request")
    (found,), _ = _REASON.decode_call(body)
    return found.reason if isinstance(found, Reason) else ""


def _with_signal(name: str, body: bytes, id: str | None, conflict: str) -> tuple[bytes, tuple[str, bytes]]:
    """Return the run's input, and the signal that comes with it."""
    if id is None:
        raise RefusalError(400, "?signal= says for no run that it is; name it, open or to be started: ?id=")
    if conflict != "same_input":
        raise RefusalError(400, "?signal= and ?id_conflict_policy= contradict each other: an open run takes the signal")
    read_json(body or b"null", "the request")
    (parts,), _ = _SIGNALLED.decode_call(body or b"null")
    return msgspec.json.encode(parts.input), (name, msgspec.json.encode(parts.signal))


def _path_segment(run_id: str) -> str:
    return quote(run_id, safe="@:!$&'()*+,;=~-._")


def _pairs(parameter: str, given: list[str] | None) -> dict[str, str]:
    """Return what `?parameter=NAME=VALUE` says, once or often."""
    pairs: dict[str, str] = {}
    for each in given or ():
        name, separator, value = each.partition("=")
        if not separator or not name:
            raise InputError(f"?{parameter}=", (("", f"expected NAME=VALUE, not {each[:100]!r}"),))
        pairs[name] = value
    return pairs
