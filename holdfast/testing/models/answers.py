"""How each provider writes an answer.

Owns: the bodies and streams of Anthropic's Messages and OpenAI's Chat Completions and Responses.
Must not know: connections, what is counted and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from holdfast.testing.models.asked import Asked, Reply
from holdfast.testing.models.counting import TOKEN_CHARACTERS, Counted

PIECE_CHARACTERS = 16


def answer_body(asked: Asked, reply: Reply, counted: Counted) -> dict[str, Any]:
    """Return the whole answer to a request."""
    if asked.path.endswith("/messages"):
        return _message(asked, reply, counted)
    if asked.path.endswith("/chat/completions"):
        return _completion(asked, reply, counted)
    return _response(asked, reply, counted)


def answer_events(asked: Asked, reply: Reply, counted: Counted) -> Iterator[bytes]:
    """Yield the answer to a request piece by piece, as server-sent events."""
    if asked.path.endswith("/messages"):
        yield from _message_events(asked, reply, counted)
    elif asked.path.endswith("/chat/completions"):
        yield from _completion_events(asked, reply, counted)
    else:
        yield from _response_events(asked, reply, counted)


def _text(reply: Reply) -> str:
    return reply if isinstance(reply, str) else msgspec.json.encode(reply).decode()


def _tokens(reply: Reply) -> int:
    return -(-len(_text(reply)) // TOKEN_CHARACTERS)


def _pieces(reply: Reply) -> Iterator[str]:
    text = _text(reply)
    for start in range(0, max(1, len(text)), PIECE_CHARACTERS):
        yield text[start : start + PIECE_CHARACTERS]


def _event(data: dict[str, Any], name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(data) + b"\n\n"


# --- Anthropic's Messages --------------------------------------------------------------------------------------------


def _message(asked: Asked, reply: Reply, counted: Counted) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "text", "text": _text(reply)}
    tool = asked.output_tool if not isinstance(reply, str) else ""
    if tool:
        content = {"type": "tool_use", "id": "toolu_1", "name": tool, "input": reply}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [content],
        "stop_reason": "tool_use" if tool else "end_turn",
        "stop_sequence": None,
        "usage": {
            # This provider counts what was read or written apart from its input.
            "input_tokens": counted.total - counted.read - counted.written,
            "cache_creation_input_tokens": counted.written,
            "cache_read_input_tokens": counted.read,
            "output_tokens": _tokens(reply),
        },
    }


def _message_events(asked: Asked, reply: Reply, counted: Counted) -> Iterator[bytes]:
    whole = _message(asked, reply, counted)
    (content,) = whole["content"]
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield _event({"type": "message_start", "message": begun}, "message_start")
    is_tool = content["type"] == "tool_use"
    empty = {**content, "input": {}} if is_tool else {**content, "text": ""}
    yield _event({"type": "content_block_start", "index": 0, "content_block": empty}, "content_block_start")
    for piece in _pieces(reply):
        delta = (
            {"type": "input_json_delta", "partial_json": piece} if is_tool else {"type": "text_delta", "text": piece}
        )
        yield _event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
    yield _event({"type": "content_block_stop", "index": 0}, "content_block_stop")
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": ended, "usage": whole["usage"]}, "message_delta")
    yield _event({"type": "message_stop"}, "message_stop")


# --- OpenAI's Chat Completions ---------------------------------------------------------------------------------------


def _completion(asked: Asked, reply: Reply, counted: Counted) -> dict[str, Any]:
    tool = asked.output_tool if not isinstance(reply, str) else ""
    message: dict[str, Any] = {"role": "assistant", "content": None if tool else _text(reply), "refusal": None}
    if tool:
        function = {"name": tool, "arguments": _text(reply)}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": asked.model,
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if tool else "stop", "logprobs": None}
        ],
        "usage": _completion_usage(reply, counted),
    }


def _completion_usage(reply: Reply, counted: Counted) -> dict[str, Any]:
    output = _tokens(reply)
    return {
        "prompt_tokens": counted.total,
        "completion_tokens": output,
        "total_tokens": counted.total + output,
        "prompt_tokens_details": {"cached_tokens": counted.read},
    }


def _completion_events(asked: Asked, reply: Reply, counted: Counted) -> Iterator[bytes]:
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": asked.model,
    }
    for number, piece in enumerate(_pieces(reply)):
        delta = {"content": piece, **({"role": "assistant"} if number == 0 else {})}
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield _event({**head, "choices": [], "usage": _completion_usage(reply, counted)})
    yield b"data: [DONE]\n\n"


# --- OpenAI's Responses ----------------------------------------------------------------------------------------------


def _response(asked: Asked, reply: Reply, counted: Counted) -> dict[str, Any]:
    tool = asked.output_tool if not isinstance(reply, str) else ""
    item: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": _text(reply), "annotations": []}],
    }
    if tool:
        item = {
            "id": "fc_1",
            "type": "function_call",
            "call_id": "call_1",
            "name": tool,
            "arguments": _text(reply),
            "status": "completed",
        }
    output = _tokens(reply)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "model": asked.model,
        "output": [item],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": counted.total,
            "input_tokens_details": {"cached_tokens": counted.read},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": counted.total + output,
        },
    }


def _response_events(asked: Asked, reply: Reply, counted: Counted) -> Iterator[bytes]:
    whole = _response(asked, reply, counted)
    (item,) = whole["output"]
    place = {"output_index": 0, "item_id": item["id"], "content_index": 0}
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    part = {"type": "output_text", "text": "", "annotations": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **place, "part": part},
        *({"type": "response.output_text.delta", **place, "delta": each, "logprobs": []} for each in _pieces(reply)),
        {"type": "response.output_text.done", **place, "text": _text(reply), "logprobs": []},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    for number, each in enumerate(events):
        yield _event({**each, "sequence_number": number}, each["type"])
