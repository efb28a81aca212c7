"""The images of the help pages: python help_pictures.py URL NODE_MODULES CHROMIUM [--all]

`python dev.py write` runs this on a ComfyUI at URL. ComfyUI's own front-end runs the smallest
workflow of each node (tools/browser/screenshots.mjs). The image has few colours and carries its
workflow: dropped on a canvas, it opens. Only images whose workflow has changed are made anew. With
`--all` it is every image, those of the panel and of the report, and the social preview.
"""

import json
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).resolve().parents[2]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.tools.demo_runs import find
from pack.tools.saved_workflow import to_api
from pack.tools.workflows import panel_film, social_preview
from pack.tools.workflows.smallest import SMALLEST, build
from pack.tools.workflows.thumbnails import Results

DOCS = ROOT / "web" / "docs"
COLOURS = 64


def main(url: str, modules: str, chromium: str, *options: str) -> None:
    """Take the screenshots whose workflow has changed.

    Args:
        url: of a running ComfyUI.
        modules: folder of Node.js modules.
        chromium: the browser.
        options: `--all` takes each of them.
    """
    with urlopen(f"{url}/object_info") as answer:
        info = json.load(answer)
    texts = {node: json.dumps(build(node, info), separators=(",", ":")) for node in SMALLEST}
    make_all = "--all" in options
    nodes = [n for n, text in texts.items() if make_all or carried(DOCS / f"{n}.png") != text]
    if not nodes:
        return
    with tempfile.TemporaryDirectory() as folder:
        for node in nodes:
            Path(folder, f"{node}.json").write_text(texts[node], "utf-8")
        script = ROOT / "tools" / "browser" / "screenshots.mjs"
        command = ["node", script, url, folder, modules, chromium, *(["--panel"] * make_all)]
        subprocess.run(command, check=True)
        for node in nodes:
            keep(Image.open(Path(folder, f"{node}.png")), texts[node], DOCS / f"{node}.png")
        if make_all:
            keep_panel(Path(folder))
            keep_report(url, json.loads(texts["FlowSearchReport"]), info)
            social_preview.main()


def keep_panel(folder: Path) -> None:
    """Save the panel after a search as an image, and while it searches as a film."""
    panel = panel_film.scaled(panel_film.trimmed(opened(folder / "panel.png")))
    panel.quantize(256, Image.Quantize.FASTOCTREE).save(DOCS / "panel.png", optimize=True)
    shots = [opened(path) for path in sorted(folder.glob("frame-*.png"))]
    panel_film.save(panel_film.film(shots), DOCS / "panel.webp")


def keep_report(url: str, workflow: dict, info: dict) -> None:
    """Save the chart of Search Report.

    Args:
        url: of a running ComfyUI.
        workflow: that of the node's help page.
        info: the nodes of that ComfyUI.
    """
    prompt = to_api(workflow, info)
    (chart,) = Results(url).run(prompt)[find(prompt, "FlowSearchReport")]
    chart.thumbnail((900, 1100), Image.Resampling.LANCZOS)
    chart.quantize(COLOURS, Image.Quantize.FASTOCTREE).save(DOCS / "report.png", optimize=True)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def carried(path: Path) -> str | None:
    """The workflow in an image; None without one."""
    return Image.open(path).text.get("workflow") if path.exists() else None


def keep(shot: Image.Image, workflow: str, path: Path) -> None:
    """Save a screenshot that contains a workflow.

    Args:
        shot: the screenshot.
        workflow: JSON.
        path: PNG file.
    """
    carried = PngInfo()
    carried.add_text("workflow", workflow)
    plain = shot.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
    plain.save(path, pnginfo=carried, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
