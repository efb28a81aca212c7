"""The images that the template browser shows: python tools/workflows/thumbnails.py URL [demo]

URL is that of a running ComfyUI. What needs downloads gets a diagram of its workflow. What runs on
the demo model is run, and its images are shown. `dev.py write thumbnails` runs this. The demo's own
image shows what each method found, if the folder of a `dev.py demo` is the second argument.
"""

import io
import json
import runpy
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[2]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.tools.client import Client, outputs
from pack.tools.contact_sheet import MARKS
from pack.tools.demo_results import column, judged
from pack.tools.demo_runs import METHODS, find
from pack.tools.demonstration import WORKFLOW
from pack.tools.saved_workflow import Prompt, to_api
from pack.tools.workflows.diagram import FAINT, HEADER, INK, PAPER, SIDE, diagram, titled, write
from pack.tools.workflows.examples import EXAMPLES
from pack.tools.workflows.motifs import MOTIFS

FOLDER = ROOT / "example_workflows"
PLAIN = ("model", "positive", "negative", "latent_image", "seed", "steps", "cfg", "sampler_name",
         "scheduler", "denoise")  # fmt: skip
CARDS = {  # title, lines below it, colour
    "sdxl_batch": ("SDXL: best of a batch", ("KSampler + Score Images", "HPS v2.1"), "#c792ea"),
    "sdxl_search": ("SDXL", ("Search KSampler", "HPS v2.1"), "#b39ddb"),
    "flux2_klein": ("FLUX.2 klein", ("Search KSampler", "Qwen3-VL as the judge"), "#4dd0a8"),
    "z_image_turbo": ("Z-Image-Turbo", ("Search KSampler", "PickScore"), "#ffcb6b"),
    "qwen_image_lightning": (
        "Qwen-Image, lightning", ("Search KSampler, LoRA", "text_reader spells the sign"), "#82aaff"
    ),
    "flux_schnell_rbf_vqascore": ("FLUX.1-schnell", ("RBF + VQAScore", "hard prompts"), "#f2a65a"),
    "flux_dev_rbf_pickscore": ("FLUX.1-dev", ("RBF + PickScore", "looks"), "#f07178"),
    "counting_grounding_dino": (
        "Correct counts", ("RBF + Grounding DINO", "FLUX.1-schnell"), "#a3d977"
    ),
    "vlm_judge_over_http": (
        "A judge on a server", ("RBF + a VLM over HTTP", "FLUX.1-schnell"), "#5ec8e5"
    ),
    "inpaint_search": ("Fill a mask", ("RBF + VQAScore", "FLUX.1-dev"), "#ff9e80"),
    "kontext_edit_search": ("Edit an image", ("RBF + VQAScore", "FLUX.1 Kontext"), "#d4b483"),
    "ltx2_sound": ("Video with sound", ("PickScore on frames", "LTX-2"), "#f2c14e"),
    "wan22_experts": ("Two experts", ("PickScore on frames", "Wan 2.2 14B"), "#7bc8a4"),
    "wan_video_frames": ("Best of four videos", ("PickScore on frames", "Wan 2.1"), "#e57ab5"),
    "workers_share": ("Several GPUs", ("Search Workers (Ray)", "one search, more GPUs"), "#80cbc4"),
}  # fmt: skip


class Results:
    """Runs workflows on a ComfyUI.

    Args:
        url: of the server.
    """

    def __init__(self, url: str) -> None:
        self.client = Client(url)
        self.info = self.client.get("/object_info")

    def prompt(self, name: str) -> tuple[Prompt, str]:
        """The prompt of an example, and the text that it draws."""
        workflow = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        prompt = to_api(workflow, self.info)
        words = [each["inputs"].get("value") or each["inputs"].get("text") for each in
                 prompt.values() if each["class_type"] in
                 ("PrimitiveStringMultiline", "CLIPTextEncode")]  # fmt: skip
        return prompt, next(text for text in words if isinstance(text, str))

    def run(self, prompt: Prompt) -> dict[str, list[Image.Image]]:
        """The images that each node shows or saves."""
        number = self.client.queue(prompt)
        while (entry := self.client.get(f"/history/{number}").get(number)) is None:
            time.sleep(0.5)
        return {
            node: [self.opened(image) for image in shown.get("images", [])]
            for node, shown in outputs(entry).items()
        }

    def opened(self, entry: dict) -> Image.Image:
        return Image.open(io.BytesIO(self.client.image(entry))).convert("RGB")


def ksampler_swap(results: Results, name: str) -> Image.Image:
    """The image of KSampler and the one of the search, at the same seed."""
    prompt, text = results.prompt(name)
    search = find(prompt, "FlowSearchKSampler")
    saved = find(prompt, "SaveImage")
    best = results.run(prompt)[saved][0]
    inputs = prompt[search]["inputs"]
    plain = prompt | {
        search: {"class_type": "KSampler", "inputs": {name: inputs[name] for name in PLAIN}}
    }
    first = results.run(plain)[saved][0]
    return pairs(
        "Search KSampler",
        "in the place of KSampler",
        text,
        [("KSampler", first), ("Search KSampler", best)],
    )


def best_of_n_against_rbf(results: Results, name: str) -> Image.Image:
    """The best image of either search."""
    prompt, text = results.prompt(name)
    prefixes = {"rbf": "RBF", "best_of_n": "best of N"}
    shown = results.run(prompt)
    best = {
        prefixes[each["inputs"]["filename_prefix"]]: shown[node][0]
        for node, each in prompt.items()
        if each["class_type"] == "SaveImage"
    }
    return pairs(
        "RBF or best of N",
        "100 evaluations each",
        text,
        [(label, best[label]) for label in prefixes.values()],
    )


def pairs(title: str, line: str, text: str, images: list[tuple[str, Image.Image]]) -> Image.Image:
    """Two images side by side, each with its name and whether it is right.

    Args:
        title: a few words.
        line: below the title.
        text: the prompt.
        images: name and image of both.
    """
    sheet, draw = titled(title, (line, text), "#f2a65a")
    side, top = 280, HEADER + 90
    for number, (label, image) in enumerate(images):
        x, right = 26 + number * (side + 28), judged(image, text)
        draw.rectangle([2 * v for v in (x - 7, top - 7, x + side + 7, top + side + 7)],
                       MARKS[right][1])  # fmt: skip
        sheet.paste(image.resize((2 * side, 2 * side), Image.Resampling.LANCZOS), (2 * x, 2 * top))
        write(draw, (x, top - 52), label, 28, INK)
        write(draw, (x, top + side + 16), MARKS[right][0], 28, FAINT)
    return sheet.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def demo_batch(results: Results, name: str) -> Image.Image:
    """The contact sheet of Score Images."""
    prompt, text = results.prompt(name)
    (contact,) = results.run(prompt)[find(prompt, "PreviewImage")]
    sheet, _ = titled("The best of a batch", ("Score Images keeps three", text), "#f2a65a")
    room = 2 * (SIDE - HEADER) - 40
    scale = min(room / contact.height, (2 * SIDE - 40) / contact.width)
    size = round(scale * contact.width), round(scale * contact.height)
    sheet.paste(
        contact.resize(size, Image.Resampling.LANCZOS), (SIDE - size[0] // 2, 2 * HEADER + 20)
    )
    return sheet.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


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


RUN = {make.__name__: make for make in (ksampler_swap, best_of_n_against_rbf, demo_batch)}

if __name__ == "__main__":
    server = Results(sys.argv[1])
    for example, fill in EXAMPLES.items():
        kind, file = fill.__name__, FOLDER / f"{example}.jpg"
        if kind in CARDS:
            workflow = json.loads(file.with_suffix(".json").read_text("utf-8"))
            picture = diagram(workflow, server.info, *CARDS[kind], MOTIFS[kind])
            picture.save(file, quality=85)
        elif kind in RUN:
            RUN[kind](server, example).save(file, quality=88)
    for folder in sys.argv[2:]:
        drawn(Path(folder)).save(WORKFLOW.with_suffix(".jpg"), quality=90)
