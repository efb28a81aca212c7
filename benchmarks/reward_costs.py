"""What rewards cost: python benchmarks/reward_costs.py --write

Builds every family in its published sizes (reward_models.py), without weights. The parameters give
the GiB in the dtype that a GPU holds them in. Torch counts the floating-point operations of one
image; a multiplication and an addition are two. Seconds are CPU time of one image on one core, with
random float32 weights: the best of three, from a TFLOP on of one. What is computed of the prompt
once a run is not counted. For vision-language models the operations are calculated: twice the
weights that each token passes. Needs the environment of `python dev.py test` and 16 GB of memory.
`--only` takes the rows whose names match a pattern.
"""

from __future__ import annotations

import argparse
import re
import runpy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PARSER = argparse.ArgumentParser(description=__doc__)
PARSER.add_argument("--only", default="", help="pattern of the rows' names")
PARSER.add_argument("--write", action="store_true", help="put the table into the page")
ARGS = PARSER.parse_args()  # before the imports below, which take seconds

import torch
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks import reward_models as models
from pack.benchmarks.reward_models import B_32, H_14, L_14, Part
from pack.tools.sections import put


@dataclass
class Cost:
    """What one model costs.

    Args:
        parameters: their number.
        flops: floating-point operations of one image.
        seconds: CPU seconds of one image; None if it was not run.
    """

    parameters: int = 0
    flops: int = 0
    seconds: float | None = None


def cost(parts: list[Part], run: bool) -> Cost:
    """The sum over the parts, one in memory at a time."""
    total = Cost()
    for build in parts:
        with torch.device("meta"):
            module, ask = build()
        total.parameters += sum(weight.numel() for weight in module.parameters())
        if ask is None:
            continue
        if run:
            module, ask = build()
            module.eval()
        flops, seconds = image_cost(ask, run)
        total.flops += flops
        if seconds is not None:
            total.seconds = (total.seconds or 0.0) + seconds
        del module, ask
    return total


@torch.no_grad()
def image_cost(ask: Callable[[], object], run: bool) -> tuple[int, float | None]:
    """Operations of one image, and its CPU seconds if it is run."""
    with FlopCounterMode(display=False) as counter, torch.device("cpu" if run else "meta"):
        ask()  # the first call is the slowest: it is counted, not timed
    if not run:
        return counter.get_total_flops(), None
    taken = []
    for _ in range(1 if counter.get_total_flops() > 1e12 else 3):
        begin = time.process_time()
        ask()
        taken.append(time.process_time() - begin)
    return counter.get_total_flops(), min(taken)


def calculated(build: Part, patches: int, tokens: int) -> Cost:
    """The cost of a vision-language model: twice the weights that each token passes.

    Args:
        build: the part.
        patches: of one image; four of them are a token.
        tokens: of the question.
    """
    with torch.device("meta"):
        module, _ = build()
    model = getattr(module, "model", module)
    sight, text = model.visual, model.language_model
    sizes = [sum(w.numel() for w in part.parameters()) for part in (module, sight, text)]
    passed = sizes[2] - text.get_input_embeddings().weight.numel()
    return Cost(sizes[0], 2 * sizes[1] * patches + 2 * passed * (patches // 4 + tokens))


# name -> parts, bytes of a weight, pixels a side of the image
ROWS: dict[str, tuple[list[Part], int, int]] = {
    "clip_score, clip_reference, temporal_consistency (B/32)":
        ([models.clip_image(B_32), models.clip_text(B_32)], 2, 224),
    "clip_score (L/14)": ([models.clip_image(L_14), models.clip_text(L_14)], 2, 224),
    "clip_score (PickScore), hps_v2 (H/14)":
        ([models.clip_image(H_14), models.clip_text(H_14)], 2, 224),
    "mps": ([models.clip_image(H_14), models.clip_text(H_14), models.mps_blocks], 2, 224),
    "laion_aesthetic (image tower of L/14)": ([models.clip_image(L_14), models.head(768)], 2, 224),
    "aesthetic_v2_5 (image tower)": ([models.siglip_image, models.head(1152)], 2, 384),
    "siglip_score (SigLIP 2 so400m)": ([models.siglip_image, models.siglip_text], 2, 384),
    "image_reward": ([models.blip_image, models.blip_text, models.head(768)], 2, 224),
    "hps_v3": ([models.qwen2_vl], 2, 448),
    "edit_reward (Qwen2.5-VL-7B)": ([models.qwen2_5_vl], 2, 448),
    "video_reward (10 frames)": ([lambda: models.qwen2_vl(large=False)], 2, 448),
    "vqascore (xl)": ([*models.flant5(xl=True)], 2, 336),
    "vqascore (xxl)": ([*models.flant5(xl=False)], 2, 336),
    "vqascore_instructblip (xl)": ([*models.instructblip(xl=True)], 2, 224),
    "vqascore_instructblip (xxl)": ([*models.instructblip(xl=False)], 2, 224),
    "vqascore_vlm (Qwen3-VL-2B)": ([models.qwen3_vl], 2, 1024),
    "object_count (tiny)": ([models.dino("tiny")], 4, 800),
    "object_count (base)": ([models.dino("base")], 4, 800),
    "object_count_owl": ([models.owl], 2, 960),
}  # fmt: skip


CALCULATED = {  # patches, and words; EditReward reads both images twice
    "hps_v3": (1024, 700), "vqascore_vlm (Qwen3-VL-2B)": (4096, 52),
    "edit_reward (Qwen2.5-VL-7B)": (2048, 512 + 2 * 500), "video_reward (10 frames)": (5120, 900),
}  # fmt: skip


def line(name: str) -> str:
    """One row of the table."""
    parts, size, shown = ROWS[name]
    if name in CALCULATED:
        total = calculated(*parts, *CALCULATED[name])
    else:
        total = cost(parts, run="xxl" not in name)
    held = total.parameters * size / 2**30
    taken = "" if total.seconds is None else f"{total.seconds:.2g}"
    return (
        f"| {name} | {total.parameters / 1e9:.3f} | {size} | {held:.2g} | {shown}² | "
        f"{total.flops / 1e12:.2g} | {taken} |"
    )


def main() -> None:
    torch.set_num_threads(1)
    lines = [
        "| reward | parameters, billion | bytes each | weights, GiB | picture shown | TFLOP a "
        "picture | CPU s a picture |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name in ROWS:
        if re.search(ARGS.only, name):
            lines.append(line(name))
            print(lines[-1], flush=True)
    if ARGS.write:
        put(ROOT / "docs" / "reward_costs.md", "costs", "\n".join(lines))


if __name__ == "__main__":
    main()
