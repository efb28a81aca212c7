"""A ComfyUI without a web server inside a worker's process.

This file is sent to workers as it is. So it imports nothing of the pack, and nothing at the top but
the standard library: a worker sets its environment before torch is loaded.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any


def versions(pack: str) -> dict[str, str]:
    """What has to be the same here and on a worker.

    Args:
        pack: folder of this pack.
    """
    digest = hashlib.sha256()
    for room in ("nodes", "rewards", "samplers"):
        for path in sorted(Path(pack, room).rglob("*.py")):
            digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    comfyui = importlib.import_module("comfyui_version").__version__
    return {"Flow Search": digest.hexdigest()[:12], "ComfyUI": comfyui}


class Boot:
    """The actor of a worker.

    Args:
        where: folder of ComfyUI.
        pack: folder of this pack as ComfyUI loads it.
        flags: of its command line.
        threads: of the CPU; a result's last bits may depend on it.
        folder: for its files; empty is the system's.
    """

    def __init__(self, where: str, pack: str, flags: list[str], threads: int, folder: str) -> None:
        # ComfyUI wraps the buffers of both and drops the old wrappers, which would close them.
        self.streams = sys.stdout, sys.stderr
        os.environ["OMP_NUM_THREADS"] = str(threads)
        self.folder = tempfile.mkdtemp(prefix="flow_search_worker_", dir=folder or None)
        private = ["--temp-directory", self.folder, "--user-directory", self.folder]
        private += ["--database-url", "sqlite:///:memory:", "--disable-auto-launch"]
        sys.argv = ["main.py", *flags, *private]
        sys.path.insert(0, where)
        os.chdir(where)
        main = importlib.import_module("main")
        self.loop, self.server, _ = main.start_comfyui(asyncio.new_event_loop())
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.versions, self.pack, self.box = versions(pack), self._name_of(pack), None
        self.lock = threading.Lock()  # methods run in several threads

    def _name_of(self, pack: str) -> str:
        """The module name that ComfyUI gave the pack."""
        place = os.path.realpath(os.path.join(pack, "__init__.py"))
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and os.path.realpath(file) == place:
                return name
        raise RuntimeError(f"The worker's ComfyUI has not loaded the pack: expected it in {pack}.")

    def _module(self, name: str) -> Any:
        return importlib.import_module(f"{self.pack}.nodes.{name}")

    def prepare(self, search: int, graph: dict[str, Any], sent: dict[str, Any]) -> dict[str, str]:
        """Run a graph up to the search.

        Args:
            search: its number. They rise.
            graph: as ComfyUI's API takes it.
            sent: what the search needs besides.

        Returns:
            The `state`: "ready", or why it cannot. And `where` it is: its computer and device.
        """
        try:
            return {"state": self._prepare(search, graph, sent), "where": self._where()}
        finally:
            self._module("workers.box").BOXES.pop(search, None)

    def _where(self) -> str:
        torch = importlib.import_module("torch")
        device = importlib.import_module("comfy.model_management").get_torch_device()
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return f"{platform.node()}, {name}"

    def _prepare(self, search: int, graph: dict[str, Any], sent: dict[str, Any]) -> str:
        for name, version in sent["versions"].items():
            if version != self.versions[name]:
                got = self.versions[name]
                return f"It has another version of {name}: got {got}, expected {version}."
        execution, nodes = importlib.import_module("execution"), importlib.import_module("nodes")
        nodes.NODE_CLASS_MAPPINGS["FlowSearchServe"] = self._module("run.serve").Serve
        box = self._begin(search, sent)
        graph["serve"]["inputs"]["search"] = search
        prompt_id = str(uuid.uuid4())
        checking = execution.validate_prompt(prompt_id, graph, None)
        valid = asyncio.run_coroutine_threadsafe(checking, self.loop).result()
        if not valid[0]:
            return refusal(valid)
        self.server.prompt_queue.put((0, prompt_id, graph, {}, valid[2], {}))
        while box.state == "loads":
            time.sleep(0.05)
            if history := self.server.prompt_queue.get_history(prompt_id):
                box.close(failure(history[prompt_id]))
        return box.state

    def _begin(self, search: int, sent: dict[str, Any]) -> Any:
        """The box of a search. The one before it ends."""
        module = self._module("workers.box")
        with self.lock:
            if self.box is not None:
                self.box.jobs.put(None)
            self.box = module.BOXES[search] = module.Box(search, sent)
            return self.box

    def perform(self, packed: dict[str, Any]) -> dict[str, Any]:
        """The answer of a job, or under the key "unfit" why others should do it.

        Args:
            packed: the job, and the number of its search.
        """
        box = self.box
        if box.search != packed["search"]:
            return {"unfit": "It has begun another search."}
        answer = box.perform(packed)
        if not isinstance(answer, Exception):
            return answer
        if isinstance(answer, self._module("workers.box").Closed):
            return {"unfit": str(answer)}
        if self._module("host.memory").out_of_memory(answer):
            return {"unfit": f"It ran out of memory: {answer}. Give its computer fewer workers."}
        raise RuntimeError(f"{type(answer).__name__}: {answer}")

    def stop(self, search: int) -> None:
        """End a search here. Its models stay loaded.

        Args:
            search: its number. A later one goes on.
        """
        with self.lock:
            if self.box is not None and self.box.search <= search:
                self.box.jobs.put(None)

    def close(self) -> None:
        """Remove what the worker keeps on disk."""
        shutil.rmtree(self.folder, ignore_errors=True)


def refusal(checked: Any) -> str:
    """The sentence of a graph that a worker's ComfyUI does not accept.

    Args:
        checked: what the host's `validate_prompt` returned.
    """
    _, error, _, of_nodes = checked
    texts = [f"{error['message']} {error['details']}".strip()]
    for node in (of_nodes or {}).values():
        texts += [f"{node['class_type']}: {e['details']}" for e in node["errors"]]
    return " ".join(texts)


def failure(entry: dict[str, Any]) -> str:
    """The sentence of the error that ended a prompt."""
    for kind, data in entry["status"]["messages"]:
        if kind == "execution_error":
            return f"{data['node_type']}: {data['exception_message'].strip()}"
    return "The graph ended before the search began."
