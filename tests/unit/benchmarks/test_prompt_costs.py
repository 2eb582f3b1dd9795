"""What a kept prefix saves in money: a small table of it, and one write however many tasks begin at once."""

from __future__ import annotations

from benchmarks.prompt_costs import main


def test_the_table_is_told_and_a_cold_prefix_is_written_once(capsys, monkeypatch):
    """Without a prefix nothing is read; with one, all but the first task read it."""
    monkeypatch.setenv("PROMPT_COSTS_KEY", "")
    assert main(["--tokens", "2000", "--tasks", "4", "--cold", "40"]) == 0
    told = capsys.readouterr().out.splitlines()
    without, cached, cold = (line.split("cached(...)")[-1].split("without")[-1].split() for line in told[-3:])
    assert (without[0], without[2], without[5]) == ("4", "0", "0")
    assert (cached[0], cached[2], cached[5]) == ("4", "6,000", "1")
    assert (cold[0], cold[2], cold[5]) == ("40", "78,000", "1")
    assert without[6] > cached[6]
