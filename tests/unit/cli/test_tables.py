"""Tables on windows of every width: what may be broken is, and nothing else."""

from __future__ import annotations

from typing import Final

import pytest

from holdfast.cli.tables import brief, set_table

COLUMNS: Final = ("run_id", "status", "reason")
REASON: Final = "the run id does not fit\n  /  expected 1 to 255 characters, none of which is a control character"
ROWS: Final = (
    {"run_id": "order-" + "7" * 30, "status": "FAILED", "reason": REASON},
    {"run_id": "order-8", "status": "COMPLETED", "reason": "-"},
)


def test_a_sentence_stands_beside_its_row_where_there_is_room() -> None:
    """It is folded between words, and goes on where it began."""
    header, first, *_ = lines = set_table(COLUMNS, ROWS, 100).plain.split("\n")
    begin = header.index("reason")
    assert first[begin:] == "the run id does not fit"
    assert all(line[:begin].isspace() for line in lines[2:4])
    assert max(map(len, lines)) <= 100


def test_a_sentence_goes_beneath_its_row_where_there_is_none() -> None:
    """A row without one has nothing beneath, and the header no name for it."""
    header, first, *beneath, last = set_table(COLUMNS, ROWS, 80).plain.split("\n")
    assert header.split() == ["run_id", "status"]
    assert first == f"{ROWS[0]['run_id']}  FAILED"
    assert " ".join(" ".join(beneath).split()) == " ".join(REASON.split())
    assert all(line.startswith("    ") for line in beneath)
    assert last.split() == ["order-8", "COMPLETED"]


@pytest.mark.parametrize("width", [1, 20, 80, 160])
def test_no_id_is_broken(width: int) -> None:
    """A row wider than the window goes on in its next line; what is in it can be copied."""
    lines = set_table(("run_id", "status"), ROWS, width).plain.split("\n")
    assert len(lines) == 3
    assert lines[1].startswith(ROWS[0]["run_id"])


def test_cells_that_others_wrote_keep_to_their_row() -> None:
    """Line ends, markup and wide characters move nothing."""
    rows = [{"run_id": "a\nb", "status": "[red]"}, {"run_id": "東京", "status": "x"}]
    assert set_table(("run_id", "status"), rows, 80).plain.split("\n")[1:] == ["a b     [red]", "東京    x"]


def test_a_status_is_coloured_where_it_stands() -> None:
    """And not in an id that is spelt like one."""
    (span,) = set_table(("run_id", "status"), [{"run_id": "FAILED", "status": "FAILED"}], 80).spans[-1:]
    assert (span.start, span.style) == (len("run_id  status\nFAILED  "), "red")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-30T00:46:51.316036Z", "2026-11-30T00:46:51Z"),
        ("2026-11-30T03:00:00.5+02:00", "2026-11-30T03:00:00+02:00"),
        ("2026-11-30T00:46:51Z", "2026-11-30T00:46:51Z"),
        ("release 2026-11-30T00:46:51.3Z", "release 2026-11-30T00:46:51.3Z"),
    ],
)
def test_times_are_brief(text: str, shown: str) -> None:
    """To the second, whatever their zone; a text that only contains one is left alone."""
    assert brief(text) == shown
