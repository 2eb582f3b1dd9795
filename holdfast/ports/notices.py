"""Where somebody may be told that a run has ended.

Owns: which URLs can be taken for that.
Must not know: how they are called.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from holdfast.errors import InputError
from holdfast.ports.reach import Reach, literal_address

URLS_MAX: Final = 5
"""How many a run may have."""
URL_CHARACTERS_MAX: Final = 2_000


def check_urls(urls: Iterable[str], reach: Reach | None = None) -> tuple[str, ...]:
    """Return the URLs to be told, each once.

    Args:
        urls: as somebody gave them.
        reach: where they may lead, as far as that can be told without looking up names; None leaves it to whoever
            sends.

    Raises:
        InputError: there are too many, or one of them cannot be called.
    """
    checked = tuple(dict.fromkeys(urls))
    problems = [(f"/{index}", problem) for index, each in enumerate(checked) if (problem := _problem(each, reach))]
    if len(checked) > URLS_MAX:
        problems.append(("", f"{len(checked)} URLs, and at most {URLS_MAX} are told"))
    if problems:
        raise InputError("what is to be told of the run's end (notify)", tuple(problems))
    return checked


def _problem(url: str, reach: Reach | None) -> str:
    if len(url) > URL_CHARACTERS_MAX:
        return f"a URL of {len(url)} characters, and at most {URL_CHARACTERS_MAX} are taken"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "a URL has printable ASCII characters only; encode the others"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"not a URL: {error}"
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        return "expected a URL such as https://example.com/hooks/holdfast"
    if parts.username is not None or parts.password is not None:
        return "a URL with a user's name or password in it; what is sent is signed instead"
    if parts.fragment:
        return "a URL with a fragment, which is never sent"
    address = literal_address(parts.hostname)
    if reach is not None and address is not None and not reach.allows(parts.hostname, address):
        return f"{parts.hostname} is no public address, and the setting notify_allow does not name it"
    return ""
