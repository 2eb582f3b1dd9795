"""`holdfast dev`, `controller`, `orchestrator`, `worker`: processes that serve."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from holdfast.app import ROLES, Serving, load_settings, serve
from holdfast.authoring import Registry
from holdfast.cli.output import Output
from holdfast.cli.verbs import JsonOption, StoreOption, run_verb, shown
from holdfast.errors import SettingsError
from holdfast.observe import configure_logs

ModulesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="MODULE...", help="Modules with workflows and tasks.", show_default=False)
]
HostOption = Annotated[str | None, typer.Option(help="Address to listen on.", show_default=False)]
PortOption = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.", show_default=False)]
PoolOption = Annotated[
    list[str] | None, typer.Option("--pool", metavar="NAME=SLOTS", help="Pool to serve.", show_default=False)
]


def dev(
    modules: ModulesArgument = None,
    host: HostOption = None,
    port: PortOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run everything in this process: controller, orchestrator and worker."""
    _serve(Output(as_json=as_json), modules, ROLES, http=True, host=host, port=port, store=store)


def controller(
    modules: ModulesArgument = None,
    host: HostOption = None,
    port: PortOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve the HTTP API."""
    _serve(Output(as_json=as_json), modules, (), http=True, host=host, port=port, store=store)


def orchestrator(modules: ModulesArgument = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Own runs and move them forward; their tasks go to workers."""
    _serve(Output(as_json=as_json), modules, ("orchestrator",), http=False, store=store)


def worker(
    modules: ModulesArgument = None,
    pool: PoolOption = None,
    processes: Annotated[int, typer.Option(min=1, max=1024, help="How many worker processes to keep running.")] = 1,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do the tasks of some pools."""
    output = Output(as_json=as_json)
    if processes > 1:
        raise typer.Exit(run_verb(output, lambda: _supervise(modules or [], pool or [], processes, store)))
    pools = shown(output, lambda: _pools(pool)) if pool else None
    _serve(output, modules, ("worker",), http=False, store=store, pools=pools)


async def _supervise(modules: list[str], pool: list[str], processes: int, store: str | None) -> int:
    from holdfast.worker import Supervisor

    argv = [sys.executable, "-m", "holdfast", "worker", *modules]
    for each in pool:
        argv += ["--pool", each]
    if store is not None:
        argv += ["--store", store]
    return await Supervisor(argv, processes).run()


def _pools(values: list[str]) -> dict[str, int]:
    pools: dict[str, int] = {}
    for each in values:
        name, _, slots = each.partition("=")
        if not name or not slots.isdecimal() or int(slots) < 1:
            raise SettingsError(f"--pool {each} does not name a pool and its slots", "For example: --pool default=32")
        pools[name] = int(slots)
    return pools


def _serve(output: Output, modules: list[str] | None, roles: tuple[str, ...], *, http: bool, **options: Any) -> None:
    async def body() -> None:
        settings = load_settings(**options)
        as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
        configure_logs(json_lines=as_json, level=settings.log_level)
        names = modules or list(settings.modules)
        if "" not in sys.path:
            sys.path.insert(0, "")  # modules of the folder one stands in, as `python -m` has it
        registry = Registry.from_modules(*names)
        if not names and roles:
            raise SettingsError("no module was named", "Name the modules with your workflows: holdfast dev automations")

        def announce(started: Serving) -> None:
            facts: dict[str, Any] = {
                "member": started.stack.name,
                "store": settings.store,
                "workflows": list(registry.workflow_names()),
                "tasks": list(registry.task_names()),
            }
            if roles:
                facts["pools"] = settings.pools if "worker" in roles else {}
            if started.url:
                facts["url"] = started.url
            output.fields(facts)
            sys.stdout.flush()

        await serve(settings, registry, roles, http=http, announce=announce)

    run_verb(output, body)
