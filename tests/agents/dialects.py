"""The APIs that agents speak, as far as a scripted model needs them: each streams one turn as server-sent events."""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.agents.steps import Step, Steps, shown

Plan = Callable[[str], Steps]
Answer = tuple[str, list[bytes]]


def _events(*events: tuple[str, dict[str, Any]]) -> list[bytes]:
    lines = [
        f"event: {name}\ndata: {json.dumps(data)}\n\n" if name else f"data: {json.dumps(data)}\n\n"
        for name, data in events
    ]
    return [line.encode() for line in lines]


def _next(plan: Plan, prompt: str, done: int, tools: bool) -> tuple[Step | None, str]:
    """The step to take, or None with the last words; without tools or a prompt it is small talk (titles and such)."""
    if not tools or "train.py" not in prompt or "ALPHA" not in prompt:
        return None, "A title"
    steps = plan(prompt)
    return steps.at(done), steps.last_words


class Messages:
    """Anthropic's messages, as Claude Code uses them with Read, Edit and Write."""

    path = re.compile(r"/v1/messages(\?|$)")

    def answer(self, path: str, asked: dict[str, Any], plan: Plan) -> Answer:
        blocks = [b for m in asked["messages"] if isinstance(m["content"], list) for b in m["content"]]
        done = sum(block.get("type") == "tool_result" for block in blocks)
        prompt = shown([m["content"] for m in asked["messages"][:1]])
        names = [tool["name"] for tool in asked.get("tools") or []]
        step, words = _next(plan, prompt, done, bool({"Edit", "Bash", "bash"}.intersection(names)))
        content: dict[str, Any] = {"type": "text", "text": words}
        if step is not None:
            content = {"type": "tool_use", "id": f"toolu_{done:04d}", **self._call(step, names)}
        if not asked.get("stream"):
            return "application/json", [json.dumps(self._message(asked, [content])).encode()]
        start = {**content, "input": {}} if step else {"type": "text", "text": ""}
        delta = (
            {"type": "input_json_delta", "partial_json": json.dumps(content["input"])}
            if step
            else {"type": "text_delta", "text": words}
        )
        stop = {"stop_reason": "tool_use" if step else "end_turn", "stop_sequence": None}
        return "text/event-stream", _events(
            ("message_start", {"type": "message_start", "message": self._message(asked, [])}),
            ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": start}),
            ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}),
            ("content_block_stop", {"type": "content_block_stop", "index": 0}),
            ("message_delta", {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 20}}),
            ("message_stop", {"type": "message_stop"}),
        )

    def _call(self, step: Step, names: list[str]) -> dict[str, Any]:
        if "Edit" not in names or "Write" not in names:
            name = "Bash" if "Bash" in names else "bash"
            return {"name": name, "input": {"command": step.shell(), "description": "work"}}
        if step.kind == "read":
            return {"name": "Read", "input": {"file_path": step.file}}
        if step.kind == "edit":
            given = {"file_path": step.file, "old_string": step.old, "new_string": step.new}
            return {"name": "Edit", "input": given}
        return {"name": "Write", "input": {"file_path": step.file, "content": step.new}}

    def _message(self, asked: dict[str, Any], content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": asked.get("model", "scripted"),
            "content": content,
            "stop_reason": None if asked.get("stream") else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 100, "output_tokens": 5},
        }


class Responses:
    """OpenAI's responses, as Codex uses them with its shell tool."""

    path = re.compile(r"/responses$")

    def answer(self, path: str, asked: dict[str, Any], plan: Plan) -> Answer:
        items = asked.get("input") or []
        items = items if isinstance(items, list) else [{"type": "message", "content": items}]
        done = sum(str(item.get("type", "")).endswith("_call_output") for item in items)
        prompt = shown([item.get("content") for item in items if item.get("type") == "message"])
        tools = {tool.get("name") or tool["type"]: tool for tool in asked.get("tools") or []}
        step, words = _next(plan, prompt, done, bool(tools))
        if step is None:
            text = [{"type": "output_text", "text": words, "annotations": []}]
            item: dict[str, Any] = {"type": "message", "role": "assistant", "id": "msg_1", "content": text}
        else:
            item = self._call(step, tools, done)
        usage = {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 10},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 120,
        }
        head = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
        whole = {**head, "status": "completed", "output": [item], "usage": usage}
        return "text/event-stream", _events(
            ("response.created", {"type": "response.created", "response": head}),
            ("response.output_item.added", {"type": "response.output_item.added", "output_index": 0, "item": item}),
            ("response.output_item.done", {"type": "response.output_item.done", "output_index": 0, "item": item}),
            ("response.completed", {"type": "response.completed", "response": whole}),
        )

    def _call(self, step: Step, tools: dict[str, Any], done: int) -> dict[str, Any]:
        command = step.shell()
        arguments: dict[str, Any]
        if "exec_command" in tools:
            name, arguments = "exec_command", {"cmd": command}
        elif "shell_command" in tools:
            name, arguments = "shell_command", {"command": command}
        else:
            name, arguments = "shell", {"command": ["bash", "-lc", command]}
        return {
            "type": "function_call",
            "id": f"fc_{done}",
            "call_id": f"call_{done}",
            "name": name,
            "arguments": json.dumps(arguments),
            "status": "completed",
        }


class Contents:
    """Google's contents, as Gemini CLI uses them with its file tools."""

    path = re.compile(r":(streamG|g)enerateContent")

    def answer(self, path: str, asked: dict[str, Any], plan: Plan) -> Answer:
        """One turn."""
        parts = [part for content in asked.get("contents") or [] for part in content.get("parts") or []]
        done = sum("functionResponse" in part for part in parts)
        prompt = shown([part["text"] for part in parts if "text" in part])
        names = {each["name"] for tool in asked.get("tools") or [] for each in tool.get("functionDeclarations") or []}
        step, words = _next(plan, prompt, done, bool(names))
        part: dict[str, Any] = {"text": words} if step is None else {"functionCall": self._call(step, names)}
        usage = {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        whole = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "scripted"}
        if "stream" not in path:
            return "application/json", [json.dumps(whole).encode()]
        return "text/event-stream", _events(("", whole))

    def _call(self, step: Step, names: set[str]) -> dict[str, Any]:
        if "replace" not in names:
            return {"name": "run_shell_command", "args": {"command": step.shell(), "description": "work"}}
        if step.kind == "read":
            return {"name": "read_file", "args": {"file_path": step.file}}
        if step.kind == "edit":
            given = {"file_path": step.file, "old_string": step.old, "new_string": step.new, "instruction": "change it"}
            return {"name": "replace", "args": given}
        return {"name": "write_file", "args": {"file_path": step.file, "content": step.new}}


class Completions:
    """OpenAI's chat completions, as aider uses them: no tools, all changes as blocks in one answer's text."""

    path = re.compile(r"/chat/completions$")

    def answer(self, path: str, asked: dict[str, Any], plan: Plan) -> Answer:
        """The one turn."""
        prompt = shown([message.get("content") for message in asked.get("messages") or []])
        step, words = _next(plan, prompt, 0, tools=True)
        if step is not None:
            blocks = [_block(one, prompt) for one in plan(prompt).steps if one.kind != "read"]
            words = "\n".join([plan(prompt).last_words, *blocks])
        whole = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": asked.get("model", "scripted"),
            "choices": [{"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
        return "application/json", [json.dumps(whole).encode()]


def _block(step: Step, prompt: str) -> str:
    """A step as aider's search/replace block, which wants whole lines."""
    line = re.findall(rf"^{re.escape(step.old)}.*$", prompt, re.MULTILINE)[-1] if step.old else ""
    old, new = f"{line}\n" if line else "", line.replace(step.old, step.new, 1) if line else step.new
    return f"{step.file}\n```\n<<<<<<< SEARCH\n{old}=======\n{new}\n>>>>>>> REPLACE\n```\n"


ALL = (Messages(), Responses(), Contents(), Completions())
