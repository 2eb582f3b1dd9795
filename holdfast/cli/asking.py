"""Proposals of a language model, for `holdfast repair`.

Owns: what a model is asked, and reading what it proposes.
Must not know: whether a proposal is right, which replays find out; the rules, which go first.

A model sees what stands still without its secrets, as a capture has it, and proposes what rules do not find. What it
says is worth no more than what comes of trying it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec
from pydantic import BaseModel, Field

from holdfast.app import Settings, redaction_rules
from holdfast.authoring import TaskDefinition, WorkflowDefinition
from holdfast.cli.output import Output
from holdfast.errors import ModelError, RateLimited
from holdfast.history import Exchange, History
from holdfast.ports.mappings import Convert, Move, Step, Translate
from holdfast.ports.operations import DriftRecord
from holdfast.replay import Change, Stuck, find_stuck, redact_history

Answer = TypeVar("Answer", bound=BaseModel)

PROPOSALS_MAX: Final = 8
"""How many proposals of a model are tried, at most."""
SHOWN_CHARACTERS_MAX: Final = 20_000
"""How much of a payload or an answer a model is shown."""


class Renamed(BaseModel):
    """A text that is called otherwise now."""

    new: str
    old: str


class ProposedStep(BaseModel):
    """One step of a mapping."""

    kind: Literal["move", "convert", "translate"]
    source: str = Field("", description="For move: the path where the value stands now, such as price.cents.")
    target: str = Field("", description="For move: the path where it is expected, such as cents.")
    path: str = Field("", description="For convert and translate: the path of the value, such as rooms[].price.")
    to: Literal["number", "text"] = Field("number", description="For convert: what the value becomes.")
    renamed: list[Renamed] = Field([], description="For translate: the texts that stand there now, and the old ones.")

    def step(self) -> Step | None:
        """Return it as a step; None where it says nothing."""
        match self.kind:
            case "move":
                return Move(self.source, self.target) if self.source and self.target else None
            case "convert":
                return Convert(self.path, self.to) if self.path else None
            case _:
                values = {each.new: each.old for each in self.renamed}
                return Translate(self.path, values) if self.path and values else None


class ProposedMappings(BaseModel):
    """Ways to read an answer as before, the likeliest first."""

    mappings: list[list[ProposedStep]]


class ProposedChange(BaseModel):
    """One change that lets a run go on."""

    kind: Literal["input", "result"]
    steps: list[ProposedStep] = Field([], description="For input: how the input of the run is changed.")
    result_json: str = Field("", description="For result: what stands for the result of the failed task, as JSON.")


class ProposedChanges(BaseModel):
    """Changes that let a run go on, the likeliest first."""

    changes: list[ProposedChange]


async def ask_for_mappings(
    settings: Settings, output: Output, record: DriftRecord, call: Exchange
) -> list[tuple[Step, ...]]:
    """Return mappings that a model proposes for a drift; none where the settings name no model.

    Args:
        settings: which model.
        output: is told when it does not answer.
        record: the report.
        call: an answer of the new shape, without its secrets.

    Raises:
        DefinitionError: the model is none.
        MissingExtraError: the extra `ai` is not installed.
    """
    found = (f"- {each.path or 'the answer'}: expected {each.expected}, found {each.found}" for each in record.changes)
    changes = "\n".join(found)
    prompt = (
        f"A host answers {record.endpoint} otherwise than {record.contract} expects:\n{changes}\n\n"
        f"An answer of the new shape:\n{_clipped(call.body)}\n\n"
        "Propose mappings that make the expected shape of it, with steps move, convert and translate. Use only what "
        "stands in the answer, and make up no value. Propose none where nothing can stand for what is expected."
    )
    proposed = await _ask(settings, output, prompt, ProposedMappings)
    if proposed is None:
        return []
    return [steps for each in proposed.mappings[:PROPOSALS_MAX] if (steps := _steps(each))]


async def ask_for_changes(
    settings: Settings,
    output: Output,
    history: History,
    workflow: WorkflowDefinition[Any, Any],
    task: TaskDefinition[Any, Any] | None,
) -> list[Change]:
    """Return changes that a model proposes for a run; none where the settings name no model. As `ask_for_mappings`."""
    if not settings.repair_model:
        return []
    stuck = find_stuck(history)
    cleaned = without_secrets(settings, history)
    proposed = await _ask(settings, output, _about(cleaned, stuck, workflow, task), ProposedChanges)
    found: list[Change] = []
    for each in [] if proposed is None else proposed.changes[:PROPOSALS_MAX]:
        if each.kind == "input" and (steps := _steps(each.steps)):
            found.append(Change("input", steps))
        elif each.kind == "result" and stuck.task and _is_json(each.result_json):
            found.append(Change("result", result=msgspec.Raw(each.result_json.encode())))
    return found


def without_secrets(settings: Settings, history: History) -> History:
    """Return a history as a capture has it. Raises SettingsError."""
    return redact_history(history, redaction_rules(settings))[0]


def _about(
    history: History, stuck: Stuck, workflow: WorkflowDefinition[Any, Any], task: TaskDefinition[Any, Any] | None
) -> str:
    started = history.started
    lines = [
        f"A run of the workflow {started.workflow} does not go on.",
        f"Its input: {_clipped(started.input)}",
        f"JSON Schema of the input: {_clipped(msgspec.json.encode(workflow.input_schema()))}",
    ]
    if stuck.task:
        lines.append(f"The task {stuck.task} came to nothing in step {stuck.step}. {stuck.error}: {stuck.message}")
        lines += [
            f"It asked {each.method} {each.url}, and was answered {each.status}: {_clipped(each.body)}"
            for each in history.exchanges.get(stuck.step, ())
        ]
        if task is not None:
            lines.append(f"JSON Schema of its result: {_clipped(msgspec.json.encode(task.output_schema()))}")
    elif stuck.error:
        lines.append(f"Its own code failed. {stuck.error}: {stuck.message}")
    lines.append(
        "Propose changes that let it go on: other input, by steps move, convert and translate on the input it has; or "
        "a result for the task that failed. Use only what stands above, and make up no value. Propose none where "
        "nothing fits."
    )
    return "\n".join(lines)


async def _ask(settings: Settings, output: Output, prompt: str, answer: type[Answer]) -> Answer | None:
    if not settings.repair_model:
        return None
    from holdfast.ai import LLM  # an extra, which rules do without

    llm = LLM(settings.repair_model, base_url=settings.repair_model_url, api_key=settings.repair_model_key)
    try:
        async with llm:
            found = await llm.generate(prompt, output=answer)
    except (ModelError, RateLimited) as error:
        output.note(f"{settings.repair_model} proposes nothing: {error.message()}")
        return None
    return found


def _steps(proposed: Sequence[ProposedStep]) -> tuple[Step, ...]:
    steps = [each.step() for each in proposed]
    return tuple(each for each in steps if each is not None) if None not in steps else ()


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return False
    return True


def _clipped(content: Any) -> str:
    text = bytes(content).decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}… (cut)"
