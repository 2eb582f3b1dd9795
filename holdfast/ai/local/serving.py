"""The process that computes: `python -m holdfast.ai.local.serving`. The one module that knows the library that does it.

Owns: how the library is set up.
Must not know: prefixes, who asks.

Theory of operation
===================

The library holds the interpreter's lock while it reads a model, which may take a minute, and a fault in it ends its
process. So it has a process of its own. It reads one line from standard input, what is wanted, and answers with one
line, where it listens. Then it waits for the end of its input, which comes when whoever started it is gone, however
that ended.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import msgspec

from holdfast.ai.local.lines import NOT_INSTALLED, REFUSED, Began, Wanted

LOG_ERRORS: Final = 1
"""The least that the library says."""


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the library prints is no answer
    wanted = msgspec.json.decode(sys.stdin.buffer.readline(), type=Wanted)
    began, server = _begin(wanted)
    answers.write(msgspec.json.encode(began) + b"\n")
    answers.flush()
    if server is None:
        return
    sys.stdin.buffer.read()
    # Nothing is lost: whatever was to be kept was written when it was asked for.
    os._exit(0)


def _begin(wanted: Wanted) -> tuple[Began, object]:
    try:
        import xllamacpp
    except ImportError as error:
        return Began(problem=NOT_INSTALLED, detail=str(error)), None
    settings = xllamacpp.CommonParams()
    settings.model.path = wanted.path
    settings.n_ctx = wanted.ctx * wanted.slots
    settings.n_parallel = wanted.slots
    settings.slot_save_path = wanted.kv_dir
    settings.api_keys = [wanted.key]
    settings.hostnames = ["127.0.0.1"]
    settings.port = wanted.port
    settings.verbosity = LOG_ERRORS
    settings.ui = False
    settings.ctx_shift = False  # forgetting the beginning of a prompt in silence is no answer
    # Which slot holds what is decided by whoever asks. What the library would keep besides costs a copy of every slot
    # with each request.
    settings.cache_ram_mib = 0
    settings.cache_idle_slots = False
    if wanted.exact:
        # Sums in 16 bits are rounded according to how many tokens are computed together: a prefix by itself, and a
        # prompt with it, differ in the last digits, and where two tokens are equally likely that tips over an answer.
        settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    if wanted.threads:
        settings.cpuparams.n_threads = wanted.threads
        settings.cpuparams_batch.n_threads = wanted.threads
    try:
        server = xllamacpp.Server(settings)
    except (RuntimeError, ValueError) as error:
        return Began(problem=REFUSED, detail=str(error)), None
    return Began(server.listening_address, xllamacpp.__version__), server


if __name__ == "__main__":
    main()
