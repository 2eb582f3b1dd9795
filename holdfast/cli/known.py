"""The code that the command line can see, to check what a person types before anything is recorded.

Owns: `--module`, and what becomes of an input: checked against its type, or said to be unchecked.
Must not know: any verb.

Whoever sends JSON from a terminal may stand where the workflows are, or on another machine. Where they are known (by
`--module`, or by the setting `modules`), what does not fit is refused as it is over HTTP. Elsewhere it is sent as it
is, and that is said.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
import typer
from rich.markup import escape

from holdfast.app import load_settings
from holdfast.authoring import MessageHandler, Registry, WorkflowDefinition
from holdfast.cli.modules import load_registry
from holdfast.cli.output import Output
from holdfast.errors import DefinitionError, UnknownNameError

ModuleOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--module",
        metavar="NAME",
        help="A module whose types the input is checked against; otherwise those of the setting `modules`. As often "
        "as it takes.",
        show_default=False,
    ),
]


class Known:
    """What is known of the user's code here, if anything is."""

    def __init__(self, output: Output, named: list[str] | None) -> None:
        """Import the modules that were named, else those of the settings.

        Raises:
            DefinitionError: one that was named cannot be imported; one of the settings is only noted.
            SettingsError: the settings do not fit.
        """
        self._output = output
        self.registry: Registry | None = None
        self.checked = False
        """Whether the last input was held against its type."""
        modules = named or list(load_settings().modules)
        self._why = "no module is known here that defines its type: --module NAME, or `modules` in holdfast.toml"
        try:
            self.registry = load_registry(modules) if modules else None
        except DefinitionError as error:
            if named:
                raise
            self._why = error.message().partition("\n")[0]

    def workflow(self, name: str) -> WorkflowDefinition[Any, Any] | None:
        """Return a workflow's definition, None where it is not known."""
        if self.registry is None:
            return None
        try:
            return self.registry.workflow(name)
        except UnknownNameError:
            self._why = f"the modules known here do not define {name!r}"
            return None

    def value(self, definition: WorkflowDefinition[Any, Any] | MessageHandler[Any, Any] | None, value: Any) -> Any:
        """Return a JSON value in the form that its type gives it; as it is where the type is not known.

        Raises:
            InputError: it does not fit; every wrong field is named.
        """
        self.checked = definition is not None
        if definition is None:
            return value
        args, kwargs = definition.signature.decode_call(msgspec.json.encode(value))
        return msgspec.json.decode(definition.signature.encode_call(args, kwargs))

    def say_if_unheard(self, workflow: WorkflowDefinition[Any, Any] | None, signal: str) -> None:
        """Tell a person that a workflow has no handler for a signal."""
        if workflow is not None and signal not in workflow.signals:
            handlers = ", ".join(sorted(workflow.signals)) or "none"
            self._output.note(
                f"[yellow]unchecked[/]  {escape(workflow.name)} has no handler for signal {escape(repr(signal))} "
                f"(there is: {escape(handlers)}); it is kept for wait_for_signal"
            )

    def fields(self) -> dict[str, bool]:
        """Return what a program is told of the last input; a person gets a note."""
        return {"checked": self.checked} if self._output.as_json else {}

    def say_if_unchecked(self, what: str) -> None:
        """Tell a person that an input was sent as it is."""
        if not self.checked:
            self._output.note(f"[yellow]unchecked[/]  {escape(what)} was sent as it is: {escape(self._why)}")
