"""The demo's three runs: the plain sampler, best of N and RBF.

Standard library only, so that `python dev.py` needs nothing installed.
"""

from __future__ import annotations

import copy

from .saved_workflow import ComfyError, Prompt

SEARCHES = ("FlowSearchRBF", "FlowSearchParticles")


def variants(prompt: Prompt, steps: int = 4) -> dict[str, Prompt]:
    """The demo's RBF prompt, and the plain sampler and best of N with its seed and text.

    The other two draw whole samples with `steps` steps of the ODE. The plain sampler is best of 1.
    """
    budget = prompt[find(prompt, "FlowSearchRBF")]["inputs"]["budget"]
    return {
        "plain sampler": best_of_n(prompt, steps, steps),
        "best of N": best_of_n(prompt, budget, steps),
        "RBF": prompt,
    }


def best_of_n(prompt: Prompt, budget: int, steps: int) -> Prompt:
    """The RBF prompt as best of N.

    Args:
        prompt: the RBF prompt.
        budget: network evaluations.
        steps: steps of the ODE for each sample.
    """
    graph = copy.deepcopy(prompt)
    search_id = find(prompt, "FlowSearchRBF")
    guider = prompt[search_id]["inputs"]["guider"][0]
    graph["plain_sampler"] = {
        "class_type": "FlowSearchVPSDESampler",
        "inputs": {"interpolant": "linear", "diffusion": "square", "diffusion_norm": 0.0,
                   "kernel": "euler_maruyama"},
    }  # fmt: skip
    graph["plain_sigmas"] = {
        "class_type": "BasicScheduler",
        "inputs": {"model": prompt[guider]["inputs"]["model"], "scheduler": "simple",
                   "steps": steps, "denoise": 1.0},
    }  # fmt: skip
    search = graph[search_id]
    search["class_type"] = "FlowSearchParticles"
    for rbf_setting in ("init_particles", "paths"):
        search["inputs"].pop(rbf_setting, None)
    search["inputs"] |= {
        "method": "best_of_n", "budget": budget, "finish_steps": 0,
        "sampler": ["plain_sampler", 0], "sigmas": ["plain_sigmas", 0],
    }  # fmt: skip
    return graph


def find(prompt: Prompt, *class_types: str) -> str:
    """The id of the only node of one of these types."""
    ids = [node_id for node_id, node in prompt.items() if node["class_type"] in class_types]
    if len(ids) != 1:
        kinds = " or ".join(class_types)
        raise ComfyError(f"The graph needs one {kinds}: got {len(ids)}, expected 1.")
    return ids[0]
