"""JSON Schemas of users: held against values in linear time, and nothing is fetched."""

from __future__ import annotations

import http.server
import threading
import time

import pytest

from holdfast.authoring import startable, workflow
from holdfast.authoring.json_schemas import compile_schema
from holdfast.controller.inputs import canonical
from holdfast.errors import DefinitionError, InputError

ORDER = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"id": {"type": "integer"}, "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}}},
    "required": ["id"],
    "$defs": {"line": {"type": "object", "required": ["name"], "properties": {"name": {"pattern": "^[a-z]+$"}}}},
}


def test_each_wrong_field_is_named_by_its_pointer():
    """And the value itself, which may be a secret, is not shown."""
    check = compile_schema(ORDER, "schema")
    assert check({"id": 1, "lines": [{"name": "x"}]}) == ()
    problems = check({"id": "canary", "lines": [{"name": "x"}, {}, {"name": "CANARY"}]})
    assert {pointer for pointer, _ in problems} == {"/id", "/lines/1", "/lines/2/name"}
    assert "canary" not in str(problems).lower()
    assert check({})[0][0] == ""
    assert compile_schema(False, "schema")(1) != ()
    assert compile_schema(True, "schema")(1) == ()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nothing"},
        {"type": 5},
        {"properties": []},
        {"pattern": "("},
        {"pattern": "(a)\\1"},
        {"pattern": "(?=a)b"},
        {"$ref": "#/$defs/nothing"},
        {"$ref": "file:///etc/hosts"},
        {"$ref": "https://schemas.example.com/order.json"},
        {"properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}},
        [],
        "{}",
        5,
    ],
)
def test_what_cannot_be_used_is_refused_where_it_is_written(schema):
    """No schema, a pattern that needs to go back, a reference to elsewhere."""
    with pytest.raises(DefinitionError, match="schema of webhook 'w'"):
        compile_schema(schema, "schema of webhook 'w'")


def test_nothing_is_fetched():
    """A server that waits for it hears nothing."""
    heard = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        for schema in ({"$ref": "{}/a"}, {"$dynamicRef": "{}/b"}, {"$schema": "{}/c"}, {"$id": "{}/d", "$ref": "e"}):
            url = f"http://127.0.0.1:{server.server_port}"
            with pytest.raises(DefinitionError):
                compile_schema({key: value.format(url) for key, value in schema.items()}, "schema")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert heard == []


def test_a_pattern_that_takes_for_ever_elsewhere_takes_no_time():
    """Catastrophic for an engine that goes back."""
    check = compile_schema({"pattern": "^(a+)+$"}, "schema")
    began = time.perf_counter()
    assert check("a" * 5_000 + "!") != ()
    assert time.perf_counter() - began < 1


def test_a_workflow_is_held_to_its_schema():
    """Whoever starts one: a client, a parent, the API; and the catalogue shows the schema."""

    @workflow(input_schema={"type": "object", "properties": {"id": {"minimum": 1}}, "required": ["id"]})
    async def priced(order: dict) -> None: ...

    assert startable(priced).encode_call(({"id": 1},), {}) == b'{"id":1}'
    for call in (startable(priced).encode_call, priced.encode_input):
        with pytest.raises(InputError) as caught:
            call(({"id": 0},), {})
        assert [pointer for pointer, _ in caught.value.problems] == ["/id"]
    with pytest.raises(InputError):
        canonical(priced, b'{"id": -1}', "the input")
    assert canonical(priced, b' {"id": 5}', "the input") == b'{"id":5}'
    assert priced.input_schema()["properties"] == {"id": {"minimum": 1}}
    with pytest.raises(DefinitionError, match="input_schema of workflow"):
        workflow(input_schema={"$ref": "https://elsewhere.example.com"})(priced.fn)
