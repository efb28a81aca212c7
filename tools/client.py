"""Drive a running ComfyUI over its HTTP API: queue a prompt, follow it, fetch its results.

`Client.run` takes completion, errors and results from the server's history. The web socket only
moves the progress bar, so it may fail. Standard library only, so that `python dev.py` needs
nothing installed.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

from .demo_runs import SEARCHES, find
from .saved_workflow import ComfyError, Prompt
from .web_socket import WebSocket

Progress = Callable[[int, int], None]


class Client:
    """A client of the server at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.id = uuid.uuid4().hex
        # A proxy is never used: the server is on this machine.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def get(self, path: str, timeout: float = 60.0) -> Any:
        return json.loads(self.read(path, timeout))

    def read(self, path: str, timeout: float = 60.0) -> bytes:
        try:
            with self._open(self.url + path, timeout=timeout) as answer:
                return answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ComfyError(f"ComfyUI at {self.url} does not answer {path}: {error}.") from None

    def image(self, entry: dict) -> bytes:
        """The file behind one entry of a history's `images`."""
        return self.read("/view?" + urllib.parse.urlencode(entry))

    def queue(self, prompt: Prompt, workflow: dict | None = None) -> str:
        """Queue `prompt` and return its id; its images will carry `workflow` if there is one."""
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
            raise ComfyError(f"ComfyUI at {self.url} does not take the prompt: {error}.") from None
        if answer.get("node_errors"):
            raise ComfyError(refusal(json.dumps(answer)))
        return answer["prompt_id"]

    def run(self, prompt: Prompt, progress: Progress, workflow: dict | None = None) -> dict:
        """Run a prompt of one search to its end, and return the outputs of its nodes.

        Args:
            prompt: the prompt.
            progress: called with (value, maximum) while the search runs.
            workflow: the workflow that its images will carry.

        Raises:
            ComfyError: the server refused or failed the prompt, or the run was cancelled.
        """
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
    """Report progress for `seconds` or until the run ends; None once the stream has failed."""
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
            raise ComfyError("The run was cancelled.")
    return entry["outputs"]


def refusal(body: bytes | str) -> str:
    """One sentence for the server's answer to a prompt that it refuses."""
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
