"""Parameters of a query that a route does not have.

Owns: that they are refused, and which one may be meant.
Must not know: routes, what the known ones mean.

A filter that is misspelt and ignored means everything: `?workfow=x` would be about all runs. Routes
that need no key are called by programs that add parameters of their own, and are left alone.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

NAME_CHARACTERS_MAX: Final = 100
"""What is told of a parameter's name."""


def names_of(dependant: Dependant) -> frozenset[str]:
    """Return the names of all parameters that a route reads in a query."""
    own = frozenset(each.alias for each in dependant.query_params)
    return own.union(*map(names_of, dependant.dependencies))


def check_names(request: Request, known: Collection[str]) -> None:
    """Refuse a query with parameters that are not known.

    Raises:
        RequestValidationError: there are such; each is named.
    """
    unknown = [each for each in request.query_params if each not in known]
    if unknown:
        raise RequestValidationError(
            [{"loc": ("query", each[:NAME_CHARACTERS_MAX]), "msg": _words(each, known)} for each in unknown]
        )


def _words(name: str, known: Collection[str]) -> str:
    meant = get_close_matches(name[:NAME_CHARACTERS_MAX], known, 1)
    if meant:
        return f"there is no such parameter. Did you mean {meant[0]!r}?"
    return f"there is no such parameter. There are: {', '.join(sorted(known)) or 'none'}"
