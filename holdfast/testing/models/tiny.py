"""A language model that is written here, of random weights, so that tests of local models download nothing.

Owns: `write_tiny_model`. The one module that knows how such files are written.
Must not know: who reads it.

It answers nonsense, but as a real one: the same nonsense to the same prompt, and another to another. It never ends of
itself: say how many tokens are wanted, or which grammar. A printable character of ASCII is a token; whatever else there
is takes one for each byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from holdfast.errors import DefinitionError

BEGIN: Final = 1
END: Final = 2
CONTEXT_TOKENS: Final = 1 << 17
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
"""Kinds of tokens, as the file's form numbers them."""
SHARPNESS: Final = 4
"""Of attention: where it is spread evenly over a long prompt, small errors of rounding add up to another answer."""
TEMPLATE: Final = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def write_tiny_model(path: Path, *, width: int = 64, layers: int = 2, seed: int = 1) -> Path:
    """Write a model to a GGUF file, and return its path. Needs the packages `gguf` and `numpy`.

    ```python
    llm = LLM(local(write_tiny_model(tmp_path / "tiny.gguf"), ctx=2_048))
    ```

    Args:
        path: where to write it.
        width: of its layers, a multiple of 64; computing takes time with its square.
        layers: how many it has.
        seed: two models of one shape and seed are equal.

    Raises:
        DefinitionError: `width` does not fit, or one of the packages is not installed.
    """
    if width < 64 or width % 64:
        raise DefinitionError(f"width of a tiny model is {width!r}: it has to be a multiple of 64")
    try:
        import gguf
        import numpy as np
    except ImportError as error:
        raise DefinitionError(f"a tiny model cannot be written: {error}", remedy="pip install gguf") from error
    chance = np.random.default_rng(seed)

    def drawn(*shape: int) -> Any:
        return (chance.standard_normal(shape) / shape[-1] ** 0.5).astype(np.float32)

    tokens, kinds = _vocabulary()
    inner = width * 2
    file = gguf.GGUFWriter(str(path), "llama")
    file.add_name("tiny")
    file.add_context_length(CONTEXT_TOKENS)
    file.add_embedding_length(width)
    file.add_block_count(layers)
    file.add_feed_forward_length(inner)
    file.add_head_count(width // 32)
    file.add_head_count_kv(width // 32)
    file.add_rope_dimension_count(32)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_tokenizer_model("llama")
    file.add_token_list(tokens)
    file.add_token_scores([0.0] * len(tokens))
    file.add_token_types(kinds)
    file.add_unk_token_id(0)
    file.add_bos_token_id(BEGIN)
    file.add_eos_token_id(END)
    file.add_chat_template(TEMPLATE)
    file.add_tensor("token_embd.weight", drawn(len(tokens), width))
    file.add_tensor("output_norm.weight", np.ones(width, np.float32))
    spoken = drawn(len(tokens), width)
    spoken[: len(kinds) - kinds.count(NORMAL)] = 0  # never the end, and no byte that is a part of a character
    file.add_tensor("output.weight", spoken)
    for layer in range(layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            sharp = SHARPNESS if name == "attn_q" else 1
            file.add_tensor(f"blk.{layer}.{name}.weight", drawn(width, width) * np.float32(sharp))
        for name in ("attn_norm", "ffn_norm"):
            file.add_tensor(f"blk.{layer}.{name}.weight", np.ones(width, np.float32))
        for name, shape in (("gate", (inner, width)), ("up", (inner, width)), ("down", (width, inner))):
            file.add_tensor(f"blk.{layer}.ffn_{name}.weight", drawn(*shape))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path


def _vocabulary() -> tuple[list[str], list[int]]:
    tokens, kinds = ["<unk>", "<s>", "</s>"], [UNKNOWN, CONTROL, CONTROL]
    tokens += [f"<0x{byte:02X}>" for byte in range(256)]
    kinds += [BYTE] * 256
    printable = [
        "\N{LOWER ONE EIGHTH BLOCK}",
        *(chr(code) for code in range(0x21, 0x7F)),
    ]  # the first stands for a space
    return tokens + printable, kinds + [NORMAL] * len(printable)
