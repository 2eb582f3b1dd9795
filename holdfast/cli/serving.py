"""`holdfast dev`, `controller`, `orchestrator`, `worker`: processes that serve."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer

from holdfast.app import (
    CONTROLLER,
    ROLES,
    Serving,
    Settings,
    load_settings,
    migrate_store,
    pending_migrations,
    process_name,
    serve,
)
from holdfast.authoring import Registry
from holdfast.cli.modules import ModulesArgument, load_registry
from holdfast.cli.output import Output
from holdfast.cli.verbs import BusOption, JsonOption, StoreOption, run_verb, shown
from holdfast.errors import SettingsError
from holdfast.observe import configure_logs

STORE_VARIABLE: Final = "HOLDFAST_STORE"
BUS_VARIABLE: Final = "HOLDFAST_BUS"
ENGINE_VARIABLE: Final = "HOLDFAST_ENGINE"

HostOption = Annotated[str | None, typer.Option(help="Address to listen on.", show_default=False)]
PortOption = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.", show_default=False)]
EngineOption = Annotated[
    str | None,
    typer.Option(
        help="What runs workflows: embedded, or temporal://HOST:PORT/NAMESPACE. The setting when not given.",
        show_default=False,
    ),
]
MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        help="Loopback port for this process's metrics; 0 takes a free one. "
        "Of several worker processes each takes the next one.",
        show_default=False,
    ),
]
PoolOption = Annotated[
    list[str] | None, typer.Option("--pool", metavar="NAME=SLOTS", help="Pool to serve.", show_default=False)
]


def dev(
    modules: ModulesArgument = None,
    host: HostOption = None,
    port: PortOption = None,
    store: StoreOption = None,
    bus: BusOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run everything in this process: controller, orchestrator and worker."""
    options: dict[str, Any] = {"host": host, "port": port, "store": store, "bus": bus, "engine": engine}
    _serve(Output(as_json=as_json), modules, ROLES, http=True, **options)


def keep_serving(output: Output, modules: list[str], store: str, page: str) -> None:
    """Run everything in this process, and say at last where in the dashboard `page` is."""
    _serve(output, modules, ROLES, http=True, page=page, store=store)


def controller(
    modules: ModulesArgument = None,
    host: HostOption = None,
    port: PortOption = None,
    store: StoreOption = None,
    bus: BusOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the HTTP API, and see to schedules."""
    options: dict[str, Any] = {"host": host, "port": port, "store": store, "bus": bus, "engine": engine}
    _serve(Output(as_json=as_json), modules, (CONTROLLER,), http=True, **options)


def orchestrator(
    modules: ModulesArgument = None,
    store: StoreOption = None,
    bus: BusOption = None,
    engine: EngineOption = None,
    metrics_port: MetricsPortOption = None,
    as_json: JsonOption = False,
) -> None:
    """Own runs and move them forward; their tasks go to workers."""
    options: dict[str, Any] = {"store": store, "bus": bus, "engine": engine, "metrics_port": metrics_port}
    _serve(Output(as_json=as_json), modules, ("orchestrator",), http=False, **options)


def worker(  # noqa: PLR0917 - as many options as there are
    modules: ModulesArgument = None,
    pool: PoolOption = None,
    processes: Annotated[int, typer.Option(min=1, max=1024, help="How many worker processes to keep running.")] = 1,
    supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False,
    store: StoreOption = None,
    bus: BusOption = None,
    engine: EngineOption = None,
    metrics_port: MetricsPortOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do the tasks of some pools."""
    output = Output(as_json=as_json)
    pools = shown(output, lambda: _pools(pool)) if pool else None
    if processes > 1:
        settings = shown(output, lambda: load_settings(store=store, bus=bus, engine=engine, metrics_port=metrics_port))
        # Whoever may see command lines may not see passwords.
        places = {STORE_VARIABLE: store, BUS_VARIABLE: bus, ENGINE_VARIABLE: engine}
        _say_if_seen(output, store, bus)
        raise typer.Exit(run_verb(output, lambda: _supervise(settings, modules or [], pool or [], processes, places)))
    options: dict[str, Any] = {
        "store": store,
        "bus": bus,
        "engine": engine,
        "pools": pools,
        "metrics_port": metrics_port,
    }
    _serve(output, modules, ("worker",), http=False, replaceable=supervised, **options)


async def _supervise(
    settings: Settings, modules: list[str], pool: list[str], processes: int, places: dict[str, str | None]
) -> int:
    from holdfast.worker import Supervisor

    _configure_logs(settings)
    load_registry(
        modules or list(settings.modules)
    )  # what cannot start is said once, not by each process again and again
    argv = [sys.executable, "-m", "holdfast", "worker", *modules, "--supervised"]
    for each in pool:
        argv += ["--pool", each]
    port = settings.metrics_port

    def command(index: int) -> list[str]:
        return argv if port is None else [*argv, "--metrics-port", str(port + index if port else 0)]

    given = {name: place for name, place in places.items() if place is not None}
    return await Supervisor(command, processes, environment=given).run()


def _pools(values: list[str]) -> dict[str, int]:
    pools: dict[str, int] = {}
    for each in values:
        name, _, slots = each.partition("=")
        if not name or not slots.isdecimal() or int(slots) < 1:
            raise SettingsError(f"--pool {each} does not name a pool and its slots", "For example: --pool default=32")
        pools[name] = int(slots)
    return pools


def _serve(
    output: Output,
    modules: list[str] | None,
    roles: tuple[str, ...],
    *,
    http: bool,
    replaceable: bool = False,
    page: str = "",
    **options: Any,
) -> None:
    _say_if_seen(output, options.get("store"), options.get("bus"))

    async def body() -> bool:
        settings = load_settings(**options)
        _configure_logs(settings)
        if roles == ROLES and await pending_migrations(settings):  # who does everything is a fleet of one
            output.note(f"made the tables: {', '.join(await migrate_store(settings))}")
        names = modules or list(settings.modules)
        works = not {CONTROLLER}.issuperset(roles)
        registry = load_registry(names) if names or works else Registry()

        def announce(started: Serving) -> None:
            facts: dict[str, Any] = {
                "member": started.stack.name,
                "store": settings.address().name,
                "workflows": [each for each in registry.workflow_names() if not each.startswith("task:")],
                "tasks": list(registry.task_names()),
            }
            if works:
                facts["pools"] = settings.pools if "worker" in roles else {}
            if started.url:
                facts["url"] = started.url
            if started.metrics_url:
                facts["metrics"] = started.metrics_url
            if page:
                facts["look"] = started.url + page
            output.fields(facts if output.as_json else {name: _line(each) for name, each in facts.items()})
            sys.stdout.flush()

        return await serve(settings, registry, roles, http=http, announce=announce, replaceable=replaceable)

    if run_verb(output, body):
        from holdfast.worker import REPLACE_EXIT_CODE

        raise typer.Exit(REPLACE_EXIT_CODE)


def _say_if_seen(output: Output, store: str | None, bus: str | None) -> None:
    """Say to a person that a password on the command line is there for everybody on the machine."""
    for option, variable, place in (("--store", STORE_VARIABLE, store), ("--bus", BUS_VARIABLE, bus)):
        login, at, _ = (place or "").partition("://")[2].partition("@")
        if at and ":" in login:
            output.note(
                f"[yellow]{option} has a password in it[/]  Everybody on this machine can see the command line. "
                f"Set {variable} instead, or write it into holdfast.toml."
            )


def _line(value: Any) -> str:
    match value:
        case list():
            return ", ".join(value)
        case dict():
            return ", ".join(f"{name} ({slots} slots)" for name, slots in value.items())
        case _:
            return str(value)


def _configure_logs(settings: Settings) -> None:
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    configure_logs(json_lines=as_json, level=settings.log_level, member=process_name())
