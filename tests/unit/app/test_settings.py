"""Settings come from arguments, variables and a file, and what fits none of them is told."""

from __future__ import annotations

import pytest

from holdfast.app.settings import load_settings
from holdfast.errors import SettingsError


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("HOLDFAST_STROE", "HOLDFAST_STORE"),
        ("HOLDFAST_POOL__OCR", "HOLDFAST_POOLS"),
        ("HOLDFAST_PORTS", "HOLDFAST_PORT"),
        ("HOLDFAST_PROT", "HOLDFAST_PORT"),
        ("HOLDFAST_HSOT", "HOLDFAST_HOST"),
    ],
)
def test_a_misspelt_variable_is_refused(monkeypatch, slip, meant):
    """A variable that is nearly a setting's would otherwise do nothing, and nobody would notice."""
    monkeypatch.setenv(slip, "7")
    with pytest.raises(SettingsError, match=f"{slip}\nDid you mean {meant}\\?"):
        load_settings()


def test_times_are_written_as_durations_or_in_seconds(monkeypatch):
    """`30s`, `1h` and plain numbers mean what they say, wherever the setting comes from."""
    monkeypatch.setenv("HOLDFAST_LEASE_SECONDS", "1m")
    monkeypatch.setenv("HOLDFAST_POLL_SECONDS", "2.5")
    settings = load_settings(drain_seconds="500ms", idempotency_seconds=60)
    assert (settings.lease_seconds, settings.poll_seconds) == (60.0, 2.5)
    assert (settings.drain_seconds, settings.idempotency_seconds) == (0.5, 60.0)
    with pytest.raises(SettingsError, match="lease_seconds  it is 'soon', which is no duration"):
        load_settings(lease_seconds="soon")


@pytest.mark.parametrize(
    "name", ["HOLDFAST_TEST", "HOLDFAST_FAULTS_LOG", "HOLDFAST_POOLS__OCR", "HOLDFASTER", "HOLDFAST_TEMPORAL_CLI"]
)
def test_variables_of_others_are_left_alone(monkeypatch, name):
    """Programs around Holdfast have variables, too."""
    monkeypatch.setenv(name, "7")
    load_settings()


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("bus", "amqp://localhost", "it is auto, polling"),
        ("engine", "temporal://localhost:7233", "it is embedded, or temporal://HOST"),
    ],
)
def test_what_does_not_exist_is_not_accepted(setting, value, words):
    """A bus or an engine that nothing would use is an error, not a promise."""
    with pytest.raises(SettingsError, match=f"{setting}  {words}"):
        load_settings(**{setting: value})


def test_a_misspelt_word_of_a_schedule_is_named():
    """With the one that is meant, as for any other setting."""
    with pytest.raises(SettingsError) as caught:
        load_settings(schedules={"nightly": {"workflow": "report", "crn": "0 3 * * *"}})
    assert "schedules.nightly.crn  there is no such setting. Did you mean cron?\n" in str(caught.value)


def test_what_is_wrong_with_a_setting_is_said_in_plain_words():
    """Not in those of the library that reads it."""
    with pytest.raises(SettingsError, match="rate_limit  '10 per minute' is no rate"):
        load_settings(rate_limit="10 per minute")
