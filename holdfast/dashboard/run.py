"""One run: why it does not move, its timeline, its events, and what can be done with it.

Owns: what stands on the page of a run, which of its events are on it, and its buttons.
Must not know: how events are found, how anything is carried out.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller import Scope, read_json
from holdfast.controller.documents import ForkBody
from holdfast.controller.http import About, RefusalError, RunId, ThePrincipal, TheService, requires
from holdfast.dashboard.ai import added
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.live import live
from holdfast.dashboard.pages import show
from holdfast.dashboard.timeline import Timeline, draw_timeline
from holdfast.dashboard.words import pretty, segment
from holdfast.errors import HoldfastError
from holdfast.ports.operations import FAILED, PARKED, TERMINAL, TIMED_OUT

EVENTS: Final = 200
"""How many events stand on one page; on the last one up to half as many more or less, so that none is nearly empty."""
PAYLOADS_CHARACTERS_MAX: Final = 90_000
"""How much of payloads one page shows, all together."""
PAYLOAD_CHARACTERS_MAX: Final = 2_000
EXPLAINED_EVENTS_MAX: Final = 2_000
"""Beyond, a page that is open looks again for why a run waits only when something happens: each look is a replay."""
ASKED_STEPS_MAX: Final = 50
"""How many steps that asked language models one page shows."""
COMMON: Final = frozenset({"id", "type", "time", "step", "cause", "ordinal", "issued", "flags", "seed", "python"})
"""Fields of an event that are told elsewhere, or say nothing to anybody."""
CAPTURED: Final = frozenset({FAILED, TIMED_OUT, PARKED})
PAYLOADS: Final = frozenset({"input", "result"})

_SECONDS: Final = re.compile(r"[0-9,]+ s\b")

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/runs/{run_id}")
@requires(Scope.READ, About.RUN)
async def read_run(request: Request, service: TheService, run_id: RunId, page: int = 0) -> Response:
    """Show a run; of a long one, its last events."""
    run = await service.runs.read(run_id)
    is_open = run.status not in TERMINAL
    pages = count_pages(run.last_event)
    number = min(page, pages) if page > 0 else pages
    after = (number - 1) * EVENTS
    limit = EVENTS if number < pages else max(run.last_event - after, 1)
    pruned = ""
    events: list[dict[str, Any]] = []
    secrets: list[str] = []
    try:
        found = await service.runs.history(run_id, after=after, limit=limit, payloads=True)
        if run.error is not UNSET or any("failure" in each for each in found.events):
            secrets = await _secrets_of(service, run_id, found.events if number == 1 else None)
        events = [_redacted(service, each, secrets) for each in found.events]
    except HoldfastError as error:
        pruned = error.message()
    explained = await service.runs.explain(run_id) if is_open else None
    causes = [] if explained is None else explained.causes
    asked = (await service.spending.run_usage(run_id)).usage
    drawn = draw_timeline(events, time.time(), is_open=is_open and number == pages)
    say_now(drawn, causes)
    return show(
        request,
        "run.html",
        run=run,
        is_open=is_open,
        is_running=run.status == "RUNNING",
        number=number,
        pages=pages,
        pruned=pruned,
        causes=causes,
        drawn=drawn,
        events=shown_events(events),
        input=_first(events, "input") if number == 1 else None,
        result=_text(service, run.result),
        failure=_failure_of(service, run, events, secrets),
        steps=[each["step"] for each in events if each["type"] in {"TaskCompleted", "TaskFailed", "TaskTimedOut"}],
        handlers=_handlers(service, run.workflow),
        capture=await _capture(service, run),
        asked=asked[:ASKED_STEPS_MAX],
        asked_in_all=added(asked),
        asked_steps=len(asked),
    )


@router.get("/runs/{run_id}/live")
@requires(Scope.READ, About.RUN)
async def follow_run(request: Request, service: TheService, run_id: RunId) -> Response:
    """Say when the page of a run would look another way."""
    looks = 0
    causes: object = None

    async def look() -> object:
        nonlocal looks, causes
        run = await service.runs.read(run_id, payloads=False)
        # Why it waits may change although nothing is recorded: a worker took a task over.
        if looks % 5 == 0 and run.status not in TERMINAL and run.last_event < EXPLAINED_EVENTS_MAX:
            causes = _SECONDS.sub("", str((await service.runs.explain(run_id)).causes))
        looks += 1
        return run.status, run.last_event, run.owner, run.execution, run.attributes, causes

    return live(request, f"run {run_id}", look)


@router.get("/runs/{run_id}/events/{event}")
@requires(Scope.READ, About.RUN)
async def read_event(service: TheService, run_id: RunId, event: int) -> Response:
    """Show one event, all of it, as plain text."""
    found = await service.runs.history(run_id, after=max(event - 1, 0), limit=1, payloads=True)
    if not found.events:
        raise RefusalError(404, "there is no such event")
    (shown,) = found.events
    secrets = await _secrets_of(service, run_id, None) if "failure" in shown else []
    text = pretty(_redacted(service, shown, secrets))
    return Response(text, media_type="text/plain", headers={"Content-Security-Policy": "default-src 'none'; sandbox"})


@router.post("/runs/{run_id}/do/{verb}")
@requires(Scope.OPERATE, About.RUN)
async def operate(service: TheService, run_id: RunId, verb: str, principal: ThePrincipal, form: TheForm) -> Response:
    """Cancel, terminate, pause or resume a run."""
    operating, reason, actor = service.operating, form["reason"], principal.actor
    match verb:
        case "cancel":
            await operating.cancel(run_id, reason, form["operation"] or None, actor)
        case "terminate":
            await operating.terminate(run_id, reason, form["operation"] or None, actor)
        case "pause":
            await operating.pause(run_id, principal.name, reason, actor)
        case "resume":
            await operating.resume(run_id, actor)
        case _:
            raise RefusalError(404, "expected cancel, terminate, pause or resume")
    return _to(run_id)


@router.post("/runs/{run_id}/fork")
@requires(Scope.OPERATE, About.RUN)
async def fork(service: TheService, run_id: RunId, principal: ThePrincipal, form: TheForm) -> Response:
    """Start a run that begins with what this one recorded, perhaps with another value in one place."""
    at, value = form["at"].strip() or "start", form["value"].strip()
    override: dict[str, Any] = {}
    given: Any = UNSET
    if value:
        read = read_json(value.encode(), "the value")
        if at == "start":
            given = read
        else:
            override[form["step"].strip() or at] = read
    body = ForkBody(at=at, id=form["id"].strip() or None, override=override, input=given)
    answer, _ = await service.forks.fork(run_id, body, principal.actor, form["operation"] or None)
    return _to(answer.run.run_id)


def count_pages(events: int) -> int:
    """Return how many pages the events of a run take."""
    return max(1, (events + EVENTS // 2) // EVENTS)


def say_now(drawn: Timeline, causes: Sequence[Any]) -> None:
    """Say of each step that is under way where it is: on which worker, in which line."""
    words = {each.step: each.text for each in causes if each.step}
    for lane in drawn.lanes:
        if lane.outcome == "open":
            lane.said = words.get(lane.step, lane.said)


async def _capture(service: Any, run: Any) -> str:
    """Return the name of the newest capture of a run that went wrong, if there is one."""
    if run.status not in CAPTURED:
        return ""
    try:
        name, _ = await service.captures.read(run.run_id)
    except HoldfastError:
        return ""
    return str(name)


def _to(run_id: str) -> Response:
    return RedirectResponse(f"/runs/{segment(run_id)}", 303)


async def _secrets_of(service: Any, run_id: str, first: list[dict[str, Any]] | None) -> list[str]:
    """Return what a run was given under the name of a secret: its failure may repeat it.

    Of a long run the first event is read for this, which takes as long as reading the run: nothing else asks for it.
    """
    if first is None:
        first = (await service.runs.history(run_id, after=0, limit=1, payloads=True)).events
    return service.webhooks.redaction.named(first[0].get("input")) if first else []


def _redacted(service: Any, event: dict[str, Any], secrets: list[str]) -> dict[str, Any]:
    """Return an event without the secrets in it."""
    shown = service.webhooks.redaction.without(event, secrets)
    return shown if isinstance(shown, dict) else {}


def _text(service: Any, value: Any) -> str | None:
    return None if value is UNSET else pretty(service.webhooks.redaction.body(msgspec.json.encode(value)))


def _first(events: list[dict[str, Any]], name: str) -> str | None:
    return pretty(events[0][name]) if events and events[0].get(name) is not None else None


def _failure_of(service: Any, run: Any, events: list[dict[str, Any]], secrets: list[str]) -> dict[str, Any] | None:
    """Return how a run failed, with the traceback where its events have one."""
    if run.error is UNSET or run.error is None:
        return None
    error = _redacted(service, run.error, secrets)
    for each in reversed(events):
        found = each.get("failure")
        if each["type"] in {"WorkflowFailed", "TaskFailed", "TaskTimedOut"} and found and _traceback(found):
            return {**error, "traceback": _traceback(found)}
    return {"traceback": "", **error}


def _traceback(failure: dict[str, Any] | None) -> str:
    """Return the traceback of a failure, or the first of its causes."""
    while failure:
        if failure.get("traceback"):
            return str(failure["traceback"])
        failure = failure.get("cause")
    return ""


def shown_events(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events as their list shows them: what, in one line, and the rest to be opened."""
    left = PAYLOADS_CHARACTERS_MAX
    shown = []
    for each in events:
        rest = {
            name: value for name, value in each.items() if name not in COMMON and value not in ("", {}, [], None, 0.0)
        }
        small = {
            name: value for name, value in rest.items() if isinstance(value, str | int | float) and name not in PAYLOADS
        }
        what = ", ".join(f"{name} {value}" for name, value in small.items() if len(str(value)) < 80)
        text = pretty(rest) if rest else ""
        room = max(min(PAYLOAD_CHARACTERS_MAX, left), 0)
        left -= min(len(text), room)
        shown.append(
            {
                "id": each["id"],
                "type": each["type"],
                "time": each["time"],
                "step": str(each.get("step") or each.get("name") or each.get("update_id") or ""),
                "what": what,
                "text": text if len(text) <= room else text[:room],
                "is_cut": len(text) > room,
            }
        )
    return shown


def _handlers(service: Any, workflow: str) -> dict[str, list[str]]:
    """Return which messages a workflow takes, as far as its code is known here."""
    if workflow not in service.registry.workflows:
        return {"signal": [], "update": [], "query": []}
    definition = service.registry.workflow(workflow)
    return {
        "signal": sorted(definition.signals),
        "update": sorted(definition.updates),
        "query": sorted(definition.queries),
    }
