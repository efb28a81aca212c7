"""The screenshots of the help pages: python -m tests.workflows.pictures URL NODE_MODULES CHROMIUM

URL is the address of a `python dev.py serve`. tests/browser/screenshots.mjs runs each workflow of
smallest.py there in the real front-end. Its screenshot, in few colours, contains the workflow.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .smallest import SMALLEST, build

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "web" / "docs"
COLOURS = 64


def main(url: str, modules: str, chromium: str) -> None:
    with urlopen(f"{url}/object_info") as answer:
        info = json.load(answer)
    with tempfile.TemporaryDirectory() as folder:
        texts = {node: json.dumps(build(node, info), separators=(",", ":")) for node in SMALLEST}
        for node, text in texts.items():
            Path(folder, f"{node}.json").write_text(text, "utf-8")
        script = ROOT / "tests" / "browser" / "screenshots.mjs"
        subprocess.run(["node", script, url, folder, modules, chromium], check=True)
        for node, text in texts.items():
            keep(Image.open(Path(folder, f"{node}.png")), text, DOCS / f"{node}.png")
        panel = Image.open(Path(folder, "panel.png")).convert("RGB")
        panel.thumbnail((400, 800), Image.Resampling.LANCZOS)
        panel.quantize(256, Image.Quantize.FASTOCTREE).save(DOCS / "panel.png", optimize=True)


def keep(shot: Image.Image, workflow: str, path: Path) -> None:
    """Save a screenshot in few colours, with the workflow in its metadata."""
    carried = PngInfo()
    carried.add_text("workflow", workflow)
    plain = shot.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE)
    plain.save(path, pnginfo=carried, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
