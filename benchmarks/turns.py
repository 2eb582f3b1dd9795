"""Systems that take turns, so that whatever disturbs the machine for a while disturbs all of them.

Owns: who is measured when, and what becomes of a measurement that fails.
Must not know: how a case is carried out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from benchmarks.cases import Case, Parameters
from benchmarks.rows import Sample
from benchmarks.subject import MeasuringError, Subject

CarryOut: TypeAlias = Callable[[Case, Subject, Parameters], Sequence[Sample]]


def take_turns(
    cases: Sequence[Case], systems: Iterable[Subject], carry_out: CarryOut, *, quick: bool, repeats: int | None
) -> tuple[dict[tuple[str, str], list[Sample]], list[str]]:
    """Measure each case with each system that takes part in it; return samples by (case, system), and what failed.

    Args:
        cases: what is measured.
        systems: who is there.
        carry_out: measures one case with one system. Raises MeasuringError.
        quick: few of everything, once.
        repeats: how often systems take turns, instead of each case's.
    """
    turns = [
        (turn, case, system, case.parameters[system.name][quick])
        for turn in range(1 if quick else max(repeats or case.repeats for case in cases))
        for case in cases
        for system in systems
        if turn < (repeats or case.repeats) and case.parameters.get(system.name, ({}, {}))[quick]
    ]
    samples: dict[tuple[str, str], list[Sample]] = {
        (case.name, system.name): [] for case in cases for system in systems
    }
    failures = []
    for done, (turn, case, system, parameters) in enumerate(turns):
        print(f"  {done + 1}/{len(turns)} {case.name}: {system.name}, turn {turn + 1}", file=sys.stderr, flush=True)
        try:
            samples[case.name, system.name] += carry_out(case, system, parameters)
        except MeasuringError as error:
            failures.append(f"{case.name}: {error}")
        except KeyboardInterrupt:  # what was measured so far has taken long enough to be told
            failures.append(f"{case.name}: interrupted, with {len(turns) - done - 1} more to come")
            break
    return samples, failures
