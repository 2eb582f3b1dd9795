"""Secrets that came in by every door, looked for in everything that goes out: logs, answers, pages, captures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from holdfast import GitHub, Registry, Retry, task, webhook, workflow
from holdfast.app import ROLES, load_settings, serving
from tests.logbook import logbook
from tests.unit.controller.webhooks.senders import SECRETS, github
from tests.unit.worker.rig import on_loop, wait_until

KNOWN = 'canary "known"/4711+é'
"""What the environment has under a telling name."""
UNKNOWN = "canary-unknown-0123456789"
"""What stands under a telling name where it comes in."""
LOOKS = "canary-77"
"""What a pattern of the settings means."""
MAIL = "canary@shop.test"


@task(retry=Retry(attempts=1))
async def log_in(order: dict[str, Any]) -> None:
    """Fail, and say with what."""
    raise PermissionError(f"cannot log in with {order['password']}, {KNOWN}, {LOOKS}, {MAIL}")


@webhook("git", verify=GitHub("env:HOOK_GITHUB"), id="hooked-{delivery}")
@workflow
async def deploy(order: dict[str, Any]) -> None:
    """Fail in a task."""
    await log_in(order)


ORDER = {
    "password": UNKNOWN,
    "note": f"with {KNOWN} and {LOOKS} for {MAIL}",
    "nested": json.dumps({"api_key": UNKNOWN}),
    "url": f"https://shop:{UNKNOWN}@shop.test/?access_token={UNKNOWN}",
}
HEADERS = {"Cookie": f"session={UNKNOWN}", "X-Api-Key": UNKNOWN, "X-Note": f"{LOOKS} {MAIL}", "X-Token": UNKNOWN}


async def get(http: httpx.AsyncClient, path: str) -> str:
    """Return what is answered, whatever it is."""
    answer = await http.get(path)
    assert answer.status_code in {200, 404}, answer.text
    return answer.text


def test_no_canary_gets_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of inputs, headers, environment and settings; told by name, by value, by looks; also from what runs raised."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOK_GITHUB", SECRETS["HOOK_GITHUB"])
    monkeypatch.setenv("SHOP_TOKEN", KNOWN)
    said: dict[str, str] = {}

    @on_loop
    async def tell() -> None:
        settings = load_settings(
            store=f"sqlite:///{tmp_path}/store.db",
            port=0,
            redact_patterns=(r"canary-\d\d",),
            redact_emails=True,
            log_level="DEBUG",
        )
        body = msgspec.json.encode(ORDER)
        async with (
            serving(settings, Registry(deploy, log_in), ROLES, http=True) as started,
            httpx.AsyncClient(base_url=started.url) as http,
        ):
            wait = {"Prefer": "wait=20", **HEADERS}
            ended = await http.post("/v1/workflows/deploy/runs?id=typed", json=ORDER, headers=wait)
            assert ended.json()["status"] == "FAILED", ended.text
            for delivery, secret in (("d-1", SECRETS["HOOK_GITHUB"]), ("d-2", "somebody else")):
                signed = github(body, secret=secret, delivery=delivery)
                answer = await http.post("/v1/hooks/git", content=body, headers=HEADERS | signed)
                said[f"answer {delivery}"] = answer.text
            await wait_until(lambda: len(list((tmp_path / "captures").glob("*.json"))) == 2)
            said["wrong input"] = (await http.post("/v1/workflows/deploy/runs", json=[UNKNOWN, KNOWN, LOOKS])).text
            for path in ("/", "/errors/HF402", "/v1/deliveries", "/v1/captures", "/metrics", "/openapi.json"):
                said[path] = await get(http, path)
            for run_id in ("typed", "hooked-d-1"):
                said[f"capture {run_id}"] = await get(http, f"/v1/captures/{run_id}")
                assert "cannot log in with" in said[f"capture {run_id}"]
            for each in json.loads(said["/v1/deliveries"])["deliveries"]:
                said[f"delivery {each['state']}"] = await get(http, f"/v1/deliveries/{each['delivery']}")
            assert {"delivery accepted", "delivery refused"} < said.keys()

    with logbook(monkeypatch) as book:
        tell()
    words = book.of("attempt failed")
    assert len(words) == 2
    assert not any("known" in each["error"].replace(UNKNOWN, "") for each in words), (
        "what the process knows is not told"
    )
    said["log"] = "".join(str(each) for each in book.lines if each not in words)  # those are what the code itself said
    for file in (tmp_path / "captures").rglob("*"):
        said[f"file {file.name}"] = file.name + (file.read_text(encoding="utf-8") if file.is_file() else "")
    for place, text in said.items():
        found = text.find("canary")
        assert found < 0, (place, text[max(0, found - 200) : found + 100])
