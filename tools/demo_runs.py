"""The demo's runs: hard prompts, each by the plain sampler, best of N, RBF and another search.

Standard library only, so that `python dev.py` needs nothing installed.
"""

from __future__ import annotations

import copy
from pathlib import Path

from .saved_workflow import ComfyError, Prompt

SEARCHES = ("FlowSearchRBF", "FlowSearchParticles", "FlowSearchKSampler")
# The first of benchmarks/prompt_sets.py's pool of hard prompts with this seed.
POOL_SEED = 21
PROMPTS = (
    "three blue triangles, six purple squares and three red circles",
    "three orange squares, six green triangles and two yellow squares",
    "four purple squares, five yellow circles and three red triangles",
    "five blue triangles, five red squares and one purple triangle",
    "one green circle, six yellow circles and five orange squares",
    "six blue triangles, one yellow square and four purple squares",
    "two orange circles, six blue triangles and three yellow squares",
    "three blue triangles, two purple squares and six yellow circles",
)
BUDGET = 100  # NFE of each search: of the tables
PLAIN, BEST, RBF, AUTO = "plain", "best of N", "RBF", "auto"
METHODS = (PLAIN, BEST, RBF, AUTO)
PLAIN_STEPS, STEPS = 4, 2  # of the ODE: the plain sampler's, and those of best of N
FINISH = 2  # steps that finish the result of auto


def variants(prompt: Prompt) -> dict[str, Prompt]:
    """The demo's RBF prompt by each method, with its seed and text. The plain sampler draws one."""
    budget = prompt[find(prompt, "FlowSearchRBF")]["inputs"]["budget"]
    return {
        PLAIN: by_ode(prompt, "best_of_n", PLAIN_STEPS, PLAIN_STEPS),
        BEST: by_ode(prompt, "best_of_n", budget, STEPS),
        RBF: prompt,
        AUTO: by_method(prompt, AUTO, budget, FINISH),
    }


def by_method(prompt: Prompt, method: str, budget: int, finish: int = 0) -> Prompt:
    """The RBF prompt by a method of Particle Search.

    Args:
        prompt: the RBF prompt.
        method: of Particle Search.
        budget: network evaluations.
        finish: steps that finish the best.
    """
    graph = copy.deepcopy(prompt)
    search = graph[find(prompt, "FlowSearchRBF")]
    search["class_type"] = "FlowSearchParticles"
    for rbf_setting in ("init_particles", "paths"):
        search["inputs"].pop(rbf_setting, None)
    search["inputs"] |= {"method": method, "budget": budget, "finish_steps": finish, "top_k": 1}
    return graph


def by_ode(prompt: Prompt, method: str, budget: int, steps: int) -> Prompt:
    """The RBF prompt by a method whose samples follow the ODE.

    Args:
        prompt: the RBF prompt.
        method: of Particle Search.
        budget: network evaluations.
        steps: steps of the ODE for each sample.
    """
    graph = by_method(prompt, method, budget)
    search_id = find(graph, "FlowSearchParticles")
    guider = prompt[search_id]["inputs"]["guider"][0]
    graph["plain_sampler"] = {
        "class_type": "FlowSearchVPSDESampler",
        "inputs": {"interpolant": "linear", "diffusion": "square", "diffusion_norm": 0.0,
                   "kernel": "eta"},
    }  # fmt: skip
    graph["plain_sigmas"] = {
        "class_type": "BasicScheduler",
        "inputs": {"model": prompt[guider]["inputs"]["model"], "scheduler": "simple",
                   "steps": steps, "denoise": 1.0},
    }  # fmt: skip
    graph[search_id]["inputs"] |= {"sampler": ["plain_sampler", 0], "sigmas": ["plain_sigmas", 0]}
    return graph


def with_prompt(workflow: dict, text: str, seed: int) -> dict:
    """The demo's workflow with another prompt and another seed.

    Args:
        workflow: as saved.
        text: the prompt.
        seed: of the noise.
    """
    workflow = copy.deepcopy(workflow)
    for node in workflow["nodes"]:
        if node["type"] == "PrimitiveStringMultiline":
            node["widgets_values"][0] = text
        elif node["type"] == "RandomNoise":
            node["widgets_values"][0] = seed
    return workflow


def image_file(folder: Path, number: int, method: str) -> Path:
    """The image of a prompt by a method; its report has the same name.

    Args:
        folder: of a demo.
        number: of the prompt, from 1 on.
        method: one of METHODS.
    """
    return folder / f"{number}_{method.lower().replace(' ', '_')}.png"


def find(prompt: Prompt, *class_types: str) -> str:
    """The id of the only node of one of these types."""
    ids = [node_id for node_id, node in prompt.items() if node["class_type"] in class_types]
    if len(ids) != 1:
        kinds = " or ".join(class_types)
        raise ComfyError(f"The graph needs one {kinds}: got {len(ids)}, expected 1.")
    return ids[0]
