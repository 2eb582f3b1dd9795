"""Measure what a prefix that is kept saves on a local model: `python -m benchmarks.prompt_cache`.

    python -m benchmarks.prompt_cache [--quick] [--json FILE] [--rounds N] [--model FILE] [--threads N] [--rounded]
                                      [--question TOKENS] [--prefix TOKENS]

Owns: the grid, what is timed, what makes a measurement void.
Must not know: how prefixes are kept.

Each cell of the grid is a length of the prefix and a length of the answer, in tokens. In each round a question that was
not asked before is asked twice: with the cache off, where the server computes everything, and with it on, in a slot
that holds the prefix. Which of the two goes first changes with each round. Answers are greedy and have to be equal, so
the model computes exactly (`local(..., exact=True)`). With `--rounded` it does as it would by default, where what is
computed by itself is rounded a little differently, and answers that differ are only counted.
What was computed and what was cached is what the server says. A prefix of which the first token was changed is the
negative control: it has to be computed whole.

The model is written here, of random weights, unless one is named: what is saved follows from how long computing the
prefix takes beside the answer, and neither depends on what the weights mean.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from benchmarks.machine import Machine, describe_machine
from benchmarks.rows import OURS, Row, Sample, percentile, summarize
from holdfast.ai import Cached, Local, cached, local
from holdfast.testing.models import write_tiny_model

CASE: Final = "prompt cache"
OFF: Final = "uncached"
PREFIXES: Final = (1_024, 4_096, 16_384)
OUTPUTS: Final = (1, 32, 256)
QUICK_PREFIXES: Final = (256, 512)
QUICK_OUTPUTS: Final = (1, 8)
ROUNDS: Final = 5
SYNCS: Final = 100
WIDTH: Final = 128
LAYERS: Final = 2
QUESTION_TOKENS: Final = 40
SPARE_TOKENS: Final = 1_024
"""Room for question, answer and template beside the prefix."""
CONTROL_SHARE_MAX: Final = 0.05
"""A prefix that differs in its first token may share what the template puts before it."""
RULE: Final = "Rule {}: answer from this manual alone, be brief, and never guess. "


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request came to."""

    text: str
    first_seconds: float
    total_seconds: float
    computed: int
    """Tokens of the prompt, as the server counts them."""
    cached: int


@dataclass(frozen=True, slots=True)
class Pair:
    """The same question with the cache off and on."""

    off: Answer
    on: Answer


class Cell(msgspec.Struct, frozen=True):
    """A cell of the grid: milliseconds, medians and 95th percentiles of `n` rounds."""

    prefix: int
    output: int
    n: int
    first_off: float
    first_on: float
    first_off_p95: float
    first_on_p95: float
    total_off: float
    total_on: float
    total_off_p95: float
    total_on_p95: float
    computed_off: int
    computed_on: int
    cached_on: int
    first_saved: float
    """How much sooner, in percent."""
    total_saved: float
    total_foreseen: float
    """What the law says."""


class Report(msgspec.Struct, frozen=True):
    """What `--json` writes."""

    machine: Machine
    quick: bool
    model: str
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...]
    failures: tuple[str, ...]


def text_of(tokens: int) -> str:
    """Return a text of so many characters, each of which is a token of the model that is written here."""
    rules = (RULE.format(number) for number in range(tokens))
    text = ""
    while len(text) < tokens:
        text += next(rules)
    return text[:tokens]


def ask(url: str, key: str, system: str, question: str, output: int, extra: dict[str, Any]) -> Answer:
    """Ask, and time the answer as it comes."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port)
    body = {
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": question}],
        "max_tokens": output,
        "temperature": 0.0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
        **extra,
    }
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    began = time.perf_counter()
    first = 0.0
    text, usage = "", {}
    try:
        connection.request("POST", "/v1/chat/completions", msgspec.json.encode(body), headers)
        for chunk in _chunks(connection.getresponse()):
            usage = chunk.get("usage") or usage
            piece = "".join(each.get("delta", {}).get("content") or "" for each in chunk.get("choices", ()))
            first = first or (time.perf_counter() - began if piece else 0.0)
            text += piece
    finally:
        connection.close()
    total = time.perf_counter() - began
    read = usage["prompt_tokens_details"]["cached_tokens"]
    return Answer(text, first, total, usage["prompt_tokens"] - read, read)


def _chunks(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(response.read().decode())
    for line in response:
        if line.startswith(b"data: {"):
            yield msgspec.json.decode(line.removeprefix(b"data: "))


def question_of(number: int, output: int, length: int) -> str:
    """Return a question that is asked once, of so many characters, each of which is a token."""
    return f"Question {number} of {output}: what does rule {number * 7} say, and why does it?"[:length]


async def measure_cell(here: Local, prefix: Cached, output: int, rounds: int, asked: int) -> list[Pair]:
    """Return the rounds of a cell. The prefix is held before the first of them."""
    url, key = await here.reach()

    async def off(question: str) -> Answer:
        async with here.turn(None) as turn:
            extra = {**turn.extra_body, "cache_prompt": False}
            return ask(url, key, prefix.text, question, output, extra)

    async def on(question: str) -> Answer:
        async with here.turn(prefix) as turn:
            answer = ask(url, key, prefix.text, question, output, turn.extra_body)
            turn.note(answer.cached)
            return answer

    await on("Are you there?")
    pairs = []
    for number in range(rounds):
        question = question_of(number, output, asked)
        if number % 2:
            kept = await on(question)
            pairs.append(Pair(await off(question), kept))
        else:
            whole = await off(question)
            pairs.append(Pair(whole, await on(question)))
    return pairs


async def measure_control(here: Local, prefix: Cached) -> Answer:
    """Ask with a prefix whose first token was changed, in the slot that holds the prefix."""
    url, key = await here.reach()
    async with here.turn(prefix) as turn:
        return ask(url, key, "X" + prefix.text[1:], "Are you there?", 1, turn.extra_body)


def differing(pairs: Sequence[Pair]) -> int:
    """Return how many answers are others with the cache on."""
    return sum(each.off.text != each.on.text for each in pairs)


def check(prefix: int, output: int, pairs: Sequence[Pair], *, exact: bool = True) -> list[str]:
    """Return what makes the rounds of a cell void."""
    where = f"prefix {prefix:,}, output {output:,}"
    differ = differing(pairs)
    found = [f"{where}: {differ} of {len(pairs)} answers differ with the cache on"] if differ and exact else []
    if any(each.off.cached for each in pairs):
        found.append(f"{where}: the server cached with the cache off")
    if any(each.on.cached < 0.9 * prefix for each in pairs):
        found.append(f"{where}: the server computed the prefix again with the cache on")
    return found


def cell_of(prefix: int, output: int, pairs: Sequence[Pair]) -> Cell:
    """Sum up the rounds of a cell."""
    first_off, first_on = ([each.first_seconds * 1e3 for each in side] for side in _sides(pairs))
    total_off, total_on = ([each.total_seconds * 1e3 for each in side] for side in _sides(pairs))
    # Of the same rounds: what comes behind the first token is the same work on both sides.
    decoding = median([total - first for total, first in zip(total_off, first_off, strict=True)])
    foreseen = 1 - (median(first_on) + decoding) / (median(first_off) + decoding)
    return Cell(
        prefix,
        output,
        len(pairs),
        *(_rounded(each) for each in (median(first_off), median(first_on))),
        *(_rounded(percentile(each, 95)) for each in (first_off, first_on)),
        *(_rounded(each) for each in (median(total_off), median(total_on))),
        *(_rounded(percentile(each, 95)) for each in (total_off, total_on)),
        pairs[-1].off.computed,
        pairs[-1].on.computed,
        pairs[-1].on.cached,
        first_saved=_rounded(100 * (1 - median(first_on) / median(first_off))),
        total_saved=_rounded(100 * (1 - median(total_on) / median(total_off))),
        total_foreseen=_rounded(100 * foreseen),
    )


def rows_of(cell: Cell, pairs: Sequence[Pair]) -> list[Row]:
    """Return a cell in the form of all other measurements."""
    case = f"{CASE} {cell.prefix}/{cell.output}"
    rows: list[Row] = []
    for system, side in zip((OFF, OURS), _sides(pairs), strict=True):
        first = tuple(each.first_seconds * 1e3 for each in side)
        total = tuple(each.total_seconds * 1e3 for each in side)
        rows += summarize(case, system, [Sample("first token", "ms", first), Sample("total", "ms", total)])
    return rows


def tell(cells: Sequence[Cell]) -> None:
    """Print the grid, and the law behind it."""
    print(f"\n{'':>15} {'first token, ms':^31} {'total, ms':^31} {'computed':>9} {'cached':>7}")
    head = f"{'off':>9} {'on':>8} {'p95 on':>8} {'sooner':>7}"
    print(f"{'prefix/output':>15} {head} {head.removeprefix(' ')} {'on':>9} {'on':>7} {'law':>7}")
    for each in cells:
        print(
            f"{f'{each.prefix:,}/{each.output}':>15}"
            f" {each.first_off:>9,.1f} {each.first_on:>8,.1f} {each.first_on_p95:>8,.1f} {each.first_saved:>6.1f}%"
            f" {each.total_off:>8,.1f} {each.total_on:>8,.1f} {each.total_on_p95:>8,.1f} {each.total_saved:>6.1f}%"
            f" {each.computed_on:>9,} {each.cached_on:>7,} {each.total_foreseen:>6.1f}%"
        )
    print(
        "\nThe law: a kept prefix takes off the time to compute it, and nothing else. With P for the time to the first"
        "\ntoken without it, p with it, and D for the rest of the answer, the whole is 1 - (p + D) / (P + D) sooner:"
        "\n80 % or more only where D is at most a quarter of what was taken off (P - p), less p."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and write; return 0, or 1 when a measurement is void."""
    given = _parser().parse_args(arguments)
    prefixes, outputs = (QUICK_PREFIXES, QUICK_OUTPUTS) if given.quick else (given.prefix or PREFIXES, OUTPUTS)
    rounds = 1 if given.quick else given.rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        machine = describe_machine(folder, SYNCS)
        path = given.model or write_tiny_model(folder / "tiny.gguf", width=WIDTH, layers=LAYERS)
        here = local(
            path,
            ctx=max(prefixes) + SPARE_TOKENS,
            slots=2,
            kv_dir=folder / "kv",
            threads=given.threads,
            exact=not given.rounded,
        )
        print(*machine.lines(), sep="\n")
        print(f"\n{CASE}: {path.name}, {path.stat().st_size / 1e6:,.1f} MB, threads {given.threads or 'as it likes'}")
        try:
            cells, rows, failures = asyncio.run(_measure(here, prefixes, outputs, rounds, given.question))
        finally:
            here.close()
    tell(cells)
    for each in failures:
        print(f"VOID: {each}", file=sys.stderr)
    if given.json is not None:
        report = Report(machine, given.quick, path.name, tuple(cells), tuple(rows), tuple(failures))
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return 1 if failures else 0


async def _measure(
    here: Local, prefixes: Sequence[int], outputs: Sequence[int], rounds: int, asked: int
) -> tuple[list[Cell], list[Row], list[str]]:
    cells: list[Cell] = []
    rows: list[Row] = []
    failures: list[str] = []
    for length in prefixes:
        prefix = cached(text_of(length), name=f"{length} tokens")
        for output in outputs:
            pairs = await measure_cell(here, prefix, output, rounds, asked)
            cells.append(cell_of(length, output, pairs))
            rows += rows_of(cells[-1], pairs)
            failures += check(length, output, pairs, exact=here.described.exact)
            equal = len(pairs) - differing(pairs)
            print(f"  {length:,}/{output}: {len(pairs)} rounds, {equal} answers equal", flush=True)
        control = await measure_control(here, prefix)
        print(
            f"  {length:,}: first token changed: {control.cached:,} cached, {control.computed:,} computed", flush=True
        )
        if control.cached > CONTROL_SHARE_MAX * length:
            failures.append(f"prefix {length:,}: the negative control read {control.cached:,} tokens from the cache")
    return cells, rows, failures


def _sides(pairs: Sequence[Pair]) -> tuple[list[Answer], list[Answer]]:
    return [each.off for each in pairs], [each.on for each in pairs]


def _rounded(value: float) -> float:
    return round(value, 2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompt_cache")
    parser.add_argument("--quick", action="store_true", help="a smoke test: short prefixes, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="how often each cell is measured")
    parser.add_argument("--model", type=Path, metavar="FILE", help="a GGUF file; lengths are characters then")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="threads that compute")
    parser.add_argument("--rounded", action="store_true", help="compute as by default, not exactly")
    parser.add_argument(
        "--question", type=int, default=QUESTION_TOKENS, metavar="TOKENS", help="how long each question is"
    )
    parser.add_argument("--prefix", type=int, action="append", metavar="TOKENS", help="a prefix of this length alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
