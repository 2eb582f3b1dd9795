"""The same grid on a GPU: what of it can be told without one, and without torch."""

from __future__ import annotations

import sys

from benchmarks.prompt_cache_gpu import PORTION, SHAPES, _common, _portions, main


def test_without_torch_it_says_what_to_install(monkeypatch, capsys):
    """In one line that a person can act on, and as a failure."""
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["--quick"]) == 1
    assert "pip install torch" in capsys.readouterr().err


def test_a_prompt_is_computed_in_portions_of_which_one_ends_with_the_prefix():
    """With the cache off and on: so both round alike."""
    whole = _portions(0, PORTION + 10, PORTION + 50)
    assert whole == [(0, PORTION), (PORTION, PORTION + 10), (PORTION + 10, PORTION + 50)]
    assert _portions(PORTION + 10, PORTION + 10, PORTION + 50) == whole[-1:]


def test_what_is_kept_is_found_by_comparing_tokens():
    """From the first on: a prefix whose first token was changed has nothing in common."""
    assert _common([1, 2, 3], [1, 2, 4]) == 2
    assert _common([1, 2], [1, 2, 3]) == 2
    assert _common([1, 2], [0, 2]) == 0


def test_the_shape_is_that_of_a_model_of_eight_billion_weights():
    """Embeddings, and of each layer attention and the rest."""
    shape = SHAPES["8b"]
    attention = 2 * shape.width**2 + 2 * shape.width * shape.kept_heads * shape.head
    weights = 2 * shape.words * shape.width + shape.layers * (attention + 3 * shape.width * shape.inner)
    assert 8.0e9 < weights < 8.1e9
