"""Tables of the benchmarks.

Owns: that every number that is shown stands in its row and column.
"""

from __future__ import annotations

from benchmarks.cases import CASES
from benchmarks.machine import Machine
from benchmarks.render import SHOWN, render
from benchmarks.report import Report
from benchmarks.rows import Row

MACHINE = Machine("a cpu", 2, 0.1, 8.0, "Linux 6", "3.11.7", "ext4 on /", 100.0, 900.0)


def report(*rows: Row) -> Report:
    """Return a full run's report."""
    return Report(MACHINE, quick=False, durability=("Everyone syncs.",), rows=rows)


def test_a_line_has_a_cell_for_each_system() -> None:
    """The product comes first; a peer's cell ends with how many times better the product did."""
    rendered = render(
        report(
            Row("throughput", "dbos", "steps", 500.0, "steps/s", 450.0, 550.0, 5, 2_000),
            Row("throughput", "holdfast", "steps", 50_000.0, "steps/s", 50_000.0, 50_000.0, 1, 10_000),
            Row("fan_out", "holdfast", "latency", 12.345, "ms", 12.345, 12.345, 1, 1),
        )
    )

    assert "| | Holdfast | DBOS Transact, WAL |" in rendered
    assert "| 2,000 runs of 5 steps at once | 50,000 steps/s | 500 steps/s (450–550), 100× |" in rendered
    assert "| `gather` over 1,000 steps | 12.3 ms |  |" in rendered


def test_the_number_of_items_is_told_as_it_was_measured() -> None:
    """A metric that has the size in its name becomes a line that has it in its words."""
    row = Row("map_tasks", "holdfast", "items_100000", 9_000.0, "items/s", 9_000.0, 9_000.0, 1, 100_000)

    assert "| `map_tasks` over 100,000 items | 9,000 items/s |" in render(report(row))


def test_a_profile_is_a_table_of_packages() -> None:
    """Shares of packages are shown, and single functions are not."""
    rendered = render(
        report(
            Row("profile", "holdfast", "package holdfast.engine", 31.4159, "%", 31.4, 31.4, 1, 1),
            Row("profile", "holdfast", "function advance", 5.0, "%", 5.0, 5.0, 1, 1),
        )
    )

    assert "| holdfast.engine | 31.4 % |" in rendered
    assert "advance" not in rendered


def test_every_case_that_is_measured_unasked_is_shown() -> None:
    """No case can be added that readers of the documentation never see."""
    assert {case.name for case in CASES if not case.alone} == set(SHOWN)
