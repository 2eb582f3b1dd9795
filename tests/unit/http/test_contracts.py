"""An answer that is not what the code expects is a drift, which says what differs, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

import pytest
from pydantic import BaseModel

from holdfast.errors import ApiDrift
from holdfast.http.contracts import endpoint_of
from holdfast.testing.fake_api import Answer, WrongType
from tests.unit.worker.rig import on_loop


class Charge(BaseModel):
    """What the fake API answers."""

    id: str
    status: Literal["paid", "refused"]


@dataclass
class AsDataclass:
    """The same."""

    id: str
    status: str


class AsTypedDict(TypedDict):
    """The same."""

    id: str
    status: str


@on_loop
async def test_an_answer_is_read_as_what_is_expected(api, http):
    """As a model, a dataclass, a TypedDict, plain values; what is added is no matter."""
    url = f"{api.url}/charges/1"
    api.drift("/charges", "added")
    assert await http.get(url, expect=Charge) == Charge(id="/charges/1", status="paid")
    assert await http.get(url, expect=AsDataclass) == AsDataclass("/charges/1", "paid")
    assert (await http.get(url, expect=AsTypedDict))["status"] == "paid"
    assert "added_overnight" in await http.get(url, expect=dict)
    assert (await http.get(url)).status_code == 200


@pytest.mark.parametrize(
    ("drift", "field", "change"),
    [
        ("missing", "id", ("id", "a value", "nothing")),
        ("retyped", "id", ("id", "a valid string", "an object")),
        ("widened", "id", ("id", "a valid string", "null")),
        ("new value", "status", ("status", "'paid' or 'refused'", "'SUSPENDED_PENDING_REVIEW'")),
    ],
)
@on_loop
async def test_each_kind_of_drift_is_told(api, http, drift, field, change):
    """Where, what was expected, what was found; from the very call on at which it begins."""
    api.drift("/charges", drift, field, after=1)
    await http.get(f"{api.url}/charges/1", expect=Charge)
    with pytest.raises(ApiDrift) as caught:
        await http.get(f"{api.url}/charges/ch_17?token=x", expect=Charge)
    error = caught.value
    assert error.changes == (change,)
    assert (error.host, error.endpoint, error.contract) == (api.host, "GET /charges/{}", "Charge")
    assert not error.retryable
    assert f"{change[0]}  expected {change[1]}, found {change[2]}" in str(error)
    assert "ch_17" not in error.endpoint
    assert "token" not in str(error)


@on_loop
async def test_values_stay_out_of_reports(api, http):
    """Differences deep in lists are told once, by path and kind."""
    api.play("/charges", Answer(200, {"data": [{"id": 5, "status": "secret-1"}, {"id": 6, "status": "paid"}]}))
    with pytest.raises(ApiDrift) as caught:
        await http.get(f"{api.url}/charges/1", expect=dict[str, list[AsDataclass]])
    assert caught.value.changes == (("data[].id", "a valid string", "a number"),)
    assert "secret-1" not in str(caught.value)


@on_loop
async def test_something_else_than_json_is_a_drift(api, http):
    """A login page with 200 says by its content type what it is."""
    api.play("/charges", WrongType())
    with pytest.raises(ApiDrift) as caught:
        await http.get(f"{api.url}/charges/1", expect=Charge)
    assert caught.value.changes == (("", "JSON", "text/html"),)


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/", "GET /"),
        ("/v1/charges", "GET /v1/charges"),
        ("/v1/charges/17", "GET /v1/charges/{}"),
        ("/v1/charges/ch_1A2b/refunds", "GET /v1/charges/{}/refunds"),
        ("/orders/ord-17", "GET /orders/{}"),
        ("/users/6f1c2b9e-0d0a-4c7e-9d3c-0b7a1e2f3a4b/", "GET /users/{}"),
        ("/blobs/deadbeefdeadbeef", "GET /blobs/{}"),
        ("/user-settings", "GET /user-settings"),
    ],
)
def test_what_is_called_has_one_name_for_all_ids(path, endpoint):
    """Parts of a path that name one thing of many are left out; versions and words are not."""
    assert endpoint_of("GET", path) == endpoint
