"""Refusals: one form for all of them, the right status, and nothing in them that is not for callers."""

from __future__ import annotations

import logging

import pytest
from fastapi import APIRouter
from starlette.responses import Response

from holdfast import errors
from holdfast.controller import Scope
from holdfast.controller.http import ScopedRoute, requires
from holdfast.controller.http.problems import TREATMENTS, treatment_of
from holdfast.errors import HoldfastError
from tests.unit.controller.rig import check_problem, on_loop, serving

KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, HoldfastError)]
RAISED = {
    "busy": errors.StoreBusyError("the file is busy at /secret/place"),
    "full": errors.StoreFullError("the disk is full"),
    "corrupt": errors.StoreCorruptError("page 7 of /secret/place is damaged"),
    "bare": HoldfastError(),
    "alone": errors.NoOrchestratorError("query 'x'"),
    "rejected": errors.UpdateRejectedError("add", "ValueError", "no more"),
    "query": errors.QueryError("progress", "KeyError", "'x'"),
    "handler": errors.RunFailedError("r-1", "ValueError", "no more", "Traceback: /secret/place"),
    "input": errors.InputError("the input", (("/a", "missing"), ("/b/0", "expected int"))),
    "large": errors.PayloadTooLargeError("the input", 10, 5),
    "surprise": RuntimeError("password is /secret/place"),
}
router = APIRouter(route_class=ScopedRoute)


@router.get("/raise/{name}")
@requires(Scope.READ)
async def raise_it(name: str) -> None:
    """Raise what was asked for."""
    raise RAISED[name]


class TornResponse(Response):
    """An answer that breaks in the middle."""

    async def __call__(self, scope, receive, send):  # noqa: ARG002 - ASGI's shape
        """Begin, and fail."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("torn")


@router.get("/torn")
@requires(Scope.READ)
async def tear() -> Response:
    """Answer by half."""
    return TornResponse()


@on_loop
async def test_a_parameter_that_there_is_not_is_refused(tmp_path):
    """Ignored, a misspelt filter would mean everything. Each is named, with the one that may be meant."""
    async with serving(tmp_path) as api:
        await api.http.post("/v1/workflows/idle/runs?id=r")
        problem = check_problem(await api.http.get("/v1/runs?workfow=x&limit=1&zz=1"), 422, "HF402")
        places = [(each["at"], each["pointer"]) for each in problem["errors"]]
        assert places == [("query", "/workfow"), ("query", "/zz")]
        assert "Did you mean 'workflow'?" in problem["errors"][0]["detail"]
        assert "attributes" not in problem["errors"][1]["detail"]
        assert "There are: created_before, created_from" in problem["errors"][1]["detail"]
        check_problem(await api.http.post("/v1/runs/r/cancel?reason=x"), 422, "HF402")
        assert await api.store.execution_inbox(1) == []
        check_problem(await api.http.post("/v1/workflows/idle/runs?Id=s"), 422, "HF402")
        assert (await api.http.get("/healthz?probe=1")).status_code == 200
        await api.make_keys()
        check_problem(await api.http.get("/v1/runs?workfow=x"), 401)


@on_loop
async def test_every_refusal_has_a_code_that_leads_somewhere(tmp_path):
    """What is wrong as HTTP, whatever it asks for, is told by a code with a page of its own, too."""
    async with serving(tmp_path) as api:
        codes = {}
        for method, path, headers in (
            ("GET", "/nowhere", {}),
            ("DELETE", "/healthz", {}),
            ("GET", "/errors/HF999", {}),
            ("GET", "/v1/runs", {"Host": "elsewhere.example"}),
            ("POST", "/v1/runs/r/cancel", {"Origin": "https://elsewhere.example"}),
            ("POST", "/v1/bulk", {"Content-Encoding": "gzip"}),
            ("POST", "/v1/bulk", {"Idempotency-Key": "a\tb"}),
        ):
            reply = await api.http.request(method, path, headers=headers)
            codes[reply.status_code] = check_problem(reply, reply.status_code)["code"]
            assert (await api.http.get(reply.json()["type"])).status_code == 200
        assert codes == {404: "HF650", 405: "HF650", 421: "HF650", 403: "HF652", 415: "HF653", 400: "HF650"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_status(kind):
    """Each class of the tree is in the table, by itself or by a base other than the root, or is hidden."""
    treatment = treatment_of(kind)
    assert 400 <= treatment.status <= 599
    assert treatment.retry == (treatment.status == 503 or kind in {errors.KeyInUseError, errors.TooManyRequestsError})


def test_the_table_has_the_statuses_that_were_promised():
    """The statuses that callers act on."""
    promised = {
        errors.RunNotFoundError: 404,
        errors.UnknownNameError: 404,
        errors.RunConflictError: 409,
        errors.RunClosedError: 409,
        errors.InputError: 422,
        errors.EncodeError: 422,
        errors.UpdateRejectedError: 422,
        errors.PayloadTooLargeError: 413,
        errors.NoOrchestratorError: 503,
        errors.StoreBusyError: 503,
        errors.StoreFullError: 503,
        errors.LeaseHeld: 409,
    }
    assert {kind: treatment_of(kind).status for kind in promised} == promised
    assert set(TREATMENTS) <= set(KINDS)


@pytest.mark.parametrize(
    ("name", "status", "code", "words"),
    [
        ("busy", 503, "HF801", ""),
        ("full", 503, "HF802", ""),
        ("alone", 503, "HF607", "holdfast orchestrator"),
        ("rejected", 422, "HF605", "no more"),
        ("query", 500, "HF606", "KeyError"),
        ("handler", 500, "HF511", "no more"),
        ("large", 413, "HF403", "payload_bytes_max"),
    ],
)
@on_loop
async def test_an_error_is_answered_with_its_words(tmp_path, name, status, code, words):
    """What was raised on purpose is told, with its code, and when to come back where that helps."""
    async with serving(tmp_path, routers=[router]) as api:
        response = await api.http.get(f"/raise/{name}")
        problem = check_problem(response, status, code)
        assert words in problem["detail"]
        assert ("retry-after" in response.headers) == (status == 503)
        assert "Traceback" not in response.text
        page = await api.http.get(problem["type"])
        assert page.status_code == 200
        assert code in page.text


@on_loop
async def test_wrong_input_is_told_by_pointers(tmp_path):
    """Each field that does not fit has its pointer and its reason."""
    async with serving(tmp_path, routers=[router]) as api:
        problem = check_problem(await api.http.get("/raise/input"), 422, "HF402")
        assert problem["errors"] == [
            {"pointer": "/a", "detail": "missing"},
            {"pointer": "/b/0", "detail": "expected int"},
        ]


@pytest.mark.parametrize("name", ["corrupt", "bare", "surprise"])
@on_loop
async def test_what_is_not_for_callers_is_in_the_log(tmp_path, caplog, name):
    """An error that is for operators leaves an id in the answer and everything else in the log."""
    async with serving(tmp_path, routers=[router]) as api:
        with caplog.at_level(logging.ERROR, "holdfast.controller"):
            response = await api.http.get(f"/raise/{name}")
        problem = check_problem(response, 500)
        assert "secret" not in response.text
        assert "RuntimeError" not in response.text
        (logged,) = [each for each in caplog.records if each.name == "holdfast.controller"]
        assert logged.error_id == problem["error_id"]
        assert logged.route == "/raise/{name}"
        assert type(RAISED[name]).__name__ in logged.exception


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nothing", 404, "/openapi.json"),
        ("GET", "/errors/HF000000", 404, "no error"),
        ("PUT", "/v1/runs", 405, "PUT"),
        ("GET", "/v1/runs?limit=many", 422, ""),
        ("GET", "/v1/runs?limit=0", 422, ""),
        ("GET", "/v1/runs?limit=501", 422, ""),
        ("GET", "/v1/runs?status=LOST", 422, ""),
        ("GET", "/v1/runs?cursor=x", 422, ""),
        ("GET", "/v1/runs?cursor=99999999999999999999", 422, ""),
        ("GET", "/v1/runs?payloads=perhaps", 422, ""),
        ("GET", "/v1/runs/r/history?after=-1", 422, ""),
        ("GET", "/v1/runs/r/result?wait=inf", 422, ""),
        ("GET", "/v1/runs/r/result?wait=nan", 422, ""),
        ("GET", "/v1/runs/" + "r" * 301, 422, ""),
        ("GET", "/v1/runs/r", 404, "'r'"),
        ("GET", "/v1/workflows/x", 404, "greet"),
        ("POST", "/v1/workflows/x/runs", 404, "greet"),
        ("POST", "/v1/runs/r/signals/x", 404, "'r'"),
        ("DELETE", "/v1/keys/x", 404, "API key"),
        ("GET", "/%0d%0aSet-Cookie:x", 404, ""),
        ("GET", "/%ff", 404, ""),
    ],
)
@on_loop
async def test_every_refusal_has_the_same_form(tmp_path, method, path, status, words):
    """Whoever refuses - framework, routing, parameters, service - it is problem+json, and says what."""
    async with serving(tmp_path) as api:
        response = await api.http.request(method, path)
        problem = check_problem(response, status)
        assert words in problem["detail"]
        assert ("allow" in response.headers) == (status == 405)
        if "?" in path:
            (error,) = problem["errors"]
            assert error["pointer"] == "/" + path.partition("?")[2].partition("=")[0]


@on_loop
async def test_half_an_answer_is_cut_off(tmp_path):
    """When something goes wrong after the answer has begun, the connection breaks rather than end well."""
    async with serving(tmp_path, routers=[router]) as api:
        with pytest.raises(RuntimeError, match="torn"):
            await api.raw("GET", b"/torn")
