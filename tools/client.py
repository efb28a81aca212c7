"""Drive a running ComfyUI over its HTTP API: convert a saved workflow, queue it, follow it.

Standard library only, so that `python dev.py` needs nothing installed.
`to_api` does what the browser does when it queues a workflow. `Client.run` takes completion, errors
and results from the server's history; the web socket only moves the progress bar, so it may fail.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import http.client
import json
import os
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

Prompt = dict[str, dict[str, Any]]
Progress = Callable[[int, int], None]

MUTED, BYPASSED = 2, 4
DRAWN_ONLY = {"Note", "MarkdownNote", "Reroute", "PrimitiveNode"}  # exist in the browser alone
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COLOR", DYNAMIC}
CONTROL = ("fixed", "increment", "increment-wrap", "decrement", "randomize")
SEARCHES = ("FlowSearchRBF", "FlowSearchParticles")


class ComfyError(Exception):
    """What ComfyUI refused or failed to do, in one sentence."""


# ---- a saved workflow -> an API prompt


def to_api(workflow: dict, object_info: dict) -> Prompt:
    """The prompt the browser would queue for `workflow` (UI format, no subgraphs)."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    origins = dict(_origin(link) for link in workflow["links"])
    subgraphs = {graph["id"] for graph in workflow.get("definitions", {}).get("subgraphs", [])}

    def source(link: int | None) -> list | None:
        """Follow a link back to the output that feeds it."""
        node_id, slot = origins.get(link, (None, 0))
        node = nodes.get(node_id)
        if node is None or node.get("mode") == MUTED or node["type"] == "PrimitiveNode":
            return None
        if node["type"] == "Reroute":
            return source(node["inputs"][0]["link"])
        if node.get("mode") == BYPASSED:
            kind, inputs = node["outputs"][slot]["type"], node.get("inputs", [])
            same = [i for i in inputs[slot : slot + 1] + inputs if i["type"] in (kind, "*")]
            return source(same[0]["link"]) if same else None
        return [str(node_id), slot]

    prompt: Prompt = {}
    for node in nodes.values():
        kind = node["type"]
        if kind in DRAWN_ONLY or node.get("mode") in (MUTED, BYPASSED):
            continue
        if kind in subgraphs:
            raise ComfyError("the workflow has a subgraph: unpack it in the browser and save again")
        if kind not in object_info:
            raise ComfyError(f"ComfyUI has no node '{kind}': its pack is missing or did not load")
        inputs = widget_values(node, object_info[kind]["input"])
        for entry in node.get("inputs", []):
            if origin := source(entry.get("link")):
                inputs[entry["name"]] = origin
        prompt[str(node["id"])] = {"class_type": kind, "inputs": inputs}
    return prompt


def _origin(link: dict | list) -> tuple[int, tuple[int, int]]:
    if isinstance(link, dict):
        return link["id"], (link["origin_id"], link["origin_slot"])
    return link[0], (link[1], link[2])


def widget_values(node: dict, schema: dict) -> dict[str, Any]:
    """Name the node's saved `widgets_values`, which are a bare list in the order of the schema.

    A dynamic combo is followed by the inputs of its chosen option ("reward", "reward.colours"), a
    seed by the browser's own "control after generate". Inputs newer than the file take their
    default.
    """
    saved = list(node.get("widgets_values") or [])
    values: dict[str, Any] = {}

    def take(inputs: dict, prefix: str) -> None:
        for name, spec in (inputs.get("required", {}) | inputs.get("optional", {})).items():
            kind, options = spec[0], spec[1] if len(spec) > 1 else {}
            if not (isinstance(kind, list) or kind in WIDGETS) or options.get("forceInput"):
                continue
            if not saved and "default" not in options:
                continue
            value = saved.pop(0) if saved else options["default"]
            values[prefix + name] = {"__value__": value} if isinstance(value, list) else value
            if kind == DYNAMIC:
                chosen = [o["inputs"] for o in options["options"] if o["key"] == value]
                if not chosen:
                    raise ComfyError(f"'{node['type']}' has no {name} '{value}' in this version")
                take(chosen[0], f"{prefix}{name}.")
            elif saved and saved[0] in CONTROL and _has_control(name, options):
                saved.pop(0)

    take(schema, "")
    return values


def _has_control(name: str, options: dict) -> bool:
    return bool(options.get("control_after_generate")) or name in ("seed", "noise_seed")


# ---- the demo's three runs


def variants(prompt: Prompt, steps: int = 4) -> dict[str, Prompt]:
    """The demo's RBF prompt, and the plain sampler and best of N at its seed and text.

    Both of these draw whole samples with `steps` steps of the ODE; the plain sampler is best of 1.
    """
    search_id = find(prompt, "FlowSearchRBF")
    guider = prompt[search_id]["inputs"]["guider"][0]

    def best_of_n(budget: int) -> Prompt:
        graph = copy.deepcopy(prompt)
        graph["plain_sampler"] = {
            "class_type": "FlowSearchVPSDESampler",
            "inputs": {"interpolant": "linear", "diffusion": "square", "diffusion_norm": 0.0,
                       "kernel": "euler_maruyama"},
        }  # fmt: skip
        graph["plain_sigmas"] = {
            "class_type": "BasicScheduler",
            "inputs": {"model": prompt[guider]["inputs"]["model"], "scheduler": "simple",
                       "steps": steps, "denoise": 1.0},
        }  # fmt: skip
        search = graph[search_id]
        search["class_type"] = "FlowSearchParticles"
        inputs = search["inputs"]
        for own in ("init_particles", "paths"):
            inputs.pop(own, None)
        inputs |= {"method": "best_of_n", "budget": budget, "finish_steps": 0,
                   "sampler": ["plain_sampler", 0], "sigmas": ["plain_sigmas", 0]}  # fmt: skip
        return graph

    return {
        "plain sampler": best_of_n(steps),
        "best of N": best_of_n(prompt[search_id]["inputs"]["budget"]),
        "RBF": prompt,
    }


def find(prompt: Prompt, *class_types: str) -> str:
    """The id of the only node of one of these types."""
    ids = [node_id for node_id, node in prompt.items() if node["class_type"] in class_types]
    if len(ids) != 1:
        raise ComfyError(f"found {len(ids)} of {' or '.join(class_types)} in the graph, wanted one")
    return ids[0]


# ---- the server


class Client:
    """One client of the server at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.id = uuid.uuid4().hex
        # Never through a proxy: the server is on this machine.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def get(self, path: str, timeout: float = 60.0) -> Any:
        return json.loads(self.read(path, timeout))

    def read(self, path: str, timeout: float = 60.0) -> bytes:
        try:
            with self._open(self.url + path, timeout=timeout) as answer:
                return answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ComfyError(f"ComfyUI at {self.url} does not answer {path}: {error}") from None

    def image(self, entry: dict) -> bytes:
        """The file behind one entry of a history's `images`."""
        return self.read("/view?" + urllib.parse.urlencode(entry))

    def queue(self, prompt: Prompt, workflow: dict | None = None) -> str:
        """Queue `prompt`, to save `workflow` in its images if there is one, and return its id."""
        metadata = {} if workflow is None else {"workflow": workflow}
        body = {"prompt": prompt, "client_id": self.id, "extra_data": {"extra_pnginfo": metadata}}
        request = urllib.request.Request(
            self.url + "/prompt", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with self._open(request, timeout=60) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise ComfyError(refusal(error.read())) from None
        except (OSError, http.client.HTTPException) as error:
            raise ComfyError(f"ComfyUI at {self.url} does not take the prompt: {error}") from None
        if answer.get("node_errors"):
            raise ComfyError(refusal(json.dumps(answer)))
        return answer["prompt_id"]

    def run(self, prompt: Prompt, progress: Progress, workflow: dict | None = None) -> dict:
        """Run `prompt` to its end, calling `progress(value, maximum)` on the way; its outputs."""
        watched = find(prompt, *SEARCHES)
        stream = None
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                host = urllib.parse.urlsplit(self.url)
                stream = WebSocket(host.hostname, host.port, f"/ws?clientId={self.id}")
                stack.callback(stream.close)
            prompt_id = self.queue(prompt, workflow)
            while True:
                entry = self.get(f"/history/{prompt_id}").get(prompt_id)
                if entry is not None:
                    return outputs(entry)
                stream = _follow(stream, prompt_id, watched, progress)


def _follow(
    stream: WebSocket | None, prompt_id: str, watched: str, progress: Progress, seconds: float = 1.0
) -> WebSocket | None:
    """Report progress for a while or until the run ends; the stream, or None when it fails."""
    if stream is None:
        time.sleep(seconds / 4)
        return None
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            message = json.loads(stream.receive(seconds))
            data = message.get("data") or {}
            if data.get("prompt_id") != prompt_id:
                continue
            if message["type"] == "progress_state" and watched in data["nodes"]:
                state = data["nodes"][watched]
                progress(int(state["value"]), int(state["max"]))
            elif message["type"] == "executing" and data["node"] is None:
                break
    except TimeoutError:
        pass
    except (OSError, ValueError):
        return None
    return stream


def outputs(entry: dict) -> dict:
    """The node outputs of a finished history entry; a failed run raises."""
    for kind, data in entry.get("status", {}).get("messages", []):
        if kind == "execution_error":
            text = " ".join(str(data["exception_message"]).split())
            raise ComfyError(f"{data['node_type']} (node {data['node_id']}) failed: {text}")
        if kind == "execution_interrupted":
            raise ComfyError("the run was cancelled")
    return entry["outputs"]


def refusal(body: bytes | str) -> str:
    """The sentence behind the server's answer to a prompt that it does not accept."""
    try:
        answer = json.loads(body)
    except ValueError:
        return f"ComfyUI refused the prompt: {body[:200]!r}"
    for node_id, node in (answer.get("node_errors") or {}).items():
        for error in node["errors"]:
            text = f"{error['message']}: {error['details']}".strip(": ")
            return f"{node['class_type']} (node {node_id}) was refused: {text}"
    error = answer["error"]
    return f"ComfyUI refused the prompt: {error['message']} ({error['details']})"


class WebSocket:
    """The part of RFC 6455 that listening needs: text in, pings answered, binary ignored."""

    def __init__(self, host: str, port: int, path: str, timeout: float = 10.0) -> None:
        self._socket = socket.create_connection((host, port), timeout)
        self._buffer = bytearray()
        self._kind, self._parts = 0x1, bytearray()  # of the message being received
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if head.split(None, 2)[1:2] != [b"101"]:
            self.close()
            raise ConnectionError(f"no web socket at {path}: {head[:60]!r}")
        self._buffer = bytearray(rest)

    def receive(self, timeout: float) -> str:
        """The next text message; TimeoutError when the line is silent, which loses nothing."""
        self._socket.settimeout(timeout)
        while True:
            while (frame := take_frame(self._buffer)) is None:
                self._fill()
            final, opcode, payload = frame
            if opcode == 0x8:
                raise ConnectionError("the server closed the web socket")
            if opcode == 0x9:
                self._pong(payload)
            elif opcode in (0x0, 0x1, 0x2):
                if opcode:
                    self._kind, self._parts = opcode, bytearray()
                self._parts += payload
                if final and self._kind == 0x1:
                    return self._parts.decode()

    def close(self) -> None:
        self._socket.close()

    def _fill(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server went away")
        self._buffer += data

    def _pong(self, payload: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self._socket.sendall(bytes([0x8A, 0x80 | len(payload)]) + mask + masked)


def take_frame(buffer: bytearray) -> tuple[bool, int, bytes] | None:
    """Cut a server's frame off the front of `buffer`: (final, opcode, payload), if whole."""
    if len(buffer) < 2:
        return None
    length, start = buffer[1] & 0x7F, 2
    if length >= 126:
        size = {126: 2, 127: 8}[length]
        start += size
        if len(buffer) < start:
            return None
        length = int.from_bytes(buffer[2:start], "big")
    if len(buffer) < start + length:
        return None
    first, payload = buffer[0], bytes(buffer[start : start + length])
    del buffer[: start + length]
    return bool(first & 0x80), first & 0x0F, payload
