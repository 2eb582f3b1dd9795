"""The pages of docs/ that are made from the code: settings, command line, exit codes, states, what is observed, errors.

Run as `python -m scripts.reference` to write them; with `--check` to change nothing and fail when one is not current.

Owns: what these pages show, and how.
Must not know: how any of it works; everything is read from the code that owns it.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import typer
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from holdfast.app.settings import Settings
from holdfast.cli import program
from holdfast.cli.output import Exit, exit_code
from holdfast.controller.http.problems import treatment_of
from holdfast.engine.machines import TABLES, diagram
from holdfast.errors import HoldfastError
from holdfast.history.schema import FILE_NAME, transcript_schema
from holdfast.observe import FIELDS
from holdfast.observe.metrics import OF_THE_PROCESS, OF_THE_STORE, STORE_UP
from scripts.error_examples import EXAMPLES, error_classes

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"
BEGIN, END = "<!-- made from the code: begin -->", "<!-- made from the code: end -->"


def settings_page() -> str:
    """Return the table of all settings."""
    rows = [_setting(name, field) for name, field in Settings.model_fields.items()]
    return "\n".join(["| setting | variable | default | meaning |", "|---|---|---|---|", *rows])


def _setting(name: str, field: FieldInfo) -> str:
    default = field.default if field.default is not PydanticUndefined else field.default_factory()  # type: ignore[misc, call-arg]
    meaning = [str(field.description)]
    if bounds := _bounds(field):
        meaning.append(f"{bounds}.")
    choices = getattr(field.annotation, "__args__", ())
    if choices and all(isinstance(each, str) for each in choices):
        meaning.append(f"One of {', '.join(f'`{each}`' for each in choices)}.")
    return f"| `{name}` | `HOLDFAST_{name.upper()}` | {_default(default)} | {' '.join(meaning)} |"


def _default(value: object) -> str:
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{json.dumps(value)}`"


def _bounds(field: FieldInfo) -> str:
    low = high = ""
    for each in field.metadata:
        match each:
            case Ge(ge=bound):
                low = f"{bound:,}"
            case Gt(gt=bound):
                low = f"more than {bound:,}"
            case Le(le=bound):
                high = f"{bound:,}"
            case Lt(lt=bound):
                high = f"less than {bound:,}"
    if low and high:
        return f"From {low} to {high}"
    if low:
        return f"At least {low}" if low[:1].isdigit() else low.capitalize()
    return f"At most {high}" if high else ""


def cli_page() -> str:
    """Return every verb with its arguments and options."""
    group: Any = typer.main.get_command(program)
    return "\n\n".join(_verbs(group, "holdfast"))


def _verbs(group: Any, path: str) -> Iterable[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _verbs(command, f"{path} {name}")
        else:
            yield _verb(command, f"{path} {name}")


def _verb(command: Any, path: str) -> str:
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    options = [each for each in shown if each.param_type_name == "option"]
    usage = " ".join([path, *(_argument_name(each) for each in arguments), *(["[OPTIONS]"] if options else [])])
    lines = [f"## {path}", "", inspect.cleandoc(command.help or ""), "", "```text", usage, "```", ""]
    lines += ["| argument or option | default | meaning |", "|---|---|---|"]
    lines += [f"| `{_argument_name(each)}` | | {_words(each.help)} |" for each in arguments]
    lines += [f"| `{_option_name(each)}` | {_option_default(each)} | {_words(each.help)} |" for each in options]
    return "\n".join(lines)


def _argument_name(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _option_name(option: Any) -> str:
    names = ", ".join(option.opts)
    if option.secondary_opts:
        return f"{names} / {', '.join(option.secondary_opts)}"
    if option.is_flag:
        return names
    value = option.metavar or _METAVARS[option.type_descriptor.annotation]
    return f"{names} {value}" + (" …" if option.multiple else "")


_METAVARS: Final = {str: "TEXT", list[str]: "TEXT", int: "NUMBER", float: "SECONDS", Path: "PATH"}
"""What stands for the value of an option that does not say so itself."""


def _option_default(option: Any) -> str:
    if option.required:
        return "required"
    if option.is_flag or option.default is None or option.default == "":
        return ""
    return f"`{option.default}`"


def _words(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def log_fields_page() -> str:
    """Return what each field of a log line means."""
    rows = [f"| `{name}` | {words} |" for name, words in FIELDS.items()]
    return "\n".join(["| field | meaning |", "|---|---|", *rows])


def metrics_page() -> str:
    """Return what each metric means, in one table for what is about the store and one for what is about a process."""
    tables = (("About the store", (STORE_UP, *OF_THE_STORE)), ("About the process", OF_THE_PROCESS))
    return "\n\n".join(f"## {title}\n\n{_metrics(metrics)}" for title, metrics in tables)


def _metrics(metrics: Iterable[Any]) -> str:
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} | {each.help} |"
        for each in metrics
    ]
    return "\n".join(["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows])


def exit_codes_page() -> str:
    """Return what each exit code means, and which errors end with it."""
    meanings = _member_docstrings(Exit)
    rows = []
    for code in Exit:
        codes = sorted(each.code for each in EXAMPLES.values() if exit_code(each) is code)
        links = ", ".join(f"[{each}](../errors/{each}.md)" for each in codes)
        rows.append(f"| {code.value} | {meanings[code.name]} | {links} |")
    return "\n".join(["| code | meaning | errors |", "|---|---|---|", *rows])


def _member_docstrings(kind: type) -> dict[str, str]:
    (tree,) = ast.parse(inspect.getsource(kind)).body
    found = {}
    name = ""
    for each in tree.body:  # type: ignore[attr-defined]
        match each:
            case ast.Assign(targets=[ast.Name(id=name)]):
                found[name] = ""
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                found[name] = text
    return found


def state_machines_page() -> str:
    """Return one diagram for each state table."""
    return "\n\n".join(f"## {name}\n\n```mermaid\n{diagram(name, table)}\n```" for name, table in TABLES.items())


def errors_page() -> str:
    """Return the index of all error codes."""
    rows = [
        f"| [{each.code}]({each.code}.md) | `{each.__name__}` | {_summary(each)} |"
        for each in sorted(error_classes(), key=lambda each: each.code)
    ]
    return "\n".join(["| code | class | what happened |", "|---|---|---|", *rows])


def error_page(kind: type[HoldfastError]) -> str:
    """Return the head of an error's page: its name, an example, how it leaves a program."""
    example = EXAMPLES[kind.code]
    parents = [each.__name__ for each in kind.__mro__[1:] if each not in (Exception, BaseException, object)]
    lines = [
        f"# {kind.code}: {_summary(kind).rstrip('.')}",
        "",
        "```text",
        str(example),
        "```",
        "",
        "| | |",
        "|---|---|",
        f"| class | `holdfast.errors.{kind.__name__}`" + (f", a `{'`, a `'.join(parents)}` |" if parents else " |"),
        f"| on the command line | exit code {exit_code(example).value} |",
        f"| over HTTP | {_http(kind)} |",
    ]
    return "\n".join(lines)


def _http(kind: type[HoldfastError]) -> str:
    treatment = treatment_of(kind)
    if treatment.hidden:
        return f"{treatment.status}, with an id under which the log has the message"
    return f"{treatment.status}, and `Retry-After`" if treatment.retry else str(treatment.status)


def _summary(kind: type[HoldfastError]) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


PAGES: Final[dict[Path, Callable[[], str]]] = {
    DOCS / "reference" / "settings.md": settings_page,
    DOCS / "reference" / "cli.md": cli_page,
    DOCS / "reference" / "exit-codes.md": exit_codes_page,
    DOCS / "reference" / "state-machines.md": state_machines_page,
    DOCS / "reference" / "log-fields.md": log_fields_page,
    DOCS / "reference" / "metrics.md": metrics_page,
    DOCS / "errors" / "README.md": errors_page,
    **{DOCS / "errors" / f"{each.code}.md": (lambda kind=each: error_page(kind)) for each in error_classes()},  # type: ignore[misc]
}
"""What stands between the marks of each page."""


def history_schema() -> str:
    """Return the JSON Schema of history files."""
    return json.dumps(transcript_schema(), indent=1) + "\n"


FILES: Final[dict[Path, Callable[[], str]]] = {ROOT / "holdfast" / "history" / FILE_NAME: history_schema}
"""What is made as a whole."""


def current(page: Path, made: str) -> str:
    """Return a page with `made` between its marks.

    Raises:
        SystemExit: the page has no such marks, or is not there.
    """
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{page.relative_to(ROOT)} needs one {BEGIN} and one {END}")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.partition(END)[2]}"


def stale_pages() -> list[Path]:
    """Return the pages that are not what the code makes them."""
    pages = [page for page, make in PAGES.items() if current(page, make()) != page.read_text(encoding="utf-8")]
    return pages + [
        file for file, make in FILES.items() if not file.exists() or make() != file.read_text(encoding="utf-8")
    ]


def main(arguments: list[str]) -> int:
    """Write all pages, or check them with `--check`."""
    stale = stale_pages()
    for page in stale:
        print(f"{'not current' if arguments else 'writing'}: {page.relative_to(ROOT)}")
        if not arguments:
            made = FILES[page]() if page in FILES else current(page, PAGES[page]())
            page.write_text(made, encoding="utf-8")
    if stale and arguments:
        print("Make them current: python -m scripts.reference")
    return int(bool(stale and arguments))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        raise SystemExit("usage: python -m scripts.reference [--check]")
    raise SystemExit(main(sys.argv[1:]))
