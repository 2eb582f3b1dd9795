"""Every setting, in one table.

Owns: names, defaults, and the order of sources: arguments, then `HOLDFAST_*`, then `holdfast.toml`.
Must not know: what the settings configure.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from holdfast.app.address import Address, address_of
from holdfast.app.engine_address import EMBEDDED, engine_address
from holdfast.authoring import Rule, read_duration, read_table
from holdfast.errors import DefinitionError, SettingsError

FILE_NAME = "holdfast.toml"
PREFIX: Final = "HOLDFAST_"
DURATIONS: Final = (
    "body_seconds_max",
    "drain_seconds",
    "head_seconds_max",
    "idempotency_seconds",
    "lease_seconds",
    "poll_seconds",
    "promote_seconds",
)
"""Settings that are durations: seconds, or such as `30s` and `1h`."""
LIKENESS: Final = 0.8
"""How like a setting's a variable's name has to be, to be taken for a slip of the pen (ratio of equal characters)."""

NO_SETTINGS: Final = frozenset({"TEMPORAL_CLI"})
"""Variables that are like a setting's, and mean something to somebody else: where a server's program is."""


class ScheduleSettings(BaseModel):
    """A schedule in `holdfast.toml`: one table `[schedules.NAME]`. What each key means: see `holdfast.schedule`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workflow: str
    """A workflow's name; `task:NAME` for a task."""
    cron: str | tuple[str, ...] | None = None
    every: float | str | None = None
    at: datetime | str | tuple[datetime | str, ...] | None = None
    timezone: str = "UTC"
    input: Any = None
    """The workflow's argument, or a table of its arguments by name."""
    anchor: datetime | str | None = None
    overlap: str = "skip"
    catch_up: float | str | None = None
    jitter: float | str = 0
    pause_on_failure: bool = False
    start: datetime | str | None = None
    end: datetime | str | None = None
    timeout: float | str | None = None

    def wording(self) -> dict[str, Any]:
        """Return all that says what the schedule is, but its input."""
        given = {name: getattr(self, name) for name in type(self).model_fields if name != "input"}
        return {name: value for name, value in given.items() if value is not None}


class Settings(BaseSettings):
    """How a Holdfast process is set up. Each field is one setting, one line, one environment variable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        toml_file=FILE_NAME,
        extra="forbid",
        frozen=True,
    )

    store: str = Field(
        default="sqlite:///holdfast.db",
        description="Where the truth is: sqlite:///PATH, or postgresql://USER:PASSWORD@HOST/DATABASE.",
    )
    bus: str = Field(
        default="auto",
        description="The doorbell: redis://HOST:6379/0; polling for none; auto chooses what fits the store.",
    )
    engine: str = Field(
        default=EMBEDDED, description="What runs workflows: embedded, or temporal://HOST:PORT/NAMESPACE."
    )
    temporal_tls: bool = Field(default=False, description="Speak TLS to Temporal; an API key says so by itself.")
    temporal_api_key: str = Field(
        default="", description="Where the API key is that Temporal wants: env:NAME, file:PATH; none when empty."
    )
    modules: tuple[str, ...] = Field(default=(), description="Modules with workflows and tasks.")
    host: str = Field(default="127.0.0.1", description="Address the controller listens on.")
    base_url: str = Field(
        default="",
        description="Where outside systems reach the API, for callbacks; where it listens when empty.",
    )
    port: int = Field(default=8765, ge=0, le=65535, description="Port the controller listens on; 0 takes a free one.")
    lease_seconds: float = Field(
        default=15.0, ge=0.5, le=3600, description="A silent member loses its work after this."
    )
    max_recoveries: int = Field(default=10, ge=1, description="Deaths in a row without progress before work is parked.")
    pools: dict[str, int] = Field(
        default_factory=lambda: {"default": 64}, description="Pools this process serves, with slots."
    )
    synchronous: Literal["FULL", "NORMAL"] = Field(
        default="FULL", description="SQLite durability. NORMAL may lose the last commits in a power cut."
    )
    schedules: dict[str, ScheduleSettings] = Field(
        default_factory=dict,
        description="Schedules by name: a table `[schedules.NAME]` each, see the how-to on schedules.",
    )
    recovery: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="What is done about failures of a task: a table `[recovery.TASK]`, of every task under `*`; "
        "see [Recovery](../how-to/recovery.md).",
    )
    repair_model: str = Field(
        default="",
        description="Model that `holdfast repair` asks for proposals besides its rules, such as `anthropic:NAME`; none "
        "when empty. It is shown failed runs without their secrets.",
    )
    repair_model_url: str = Field(
        default="", description="Where that model is, when not at its provider's: a gateway, a server of your own."
    )
    repair_model_key: str = Field(
        default="", description="Where its key is: env:NAME, file:PATH; the provider's usual variable when empty."
    )
    encryption_keys: tuple[str, ...] = Field(
        default=(),
        description="Where the keys are that payloads are encrypted with, the newest first: env:NAME, file:PATH.",
    )
    promote_seconds: float = Field(
        default=0.05, ge=0, description="A task that takes longer is recorded before its outcome is known."
    )
    live_runs_max: int = Field(default=10_000, ge=1, description="Runs in memory; idle ones above this are evicted.")
    poll_seconds: float = Field(default=1.0, gt=0, description="How often to look at the store although nothing rang.")
    drain_seconds: float = Field(default=10.0, ge=0, description="How long a stopping process waits for running tasks.")
    body_bytes_max: int = Field(default=8 * 1024 * 1024, ge=1024, description="Largest HTTP request body taken.")
    head_bytes_max: int = Field(
        default=32 * 1024, ge=1024, description="Largest head of an HTTP request taken: its address and its headers."
    )
    head_seconds_max: float = Field(
        default=10.0, gt=0, description="How long the head of an HTTP request may take to arrive."
    )
    body_seconds_max: float = Field(
        default=30.0, gt=0, description="How long the body of an HTTP request may take to arrive."
    )
    requests_max: int = Field(default=1_000, ge=1, description="HTTP requests served at a time, streams not counted.")
    streams_max: int = Field(default=100, ge=0, description="Streams of events served at a time.")
    backlog_max: int = Field(
        default=100_000, ge=1, description="Runs that may wait for an orchestrator before starts over HTTP get 503."
    )
    idempotency_seconds: float = Field(
        default=86_400.0,
        ge=0,
        description="How long the answer under an Idempotency-Key stands once its run has ended.",
    )
    rate_limit: str = Field(
        default="", description="Requests each API key may make: 100/s, 600/m, 10000/h; empty for any number."
    )
    capture_dir: Path = Field(
        default=Path("captures"), description="Where captures go; a relative path counts from the store's folder."
    )
    capture_failures: bool = Field(
        default=True, description="Capture runs that failed, timed out or diverged, without their secrets."
    )
    capture_successes: float = Field(default=0.0, ge=0, le=1, description="Share of completed runs captured as well.")
    captures_max: int = Field(default=1_000, ge=1, description="Captures kept; the oldest go first.")
    portable: bool = Field(
        default=False,
        description="Warn of runs that would not fit on Temporal: payloads over 2 MiB, histories near 51,200 events.",
    )
    notify_secret: str = Field(
        default="",
        description="Where the secret is that signs notices: env:NAME, file:PATH. The store's own when empty.",
    )
    notify_allow: tuple[str, ...] = Field(
        default=(), description="Where notices may go besides public addresses: 10.0.0.0/8, hooks.internal."
    )
    outboxes: tuple[str, ...] = Field(
        default=(),
        description="Your own databases in which runs are enqueued: addresses, or env:NAME, file:PATH.",
    )
    outbound_allow: tuple[str, ...] = Field(
        default=(), description="Where holdfast.http may go besides public addresses: 10.0.0.0/8, crm.internal."
    )
    redact_keys: tuple[str, ...] = Field(
        default=(), description="Further names whose values are secret, besides password, token and the like."
    )
    redact_patterns: tuple[str, ...] = Field(
        default=(), description="Regular expressions of further secrets; group `secret` goes, or the whole match."
    )
    redact_emails: bool = Field(
        default=False, description="Take mail addresses out, too: of captures, and of what is shown of deliveries."
    )
    webhooks: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Webhooks, each a table of its own: see [Webhooks](../how-to/webhooks.md)."
    )
    log_format: Literal["auto", "json", "console"] = Field(default="auto", description="auto: console on a terminal.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        default="INFO", description="Least severe level logged; INFO has a line for each HTTP request."
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Loopback port for the metrics of a process without HTTP API; 0 takes a free one.",
    )
    tune_gc: bool = Field(default=True, description="Keep the garbage collector off the live runs.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, which wins over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    @field_validator(*DURATIONS, mode="before")
    @classmethod
    def _in_seconds(cls, duration: object) -> object:
        if not isinstance(duration, str):
            return duration
        try:
            return read_duration(duration, "it", zero=True)
        except DefinitionError as error:
            raise ValueError(f"{error.what}. {error.remedy}") from None

    @field_validator("redact_patterns")
    @classmethod
    def _are_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for each in patterns:
            try:
                re.compile(each)
            except re.error as error:
                raise ValueError(f"{each!r} is no regular expression: {error}") from None
        return patterns

    @field_validator("recovery")
    @classmethod
    def _are_rules(cls, tables: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for each in tables.values():
            try:
                read_table(each)
            except DefinitionError as error:
                raise ValueError(f"{error.what}. {error.remedy}") from None
        return tables

    @field_validator("rate_limit")
    @classmethod
    def _is_a_rate(cls, rate: str) -> str:
        if rate:
            from holdfast.controller import parse_rate

            try:
                parse_rate(rate)
            except SettingsError as error:
                raise ValueError(error.message()) from None
        return rate

    @field_validator("engine")
    @classmethod
    def _is_an_engine(cls, engine: str) -> str:
        engine_address(engine)
        return engine

    @field_validator("bus")
    @classmethod
    def _is_a_bus(cls, bus: str) -> str:
        if bus == "none":
            return "polling"
        if bus not in {"auto", "polling"} and bus.partition("://")[0] not in {"redis", "rediss", "unix"}:
            raise ValueError("it is auto, polling, or the URL of a Redis: redis://host:6379/0")
        return bus

    def recovery_rules(self) -> dict[str, tuple[Rule, ...]]:
        """Return what is done about failures, by the name of a task."""
        return {task: read_table(each) for task, each in self.recovery.items()}

    def address(self) -> Address:
        """Return where the store is.

        Raises:
            SettingsError: `store` is nothing that Holdfast can open.
        """
        return address_of(self.store)


def load_settings(**arguments: Any) -> Settings:
    """Return the settings from all sources; `arguments` that are None are left to the other sources.

    Raises:
        SettingsError: a setting is unknown or does not fit.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    _refuse_slips(os.environ)
    try:
        return Settings(**given)
    except ValidationError as error:
        lines = "\n".join(_describe(problem["type"], problem["loc"], problem["msg"]) for problem in error.errors())
        raise SettingsError(
            f"settings do not fit\n{lines}", f"They come from arguments, HOLDFAST_* variables and {FILE_NAME}."
        ) from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"settings cannot be read: {error}", f"Check {FILE_NAME}.") from None


def _describe(kind: str, place: tuple[int | str, ...], message: str) -> str:
    """Return what is wrong with one setting; where there is none of that name, which one may be meant."""
    name = ".".join(map(str, place))
    if kind == "extra_forbidden":
        there = ScheduleSettings if place[0] == "schedules" else Settings
        meant = get_close_matches(str(place[-1]), there.model_fields, 1)
        message = "there is no such setting." + (f" Did you mean {meant[0]}?" if meant else "")
    return f"  {name}  {message.removeprefix('Value error, ')}"


def _refuse_slips(names: Iterable[str]) -> None:
    """Refuse a variable that no setting has and whose name is nearly that of one."""
    known = [each.upper() for each in Settings.model_fields]
    for name in names:
        setting = name.removeprefix(PREFIX).partition("__")[0]
        if not name.startswith(PREFIX) or setting in known or setting in NO_SETTINGS:
            continue
        same_letters = [each for each in known if sorted(each) == sorted(setting)]
        if meant := same_letters or get_close_matches(setting, known, 1, LIKENESS):
            raise SettingsError(f"there is no setting for the variable {name}", f"Did you mean {PREFIX}{meant[0]}?")
