"""The benchmarks, as a person runs them.

Owns: that they run from the checkout, and the shape of what they write. Never how fast anything is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import go_without_program, require_program
from tests.servers import postgres, redis

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 120


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the benchmarks from the checkout, without peers unless `environment` names them."""
    variables = {name: value for name, value in os.environ.items() if name != "HOLDFAST_PEERS_PYTHON"} | environment
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a quick run of one case wrote."""
    folder = tmp_path_factory.mktemp("report")
    done = run(
        *("benchmarks.embedded", "--quick", "--only", "sequential"),
        *("--json", str(folder / "report.json"), "--folder", str(folder)),
    )
    assert done.returncode == 0, done.stderr
    return folder / "report.json"


def test_a_row_says_what_was_measured_of_whom_and_how_often(report: Path) -> None:
    """Each row has case, system, metric, value and unit, and a median lies within its spread."""
    rows = json.loads(report.read_text())["rows"]

    assert {row["metric"] for row in rows} >= {"1_step_p50", "1_step_p95", "1_step_p99", "10_step_p50", "10_step_p99"}
    for row in rows:
        assert (row["case"], row["system"], row["unit"]) == ("sequential", "holdfast", "ms")
        assert 0 < row["low"] <= row["value"] <= row["high"]
        assert row["n"] >= 1
        assert row["of"] > 1


def test_the_machine_is_described_on_top(report: Path) -> None:
    """A report begins with the machine, its disk's latency among the rest."""
    read = json.loads(report.read_text())

    assert next(iter(read)) == "machine"
    assert {"cpu", "cores", "python", "kernel", "file_system"} <= read["machine"].keys()
    assert 0 < read["machine"]["fdatasync_p50_us"] <= read["machine"]["fdatasync_p99_us"]
    assert read["quick"] is True


def test_nothing_is_left_on_the_disk_that_was_measured(report: Path) -> None:
    """Stores and logs of a measurement end with it."""
    assert [path.name for path in report.parent.iterdir()] == ["report.json"]


def test_a_report_becomes_a_table(report: Path) -> None:
    """What was measured is rendered as Markdown for the documentation, a quick run with a warning."""
    done = run("benchmarks.render", str(report))

    assert done.returncode == 0, done.stderr
    assert "| 10 steps one after the other, p50 |" in done.stdout
    assert "they only show that it runs" in done.stdout


def test_a_measurement_that_fails_is_told_and_fails_the_command(tmp_path: Path) -> None:
    """A system that cannot be measured is named with what it said, and the others are measured all the same."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho the peer is broken >&2\nexit 3\n")
    broken.chmod(0o700)

    done = run(
        *("benchmarks.embedded", "--quick", "--only", "sequential", "--folder", str(tmp_path)),
        HOLDFAST_PEERS_PYTHON=str(broken),
    )

    assert done.returncode != 0
    assert "the peer is broken" in done.stderr
    assert "10_step_p50" in done.stdout


def test_replay_is_measured_without_a_store(tmp_path: Path) -> None:
    """Each case has its rates of loading and replaying, and the machine on top."""
    done = run("benchmarks.replay", "--quick", "--json", str(tmp_path / "report.json"))
    assert done.returncode == 0, done.stderr
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["machine"]["cores"] >= 1
    assert {(row["case"], row["metric"]) for row in read["rows"]} == {
        (case, metric) for case in ("sequence", "fan", "timers") for metric in ("load", "replay", "load_and_replay")
    }
    assert all(row["value"] > 0 and row["of"] > 1000 for row in read["rows"])


def test_webhooks_are_measured_beside_a_bare_route(tmp_path: Path) -> None:
    """Both systems have their rate and their latencies, and the product against the bare route in the same run."""
    done = run("benchmarks.webhooks", "--quick", "--json", str(tmp_path / "report.json"))
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "report.json").read_text())["rows"]
    assert {(row["system"], row["metric"]) for row in rows} == {
        (system, metric) for system in ("holdfast", "bare") for metric in ("deliveries", "p50", "p99")
    }
    assert all(row["value"] > 0 and row["of"] == 200 for row in rows)


def test_a_crowded_dashboard_is_measured_in_a_browser(tmp_path: Path) -> None:
    """Each page has its first paint and its size, the process its memory, and open dashboards what they cost."""
    require_program("chromium", "apt-get install chromium")
    done = run("benchmarks.dashboard", "--quick", "--json", str(tmp_path / "report.json"))
    assert done.returncode == 0, done.stderr
    rows = {row["metric"]: row["value"] for row in json.loads((tmp_path / "report.json").read_text())["rows"]}
    assert rows.keys() >= {"memory", "memory_more_after_pages", "core_for_those_open"}
    pages = [metric.removeprefix("page_") for metric in rows if metric.startswith("page_")]
    assert len(pages) == 6
    assert all(0 < rows[f"page_{each}"] < 300 for each in pages)
    assert all(rows[f"first_paint_{each}"] > 0 for each in pages)


def test_a_fleet_is_measured_on_servers_of_its_own(tmp_path: Path) -> None:
    """Runs have their rates, tasks through the queue their latencies, and it is said what was durable."""
    if postgres.find_programs() is None:
        go_without_program("postgres", postgres.INSTALL)
    require_program(redis.PROGRAM, redis.INSTALL)
    cases = ("--only", "in_process", "--only", "round_trip", "--only", "map_changing", "--system", "holdfast")
    done = run("benchmarks.fleet", "--quick", *cases, "--json", str(tmp_path / "report.json"))
    assert done.returncode == 0, done.stderr
    read = json.loads((tmp_path / "report.json").read_text())
    rows = {(row["case"], row["metric"]): row["value"] for row in read["rows"]}
    assert rows.keys() >= {("in_process", "steps"), ("in_process", "runs"), ("round_trip", "trip_p50")}
    stretches = [metric for case, metric in rows if case == "map_changing"]
    assert stretches == ["stretch_1_workers_1", "stretch_2_workers_2", "stretch_3_workers_1"]
    assert all(value > 0 for value in rows.values())
    assert any("fsync" in line for line in read["durability"])


def test_without_its_servers_a_fleet_is_not_measured_and_says_why() -> None:
    """Whoever lacks a server is told how to install it, and the other benchmarks go on."""
    done = run("benchmarks.fleet", "--quick", PATH="")
    assert (done.returncode, redis.INSTALL in done.stderr) == (0, True)


def test_the_cost_of_calls_is_measured_beside_the_bare_client(tmp_path: Path) -> None:
    """A row of processor time for each of the four, and one of what three of them take more than the bare client."""
    done = run("benchmarks.outbound", "--quick", "--json", str(tmp_path / "report.json"))
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "report.json").read_text())["rows"]
    ours = ("holdfast", "checked", "learned")
    assert [(row["system"], row["metric"]) for row in rows] == [
        ("httpx", "cpu"),
        *((system, metric) for system in ours for metric in ("cpu", "more cpu")),
    ]
    assert "of processor time beside httpx" in done.stdout
