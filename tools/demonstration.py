"""`python dev.py demo`: run every method on every prompt in a ComfyUI.

Standard library only, so that `python dev.py` needs nothing installed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from . import client, serving
from .demo_runs import BUDGET, METHODS, PROMPTS, SEARCHES, find, image_file, variants, with_prompt
from .installing import Host, cache_dir
from .processes import Fail, say
from .saved_workflow import Prompt, to_api

ROOT = Path(__file__).resolve().parent.parent
WORKFLOW = ROOT / "example_workflows" / "03 Rollover Budget Forcing looks for the right counts.json"


def run(host: Host, extra: Sequence[str]) -> Path:
    """Run everything in a ComfyUI of its own, and return the folder of images and reports.

    Raises:
        Fail: ComfyUI did not start, or refused or failed a prompt.
    """
    results = cache_dir() / "output"
    results.mkdir(parents=True, exist_ok=True)
    out = Path(tempfile.mkdtemp(prefix=time.strftime("%Y-%m-%d_%H%M%S_"), dir=results))
    log = out / "comfyui.log"
    with tempfile.TemporaryDirectory(prefix="flow-search-", ignore_cleanup_errors=True) as base:
        try:
            with serving.server(host, Path(base), log, extra=extra) as (url, _):
                run_all(client.Client(url), json.loads(WORKFLOW.read_text("utf-8")), out)
        except client.ComfyError as error:
            raise Fail(f"{error}\n  ComfyUI's log: {log}") from None
    return out


def run_all(comfy: client.Client, workflow: dict, out: Path) -> None:
    """Run every method on every prompt.

    Args:
        comfy: the server.
        workflow: of the demo.
        out: the folder for images and reports.
    """
    began, nodes = time.monotonic(), comfy.get("/object_info")
    say(f"{len(PROMPTS)} hard prompts by {len(METHODS)} methods, {BUDGET} NFE a search:")
    for number, text in enumerate(PROMPTS, 1):
        say(f"  {number}/{len(PROMPTS)} {text}")
        chosen = with_prompt(workflow, text, seed=number)
        prompt = to_api(chosen, nodes)
        for method, graph in variants(prompt).items():
            # The image of the workflow itself carries it; those of its variants cannot.
            carried = chosen if graph is prompt else None
            run_one(comfy, method, graph, carried, image_file(out, number, method))
    say(f"  {time.monotonic() - began:.0f} s in all.")


def run_one(
    comfy: client.Client, method: str, graph: Prompt, workflow: dict | None, file: Path
) -> None:
    """Run one prompt, and keep its image and its report.

    Args:
        comfy: the server.
        method: what the terminal calls it.
        graph: the prompt.
        workflow: the workflow that its image will carry; None for none.
        file: for the image; the report goes next to it.
    """
    live = sys.stdout.isatty()

    def bar(value: int, maximum: int) -> None:
        if live:
            done = "#" * (30 * value // max(maximum, 1))
            print(f"\r      {method:<10} [{done:<30}] {value}/{maximum} NFE ", end="", flush=True)

    outputs = comfy.run(graph, bar, workflow)
    print(end="\r" + " " * 70 + "\r" if live else "", flush=True)
    report = outputs.get(find(graph, *SEARCHES), {}).get("flow_search_report")
    images = [image for output in outputs.values() for image in output.get("images", [])]
    saved = [image for image in images if image.get("type") == "output"]
    if not report or not saved:
        raise client.ComfyError(f"The search gave no report or no image for {method}.")
    file.write_bytes(comfy.image(saved[0]))
    file.with_suffix(".json").write_text(json.dumps(json.loads(report[0]), indent=1), "utf-8")
