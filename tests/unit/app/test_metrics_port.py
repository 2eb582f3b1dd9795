"""Metrics of a process without HTTP API: on this machine, for this machine."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from holdfast.app.metrics_port import MetricsPort
from holdfast.errors import SettingsError
from holdfast.observe import Meters, Publisher


def test_it_serves_what_the_process_counted() -> None:
    """A scrape gets the numbers as they are now; afterwards nobody listens."""
    meters = Meters()
    port = MetricsPort(Publisher(meters), 0)
    try:
        meters.committed(3, 0.01)
        answer = httpx.get(port.url)
        assert answer.headers["content-type"].startswith("text/plain; version=")
        found = {each.name: each for each in text_string_to_metric_families(answer.text)}
        assert found["holdfast_commits"].samples[0].value == 1
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        assert httpx.get(port.url, headers=accept).text.endswith("# EOF\n")
    finally:
        port.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(port.url)


def test_it_answers_to_names_of_this_machine_only(capfd) -> None:
    """A web page that had its own name point here gets nothing; nor is anything else there, or said about it."""
    port = MetricsPort(Publisher(Meters()), 0)
    try:
        assert httpx.get(port.url, headers={"Host": "pages.example"}).status_code == 421
        assert httpx.get(port.url.replace("127.0.0.1", "localhost")).status_code == 200
        assert httpx.get(port.url.replace("/metrics", "/")).status_code == 404
        assert httpx.post(port.url).status_code == 501
    finally:
        port.close()
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_said_to_be() -> None:
    """Two processes do not share a port, and are told what to do."""
    port = MetricsPort(Publisher(Meters()), 0)
    try:
        taken = int(port.url.rpartition(":")[2].partition("/")[0])
        with pytest.raises(SettingsError, match="--metrics-port"):
            MetricsPort(Publisher(Meters()), taken)
    finally:
        port.close()
