"""The example workflows: a title and a function that builds the graph, for each file."""

from __future__ import annotations

from collections.abc import Callable

from . import batch_examples as batch
from . import demo_examples as demo
from . import diffusion_examples as diffusion
from . import few_step_examples as few_step
from . import flux_examples as flux
from . import video_examples as video
from .graph import Graph
from .parts import COLUMNS

# In the order in which the template browser lists them: the first is the first to try.
IN_ORDER: tuple[tuple[str, Callable[[Graph], None]], ...] = (
    ("Search KSampler takes the place of KSampler", demo.ksampler_swap),
    ("Score Images keeps the best of a batch", batch.demo_batch),
    ("Rollover Budget Forcing looks for the right counts", demo.flow_search_demo),
    ("RBF and best of N spend the same budget", demo.best_of_n_against_rbf),
    ("SDXL draws a batch and Score Images keeps the best", batch.sdxl_batch),
    ("FLUX.2 klein follows a judge that ComfyUI loads", few_step.flux2_klein),
    ("Z-Image-Turbo searches in one node", few_step.z_image_turbo),
    ("Qwen-Image with a lightning LoRA writes on a sign", few_step.qwen_image_lightning),
    ("FLUX.1-schnell follows a hard prompt", flux.flux_schnell_rbf_vqascore),
    ("FLUX.1-dev draws what people prefer", flux.flux_dev_rbf_pickscore),
    ("FLUX.1-schnell draws the counts of the prompt", flux.counting_grounding_dino),
    ("FLUX.1-schnell follows a judge on a server", flux.vlm_judge_over_http),
    ("FLUX.1-dev fills a mask", flux.inpaint_search),
    ("FLUX.1 Kontext edits an image", flux.kontext_edit_search),
    ("Wan 2.1 draws four videos and keeps the best", video.wan_video_frames),
    ("SDXL searches in one node", diffusion.sdxl_search),
    ("LTX-2 draws four videos with sound and keeps the best", video.ltx2_sound),
    ("Wan 2.2 14B draws six videos with both experts", video.wan22_experts),
    ("Several GPUs search together", demo.workers_share),
)
EXAMPLES = {f"{i:02d} {title}": fill for i, (title, fill) in enumerate(IN_ORDER, 1)}


def build(name: str, object_info: dict) -> dict:
    """The workflow of that name."""
    graph = Graph(object_info, COLUMNS)
    EXAMPLES[name](graph)
    return graph.workflow()
