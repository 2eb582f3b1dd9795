"""Log lines: one for each event, whatever strangers wrote into it, and without what is secret."""

from __future__ import annotations

import base64
import io
import json
import logging
from urllib.parse import quote

import pytest

from holdfast.app import load_settings
from holdfast.errors import SettingsError
from holdfast.observe import logger, redact
from holdfast.observe.cleaning import CHARACTERS_MAX, ITEMS_MAX, TRACEBACK_CHARACTERS_MAX, Cleaner
from tests.logbook import logbook

HOSTILE = {
    "a new line": 'ord\n{"level": "info", "event": "all is well"}',
    "other line ends": "a\rb\x0bc\x0cd\x1ce\x85f\u2028g\u2029h",
    "colours and titles": "\x1b[2J\x1b]0;owned\x07\x1b[31mred",
    "text that runs backwards": "user\u202etxt.exe\u2066",
    "half a character": "\ud800 and \udfff",
    "NUL": "a\0b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_line_is_one_json_object_whatever_is_in_it(monkeypatch, text) -> None:
    """No value ends a line, and nothing in it is a character that a terminal obeys."""
    with logbook(monkeypatch) as book:
        logger("holdfast.test").info("noted", run_id=text, scopes=[text], error={text: text})
        logger("holdfast.test").info("another")
    assert book.text.isascii()
    assert [each for each in book.text if not each.isprintable()] == ["\n", "\n"]
    noted, another = book.lines
    assert noted["event"] == "noted"
    assert noted["run_id"].isprintable()
    assert noted["scopes"] == [noted["run_id"]]
    assert noted["error"] == {noted["run_id"]: noted["run_id"]}
    assert another["event"] == "another"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_person_reads_one_line_for_each_event(monkeypatch, text) -> None:
    """On a terminal nothing obeys a value either, and lines of a traceback are set off from those of the log."""
    with logbook(monkeypatch, json_lines=False) as book:
        logger("holdfast.test").info("noted", run_id=text)
        logger("holdfast.test").error("failed", exc_info=ValueError(text))
        logger("holdfast.test").info("another")
    assert all(each.isprintable() or each == "\n" for each in book.text)
    heads = [line for line in book.text.split("\n") if line and not line.startswith("    ")]
    assert ["noted" in heads[0], "failed" in heads[1], "another" in heads[2], len(heads)] == [True, True, True, 3]


def test_what_stands_on_every_line(monkeypatch) -> None:
    """A line says when (UTC), how bad, who and what; an exception is a field of it."""
    with logbook(monkeypatch, member="host:7") as book:
        try:
            raise ValueError("lost")
        except ValueError:
            logger("holdfast.test").error("failed", attempt=2, exc_info=True)
    (line,) = book.lines
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("exception").endswith("ValueError: lost")
    assert line == {
        "level": "error",
        "logger": "holdfast.test",
        "event": "failed",
        "member": "host:7",
        "attempt": 2,
    }


def test_other_libraries_look_the_same(monkeypatch) -> None:
    """What the HTTP server and asyncio have to say is on lines of the same form, from warnings on."""
    with logbook(monkeypatch, level="INFO") as book:
        logging.getLogger("uvicorn.error").warning("Invalid request: %s", "a\nb\x1b[0m", extra={"client": "\x1b"})
        logging.getLogger("uvicorn.error").info("Started")
        logging.getLogger("asyncio").error("slow", exc_info=ValueError("a\x1b"))
    warning, error = book.lines
    assert (warning["event"], warning["client"]) == ("Invalid request: a\\nb\\x1b[0m", "\\x1b")
    assert error["exception"] == "ValueError: a\\x1b"


def test_values_are_bounded(monkeypatch) -> None:
    """A long text, a long list and a long traceback are cut, and say so."""
    with logbook(monkeypatch) as book:
        logger("holdfast.test").error(
            "long", reason="x" * 100_000, scopes=list(range(1_000)), exc_info=ValueError("y" * 100_000 + "the end")
        )
    (line,) = book.lines
    assert line["reason"] == "x" * CHARACTERS_MAX + "… (100,000 characters)"
    assert line["scopes"] == list(range(ITEMS_MAX))
    assert len(line["exception"]) < TRACEBACK_CHARACTERS_MAX + 100
    assert line["exception"].endswith("the end")


def test_numbers_that_json_does_not_have(monkeypatch) -> None:
    """Infinity and NaN are written as text: a line is JSON that anybody reads."""
    with logbook(monkeypatch) as book:
        logger("holdfast.test").info("odd", seconds=float("inf"), wait_seconds=float("nan"), runs=3, store=None)
    (line,) = [json.loads(each, parse_constant=pytest.fail) for each in book.text.splitlines()]
    assert (line["seconds"], line["wait_seconds"], line["runs"], line["store"]) == ("inf", "nan", 3, None)


SECRET = 'top/s3cret "quoted" värde'


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        repr(SECRET),
        json.dumps(SECRET),
        json.dumps(json.dumps(SECRET)),
        quote(SECRET),
        SECRET.encode().hex(),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
    ],
)
def test_known_secrets_are_taken_out(monkeypatch, written) -> None:
    """What the environment or `redact` says is secret is not written, however it is escaped."""
    monkeypatch.setattr("holdfast.observe.secrets._registered", {})
    cleaner = Cleaner({"DB_PASSWORD": SECRET})
    assert written not in cleaner.text(f"cannot connect with {written}!")
    assert cleaner.text(f"cannot connect with {SECRET}!") == "cannot connect with (db_password)!"
    with logbook(monkeypatch) as book:
        redact(SECRET, name="the \x1b[31mkey")
        logger("holdfast.test").info("noted", error=written, exc_info=ValueError(f"no: {written}"))
    (line,) = book.lines
    assert "s3cret" not in line["error"]
    assert "s3cret" not in line["exception"]


def test_a_secret_is_one_from_when_it_is_told_of(monkeypatch) -> None:
    """What is registered while the process runs is taken out from then on, and named as it was called, harmlessly."""
    monkeypatch.setattr("holdfast.observe.secrets._registered", {})
    with logbook(monkeypatch) as book:
        logger("holdfast.test").info("before", error="hunter2!")
        redact("hunter2!", name="the \x1b[31mkey")
        logger("holdfast.test").info("after", error="hunter2!")
    assert [each["error"] for each in book.lines] == ["hunter2!", "(the 31mkey)"]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("refused hf_0123456789abcdefghijABCDEFGHIJ", "refused (secret)"),
        ("key hfk_0123-456789_abcdefghij", "key (secret)"),
        ("POST /v1/callbacks/WyJhIl0.c2lnbmVk?x=1", "POST /v1/callbacks/(secret)?x=1"),
        ("sent Authorization: Bearer abc.def-123", "sent Authorization: Bearer (secret)"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "(secret)"),
        ("cannot reach postgres://app:hunter2@db/flows", "cannot reach postgres://(secret)@db/flows"),
        ("half_life of hf_ and a bearer of news", "half_life of hf_ and a bearer of news"),
        ("see http://127.0.0.1:8765/v1/runs", "see http://127.0.0.1:8765/v1/runs"),
    ],
)
def test_secrets_that_look_like_it_are_taken_out(text, cleaned) -> None:
    """Keys, tokens and passwords in addresses go although nobody said they were secret; ordinary words stay."""
    assert Cleaner({}).text(text) == cleaned


def test_a_program_with_its_own_logging_gets_clean_lines(monkeypatch) -> None:
    """In a program that has set up logging itself, fields come clean to its handlers."""
    monkeypatch.setattr("holdfast.observe.secrets._registered", {"hunter2!": "password"})
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s run_id=%(run_id)s error=%(error)s"))
    log = logging.getLogger("holdfast.embedded")
    log.addHandler(handler)
    try:
        logger("holdfast.embedded").warning("noted", run_id="a\nb", error=OSError("hunter2!"))
    finally:
        log.removeHandler(handler)
    assert stream.getvalue() == "WARNING noted run_id=a\\nb error=(password)\n"


def test_levels(monkeypatch) -> None:
    """`log_level` is one of five words, in any case; anything else is refused."""
    assert load_settings(log_level="warning").log_level == "WARNING"
    with pytest.raises(SettingsError, match="log_level"):
        load_settings(log_level="loud")
    with logbook(monkeypatch, level="WARNING") as book:
        logger("holdfast.test").info("unheard")
        logger("holdfast.test").warning("heard")
    assert [each["event"] for each in book.lines] == ["heard"]


def test_a_script_that_set_up_no_logging_is_told_why(capsys, monkeypatch) -> None:
    """Python prints the bare text of a warning then; the error stands behind it."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logger("holdfast.test").warning("waiting for the server", error="it cannot be reached")
    assert capsys.readouterr().err == "waiting for the server: it cannot be reached\n"
