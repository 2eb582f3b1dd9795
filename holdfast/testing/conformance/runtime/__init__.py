"""What code inside a workflow may rely on, on every engine, also when everything is killed in the middle.

Owns: the list of all scenarios.
Must not know: any engine. A scenario that behaves differently on two of them is a scenario that found a bug.

Add a scenario
==============

It is a workflow, and a driver that says what happens to it from outside. Put both into the module about their subject;
there is nothing to register. This is a whole one:

```python
@workflow
async def two_steps(first: str, second: str) -> list[str]:
    return [await apply_held(first), await apply(second)]


@scenario(result=["a", "b"], effects=["a", "b"])
async def steps_run_one_after_another(stage: Stage) -> RunHandle[Any]:
    \"\"\"A step begins when the one before it has ended.\"\"\"
    run = await stage.start(two_steps, "a", "b")
    await stage.effects(1)
    await stage.middle()
    return run
```

- `result`, `status` and `error` say how the run that the driver returns ends; `effects` lists the payload of every
  effect, in any order. An effect that happened twice comes twice, and then the scenario fails.
- `stage.middle()` is where everything that runs workflows and tasks is killed, on harnesses that kill. Each driver
  calls it at least once, or `stage.deploy(version, run)`, which goes on with other code: when something has happened
  and something is still to come. Both also open the gate for `apply_held`, a task that has its effect and then waits
  for the gate: a step that is killed there has happened, and nobody knows.
- Wait for facts, never for time: `stage.effects(n)`, `stage.until(...)`. A message is sent by `stage.update(...)` or
  the handle's own verbs; each survives the kill.
- Workflows and tasks have names of their own: all modules are served together.

Run the suite on an engine
==========================

    for each in SCENARIOS:
        asyncio.run(perform(each, MyHarness(...)))

where the processes of `MyHarness` serve MODULES and the definitions of VERSIONS[FIRST], and have FOLDER_VARIABLE in
their environment. After `deploy(version)` they serve the definitions of VERSIONS[version] instead.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final

from holdfast.testing.conformance.runtime import (
    ends,
    facts,
    locks,
    messages,
    operating,
    others,
    semantics,
    steps,
    tasks,
    timers,
    versions,
)
from holdfast.testing.conformance.runtime.scenario import RuntimeHarness, Scenario, Stage, perform, scenario
from holdfast.testing.conformance.runtime.tasks import FOLDER_VARIABLE
from holdfast.testing.conformance.runtime.versions import FIRST, VERSIONS

MODULES: Final[tuple[ModuleType, ...]] = (
    tasks,
    steps,
    timers,
    messages,
    ends,
    locks,
    facts,
    semantics,
    others,
    operating,
    versions,
)
"""Where the workflows and tasks of all scenarios are found."""

SCENARIOS: Final[tuple[Scenario, ...]] = tuple(
    each for module in MODULES for each in vars(module).values() if isinstance(each, Scenario)
)

__all__ = [
    "FIRST",
    "FOLDER_VARIABLE",
    "MODULES",
    "SCENARIOS",
    "VERSIONS",
    "RuntimeHarness",
    "Scenario",
    "Stage",
    "perform",
    "scenario",
    "steps",
]
