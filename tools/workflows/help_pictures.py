"""The images of the help pages: python help_pictures.py URL NODE_MODULES CHROMIUM [--all]

`python dev.py write` runs this on a ComfyUI at URL. ComfyUI's own front-end runs the smallest
workflow of each node (tools/browser/screenshots.mjs). The image has few colours and carries its
workflow: dropped on a canvas, it opens. Only images whose workflow has changed are made anew. With
`--all` it is every image, that of the panel, and the social preview.
"""

import json
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).resolve().parents[2]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.tools.workflows import social_preview
from pack.tools.workflows.smallest import SMALLEST, build

DOCS = ROOT / "web" / "docs"
COLOURS = 64
MARGIN = 20  # pixels below the panel


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
        subprocess.run(["node", script, url, folder, modules, chromium], check=True)
        for node in nodes:
            keep(Image.open(Path(folder, f"{node}.png")), texts[node], DOCS / f"{node}.png")
        if not make_all:
            return
        panel = trimmed(Image.open(Path(folder, "panel.png")).convert("RGB"))
        panel.thumbnail((400, 800), Image.Resampling.LANCZOS)
        panel.quantize(256, Image.Quantize.FASTOCTREE).save(DOCS / "panel.png", optimize=True)
    social_preview.main()


def trimmed(shot: Image.Image) -> Image.Image:
    """A screenshot of the panel without the even area below it."""
    plain = Image.new("RGB", shot.size, shot.getpixel((0, shot.height - 1)))
    box = ImageChops.difference(shot, plain).getbbox()
    return shot.crop((0, 0, shot.width, min(box[3] + MARGIN, shot.height))) if box else shot


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
