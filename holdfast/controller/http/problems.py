"""What is answered when a request cannot be served: problem+json (RFC 9457).

Owns: which error has which status (one table), and the form of every refusal.
Must not know: routes, verbs.

Nothing leaves that was not meant for readers outside: an exception nobody raised on purpose becomes a 500 with an id,
under which its traceback is in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from uuid import uuid4

import msgspec
from fastapi.exceptions import RequestValidationError
from msgspec import UNSET, UnsetType
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast import errors
from holdfast.controller.http.observing import method_of, route_of
from holdfast.errors import HoldfastError
from holdfast.observe import logger

MEDIA_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 1
"""When to come back to what is only busy or not there at the moment."""

log = logger("holdfast.controller")


class Treatment(NamedTuple):
    """How an error is answered."""

    status: int
    retry: bool = False
    """Whether the same request may work later."""
    hidden: bool = False
    """Whether its words are for operators, not for callers: they go to the log."""


TREATMENTS: Final[Mapping[type[HoldfastError], Treatment]] = {
    # Looked up by class, then by its bases.
    errors.HoldfastError: Treatment(500, hidden=True),
    errors.DefinitionError: Treatment(500),
    errors.PrunedError: Treatment(410),
    errors.PayloadError: Treatment(422),
    errors.PayloadTooLargeError: Treatment(413),
    errors.TaskError: Treatment(500),
    errors.RunError: Treatment(500),
    errors.RequestError: Treatment(400),
    errors.RunNotFoundError: Treatment(404),
    errors.RunClosedError: Treatment(409),
    errors.RunConflictError: Treatment(409),
    errors.RunStateError: Treatment(409),
    errors.CallbackError: Treatment(404),
    errors.CallbackGoneError: Treatment(410),
    errors.ForkError: Treatment(422),
    errors.SignatureError: Treatment(401),
    errors.DeliveryError: Treatment(422),
    errors.DeliveryConflictError: Treatment(409),
    errors.ScheduleError: Treatment(409),
    errors.UnknownNameError: Treatment(404),
    errors.UpdateRejectedError: Treatment(422),
    errors.QueryError: Treatment(500),  # the user's own words
    errors.UpdateFailedError: Treatment(500),  # the same
    errors.NoOrchestratorError: Treatment(503, retry=True),
    errors.BacklogFullError: Treatment(503, retry=True),
    errors.KeyReusedError: Treatment(422),
    errors.KeyInUseError: Treatment(409, retry=True),
    errors.KeyNameError: Treatment(409),
    errors.HttpError: Treatment(400),
    errors.UnauthenticatedError: Treatment(401),
    errors.NotAllowedError: Treatment(403),
    errors.MediaTypeError: Treatment(415),
    errors.TooManyRequestsError: Treatment(429, retry=True),
    errors.LeaseError: Treatment(409),
    errors.StoreError: Treatment(500, hidden=True),
    errors.StoreBusyError: Treatment(503, retry=True),
    errors.StoreFullError: Treatment(503, retry=True),
    errors.MissingExtraError: Treatment(501),
    errors.NotOnEngineError: Treatment(501),
}


REFUSALS: Final[Mapping[int, type[errors.HttpError]]] = {
    401: errors.UnauthenticatedError,
    403: errors.NotAllowedError,
    415: errors.MediaTypeError,
    429: errors.TooManyRequestsError,
    503: errors.TooManyRequestsError,
}
"""What a request is that is refused as HTTP, by status; any other status is an HttpError."""


class ErrorItem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request."""

    pointer: str
    """JSON pointer to it; empty for the whole."""
    detail: str
    at: str | UnsetType = UNSET
    """`query`, `header` or `path`, when it is not in the body."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not served (RFC 9457)."""

    type: str = "about:blank"
    """Leads to what the error means; `about:blank` where the status says it all."""
    title: str
    status: int
    detail: str
    instance: str
    """The path that was asked for."""
    code: str | UnsetType = UNSET
    """Code of the error, such as `HF601`."""
    errors: list[ErrorItem] | UnsetType = UNSET
    error_id: str | UnsetType = UNSET
    """Names this very occurrence in the log."""


class RefusalError(Exception):
    """A request that is wrong as HTTP, whatever it asks for."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer with `status` and say why."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self, scope: Scope) -> Response:
        """Return the answer."""
        return _respond(refusal(self.status, self.detail, _instance(scope)), self.headers)


def treatment_of(kind: type[HoldfastError]) -> Treatment:
    """Return how errors of a class are answered."""
    return next(TREATMENTS[each] for each in kind.__mro__ if each in TREATMENTS)


def refusal(status: int, detail: str, instance: str) -> Problem:
    """Return what is said of a request that is wrong as HTTP."""
    kind = REFUSALS.get(status, errors.HttpError)
    return Problem(
        type=error_type(kind.code),
        title=_title(kind),
        status=status,
        detail=detail,
        instance=instance,
        code=kind.code,
    )


def error_type(code: str) -> str:
    """Return the problem type of an error code: a path on this server that explains it."""
    return f"/errors/{code}"


# --- Handlers ----------------------------------------------------------------------------------------------------


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer an error that Holdfast raised on purpose."""
    assert isinstance(error, HoldfastError)
    treatment = treatment_of(type(error))
    items = [ErrorItem(*each) for each in error.problems] if isinstance(error, errors.InputError) else UNSET
    detail = error.message() if items is UNSET else error.message().partition("\n")[0]
    error_id: str | UnsetType = UNSET
    if treatment.hidden:
        error_id = _log(request.scope, error)
        detail = "the server could not do this; its log says why"
    problem = Problem(
        type=error_type(error.code),
        title=_title(type(error)),
        status=treatment.status,
        detail=detail,
        instance=_instance(request.scope),
        code=error.code,
        errors=items,
        error_id=error_id,
    )
    return _respond(problem, {"Retry-After": str(RETRY_SECONDS)} if treatment.retry else {})


async def answer_refusal(request: Request, error: Exception) -> Response:
    """Answer a request that is wrong as HTTP."""
    assert isinstance(error, RefusalError)
    return error.response(request.scope)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            detail = f"there is nothing at {_instance(request.scope)}; what there is: /openapi.json"
        case 405:
            detail = f"{request.method} is not what one does with {_instance(request.scope)}"
        case _:
            detail = str(error.detail)
    return _respond(refusal(error.status_code, detail, _instance(request.scope)), dict(error.headers or {}))


async def answer_invalid_parameters(request: Request, error: Exception) -> Response:
    """Answer a request whose query, header or path parameters do not fit."""
    assert isinstance(error, RequestValidationError)
    items = []
    for each in error.errors():
        place, *rest = each["loc"]
        items.append(ErrorItem("".join(f"/{token}" for token in rest), each["msg"], str(place)))
    problem = Problem(
        type=error_type(errors.InputError.code),
        title="A value does not fit what is expected.",
        status=422,
        detail="parameters of the request do not fit",
        instance=_instance(request.scope),
        code=errors.InputError.code,
        errors=items,
    )
    return _respond(problem, {})


def answer_unexpected(scope: Scope, error: Exception) -> Response:
    """Answer what nobody expected, and leave its traceback in the log."""
    detail = "something unexpected happened; the server's log has it under this error_id"
    title, error_id = HTTPStatus(500).phrase, _log(scope, error)
    problem = Problem(title=title, status=500, detail=detail, instance=_instance(scope), error_id=error_id)
    return _respond(problem, {})


HANDLERS: Final[dict[Any, Any]] = {
    HoldfastError: answer_error,
    RefusalError: answer_refusal,
    HTTPException: answer_http_error,
    RequestValidationError: answer_invalid_parameters,
}


class CatchAll:
    """Answers whatever nobody expected, and leaves its traceback in the log."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, note)
        except ClientDisconnect:
            return  # nobody is left to be told
        except Exception as error:
            answer = answer_unexpected(scope, error)
            if begun:
                raise  # half an answer is out: only closing the connection tells
            await answer(scope, receive, send)


def _log(scope: Scope, error: BaseException) -> str:
    error_id = uuid4().hex
    log.error("request failed", error_id=error_id, method=method_of(scope), route=route_of(scope), exc_info=error)
    return error_id


def _title(kind: type[HoldfastError]) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _instance(scope: Scope) -> str:
    return quote(scope["path"], safe="/:@!$&'()*+,;=~-._")


def _respond(problem: Problem, headers: Mapping[str, str]) -> Response:
    return Response(msgspec.json.encode(problem), problem.status, dict(headers), MEDIA_TYPE)
