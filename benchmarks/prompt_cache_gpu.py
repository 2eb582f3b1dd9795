"""Measure what a kept prefix saves on a GPU: `python -m benchmarks.prompt_cache_gpu`.

    python -m benchmarks.prompt_cache_gpu [--quick] [--json FILE] [--rounds N] [--device cuda|cpu] [--shape 8b|tiny]

Owns: the model and its kept values.
Must not know: how the product keeps prefixes.

`benchmarks.prompt_cache` measures the product with a model that a CPU can compute. This is the same grid where prefixes
are as long, and models as large, as people with a GPU have them: a decoder of the shape of an 8B model (Grattafiori et
al. 2024, table 3) in bfloat16, of random weights, since what is saved does not depend on what they mean. It needs
`torch`, which is no dependency of anything here.

Keys and values of a prompt are computed in portions of PORTION tokens, of which one ends where the prefix does, with
the cache off as well as on. So both sides round alike, and greedy answers have to be equal. What is kept is found by
comparing tokens: a prefix whose first token was changed, the negative control, is computed whole.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.machine import describe_machine
from benchmarks.prompt_cache import CONTROL_SHARE_MAX, Answer, Cell, Pair, Report, cell_of, check, rows_of, tell
from benchmarks.rows import Row

CASE: Final = "prompt cache on a GPU"
PREFIXES: Final = (8_192, 32_768, 131_072)
OUTPUTS: Final = (1, 32, 256)
QUICK_PREFIXES: Final = (64, 160)
QUICK_OUTPUTS: Final = (1, 8)
QUESTION_TOKENS: Final = 40
PORTION: Final = 4_096
ROUNDS: Final = 3
SYNCS: Final = 100
ROPE_BASE: Final = 500_000.0
NORM_EPSILON: Final = 1e-5
NO_TORCH: Final = (
    "This benchmark computes with torch, which is not installed, and which nothing else here needs."
    "\nInto an environment of its own: pip install torch"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a model is."""

    width: int
    layers: int
    heads: int
    kept_heads: int
    """Heads of keys and values, each shared by several of the others."""
    inner: int
    words: int

    @property
    def head(self) -> int:
        """How wide a head is."""
        return self.width // self.heads


SHAPES: Final = {
    "8b": Shape(4_096, 32, 32, 8, 14_336, 128_256),
    "tiny": Shape(64, 2, 4, 2, 128, 512),
}


class Decoder:
    """A decoder of random weights, with room for the keys and values of one prompt."""

    def __init__(self, torch: Any, shape: Shape, room: int, device: str) -> None:
        """Draw the weights; `room` tokens have room."""
        from torch.nn.attention.bias import causal_lower_right

        self._causal = causal_lower_right
        self.torch = torch
        self.shape = shape
        self.device = device
        self.words: list[int] = []
        """The tokens whose keys and values are kept."""
        self._chance = torch.Generator(device).manual_seed(1)
        one = shape
        self._embedded = self._drawn(one.words, one.width)
        self._spoken = self._drawn(one.words, one.width)
        self._layers = [
            {
                "q": self._drawn(one.width, one.width),
                "k": self._drawn(one.kept_heads * one.head, one.width),
                "v": self._drawn(one.kept_heads * one.head, one.width),
                "o": self._drawn(one.width, one.width),
                "gate": self._drawn(one.inner, one.width),
                "up": self._drawn(one.inner, one.width),
                "down": self._drawn(one.width, one.inner),
            }
            for _ in range(one.layers)
        ]
        kept = (one.layers, 2, one.kept_heads, room, one.head)
        self._kept = torch.empty(kept, dtype=torch.bfloat16, device=device)
        turns = ROPE_BASE ** (-torch.arange(0, one.head, 2, device=device, dtype=torch.float32) / one.head)
        angles = torch.outer(torch.arange(room, device=device, dtype=torch.float32), turns)
        self._cos, self._sin = angles.cos().to(torch.bfloat16), angles.sin().to(torch.bfloat16)

    def ask(self, prefix: Sequence[int], question: Sequence[int], output: int, *, keeps: bool) -> Answer:
        """Answer greedily, and say how long it took; with `keeps`, compute no token again that is kept."""
        self._wait()
        began = time.perf_counter()
        prompt = [*prefix, *question]
        cached = _common(self.words, prompt[: len(prefix)]) if keeps else 0
        self.words = self.words[:cached]
        word = 0
        for begin, end in _portions(cached, len(prefix), len(prompt)):
            word = self._compute(prompt[begin:end])
        self._wait()
        first = time.perf_counter() - began
        said = [word]
        for _ in range(output - 1):
            said.append(self._compute(said[-1:]))
        self._wait()
        total = time.perf_counter() - began
        self.words = self.words[: len(prefix)]  # what is behind it is the question's own
        return Answer(" ".join(map(str, said)), first, total, len(prompt) - cached, cached)

    def _compute(self, words: Sequence[int]) -> int:
        """Compute the next tokens; return the likeliest one after them."""
        torch, shape = self.torch, self.shape
        begin, end = len(self.words), len(self.words) + len(words)
        flow = self._embedded[torch.tensor(words, device=self.device)]
        seen = self._causal(len(words), end)
        for number, layer in enumerate(self._layers):
            normal = self._normal(flow)
            query, key, value = (
                (normal @ layer[name].T).view(len(words), -1, shape.head).transpose(0, 1) for name in "qkv"
            )
            kept = self._kept[number, :, :, :end]
            kept[0, :, begin:] = self._turned(key, begin, end)
            kept[1, :, begin:] = value
            keys, values = kept.repeat_interleave(shape.heads // shape.kept_heads, dim=1)
            found = torch.nn.functional.scaled_dot_product_attention(
                self._turned(query, begin, end)[None], keys[None], values[None], attn_mask=seen
            )
            flow = flow + found[0].transpose(0, 1).reshape(len(words), shape.width) @ layer["o"].T
            normal = self._normal(flow)
            gate = torch.nn.functional.silu(normal @ layer["gate"].T)
            flow = flow + (gate * (normal @ layer["up"].T)) @ layer["down"].T
        self.words += words
        return int((self._normal(flow[-1:]) @ self._spoken.T).argmax())

    def _drawn(self, *size: int) -> Any:
        drawn = self.torch.randn(size, generator=self._chance, device=self.device, dtype=self.torch.bfloat16)
        return drawn / size[-1] ** 0.5

    def _normal(self, flow: Any) -> Any:
        return self.torch.nn.functional.rms_norm(flow, (self.shape.width,), eps=NORM_EPSILON)

    def _turned(self, heads: Any, begin: int, end: int) -> Any:
        # Rotary positions (Su et al. 2021).
        cos, sin = self._cos[begin:end], self._sin[begin:end]
        even, odd = heads[..., 0::2], heads[..., 1::2]
        return self.torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)

    def _wait(self) -> None:
        if self.device != "cpu":
            self.torch.cuda.synchronize()


def _common(kept: Sequence[int], wanted: Sequence[int]) -> int:
    """Return with how many equal tokens both begin."""
    pairs = zip(kept, wanted, strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(kept), len(wanted)))


def _portions(begin: int, prefix: int, end: int) -> list[tuple[int, int]]:
    """Return the portions in which tokens are computed: none reaches over the end of the prefix."""
    bounds = [*range(begin, prefix, PORTION), *range(max(begin, prefix), end, PORTION), end]
    return list(pairwise(bounds))


def measure(
    decoder: Decoder, prefixes: Sequence[int], outputs: Sequence[int], rounds: int
) -> tuple[list[Cell], list[Row], list[str]]:
    """Return the cells, the rows and what makes them void."""
    chance = random.Random(1)
    cells: list[Cell] = []
    rows: list[Row] = []
    failures: list[str] = []

    def drawn(length: int) -> list[int]:
        return [chance.randrange(decoder.shape.words) for _ in range(length)]

    for length in prefixes:
        prefix = drawn(length)
        decoder.ask(prefix, drawn(QUESTION_TOKENS), 1, keeps=True)
        for output in outputs:
            pairs = []
            for number in range(rounds):
                question = drawn(QUESTION_TOKENS)
                order = (True, False) if number % 2 else (False, True)
                found = {keeps: decoder.ask(prefix, question, output, keeps=keeps) for keeps in order}
                pairs.append(Pair(found[False], found[True]))
            cells.append(cell_of(length, output, pairs))
            rows += rows_of(cells[-1], pairs)
            failures += check(length, output, pairs)
            print(f"  {length:,}/{output}: {len(pairs)} rounds", flush=True)
        changed = [prefix[0] ^ 1, *prefix[1:]]
        control = decoder.ask(changed, drawn(QUESTION_TOKENS), 1, keeps=True)
        of_it = f"{control.cached:,} cached, {control.computed:,} computed"
        print(f"  {length:,}: first token changed: {of_it}", flush=True)
        if control.cached > CONTROL_SHARE_MAX * length:
            failures.append(f"prefix {length:,}: the negative control read {control.cached:,} tokens from the cache")
    return cells, rows, failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and write; return 0, or 1 when a measurement is void or nothing can be measured."""
    given = _parser().parse_args(arguments)
    try:
        import torch
    except ImportError:
        print(NO_TORCH, file=sys.stderr)
        return 1
    if given.device == "cuda" and not torch.cuda.is_available():
        print("There is no GPU here that torch can use. On a CPU: --device cpu --shape tiny --quick", file=sys.stderr)
        return 1
    prefixes, outputs = (QUICK_PREFIXES, QUICK_OUTPUTS) if given.quick else (PREFIXES, OUTPUTS)
    with tempfile.TemporaryDirectory() as name:
        machine = describe_machine(Path(name), SYNCS)
    device = torch.cuda.get_device_name() if given.device == "cuda" else "the CPU"
    print(*machine.lines(), sep="\n")
    print(f"\n{CASE}: shape {given.shape}, bfloat16, on {device}, torch {torch.__version__}", flush=True)
    with torch.inference_mode():
        room = max(prefixes) + QUESTION_TOKENS + max(outputs)
        decoder = Decoder(torch, SHAPES[given.shape], room, given.device)
        cells, rows, failures = measure(decoder, prefixes, outputs, given.rounds)
    tell(cells)
    for each in failures:
        print(f"VOID: {each}", file=sys.stderr)
    if given.json is not None:
        report = Report(machine, given.quick, given.shape, tuple(cells), tuple(rows), tuple(failures))
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompt_cache_gpu")
    parser.add_argument("--quick", action="store_true", help="a smoke test: short prefixes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="how often each cell is measured")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="what computes")
    parser.add_argument("--shape", choices=SHAPES, default="8b", help="how large the model is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
