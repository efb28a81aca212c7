"""The images that the template browser shows: python tools/workflows/thumbnails.py [demo output]

It draws a card for each workflow. The demo's card shows what each method found, if the folder of a
`dev.py demo` is an argument.
"""

import runpy
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[2]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.tools.contact_sheet import MARKS
from pack.tools.demo_results import column
from pack.tools.demo_runs import METHODS

FOLDER = ROOT / "example_workflows"
SIZE, PAPER, INK, FAINT, GLOW = 512, "#1f2430", "#f5f5f5", "#8fa3c4", "#f2a65a"
CARDS = {
    "flux_schnell_rbf_vqascore": ("FLUX.1-schnell", "RBF + VQAScore", "hard prompts"),
    "flux_dev_rbf_pickscore": ("FLUX.1-dev", "RBF + PickScore", "with a finish"),
    "counting_grounding_dino": ("Correct counts", "RBF + Grounding DINO", "FLUX.1-schnell"),
    "inpaint_search": ("Inpaint search", "RBF + VQAScore", "FLUX.1-dev"),
    "kontext_edit_search": ("Edit search", "RBF + VQAScore", "FLUX.1 Kontext"),
    "ksampler_swap": ("KSampler, searched", "one node replaced", "no downloads"),
    "best_of_n_against_rbf": ("Best of N or RBF", "side by side", "no downloads"),
    "vlm_judge_over_http": ("A VLM as judge", "over HTTP", "vLLM, llama.cpp, Ollama"),
    "wan_video_frames": ("Best of four videos", "frames scored", "Wan 2.1"),
}
TREE = (  # (x, y) of parents and children, and whether the search went on from there
    ((70, 330), (190, 250), 0), ((70, 330), (190, 410), 0), ((70, 330), (190, 330), 1),
    ((190, 330), (310, 410), 0), ((190, 330), (310, 290), 1), ((310, 290), (430, 350), 0),
    ((310, 290), (430, 240), 1),
)  # fmt: skip


def card(title: str, *lines: str) -> Image.Image:
    """Twice as large, shrunk: Pillow draws lines without smoothing."""
    sheet = Image.new("RGB", (2 * SIZE, 2 * SIZE), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((90, 80), title, INK, ImageFont.load_default(92))
    for i, line in enumerate(lines):
        draw.text((94, 210 + 76 * i), line, FAINT, ImageFont.load_default(58))
    for chosen in (0, 1):
        for start, end, kept in (edge for edge in TREE if edge[2] == chosen):
            colour = GLOW if kept else FAINT
            places = [tuple(2 * v for v in place) for place in (start, end)]
            draw.line(places, colour, 16 if kept else 8)
            for x, y in places[not kept :]:
                draw.ellipse((x - 26, y - 26, x + 26, y + 26), colour)
    return sheet.resize((SIZE, SIZE), Image.LANCZOS)


def drawn(folder: Path) -> Image.Image:
    """What each method found for the demo's prompts, a row for each method."""
    left, side, border, high = 96, 60, 3, 72
    sheet = Image.new("RGB", (640, 10 + high * len(METHODS)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, method in enumerate(METHODS):
        results, y = column(folder, method), 8 + high * row
        draw.text((12, y + side // 2), method, INK, ImageFont.load_default(17), "lm")
        for number, (image, right) in enumerate(zip(results.images, results.right, strict=True)):
            x, end = left + 68 * number, side + 2 * border - 1
            draw.rectangle((x, y, x + end, y + end), MARKS[right][1])
            sheet.paste(image.resize((side, side), Image.LANCZOS), (x + border, y + border))
    return sheet


if __name__ == "__main__":
    for name, lines in CARDS.items():
        card(*lines).save(FOLDER / f"{name}.jpg", quality=85)
    for folder in sys.argv[1:]:
        drawn(Path(folder)).save(FOLDER / "flow_search_demo.jpg", quality=90)
