"""The style, the script and the mark that pages load.

Owns: which files a browser may have.
Must not know: pages.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from holdfast.controller.http import Public, RefusalError, ScopedRoute, requires

_FOLDER: Final = Path(__file__).parent / "assets"
_KINDS: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES: Final = {each.name: each.read_bytes() for each in sorted(_FOLDER.iterdir()) if each.suffix in _KINDS}

EDITION: Final = blake2b(b"".join(_FILES.values()), digest_size=6).hexdigest()
"""Changes with the files: pages name it, so that browsers may keep what they have loaded for ever."""

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)


@router.get("/assets/{name}")
@requires(Public.YES)
async def read_asset(name: str) -> Response:
    """Hand out one of the files."""
    content = _FILES.get(name)
    if content is None:
        raise RefusalError(404, "there is no such file")
    kind = _KINDS[Path(name).suffix]
    return Response(content, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"})
