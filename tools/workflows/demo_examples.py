"""The example workflows on the demo model, which need no downloads."""

from __future__ import annotations

from ..demo_runs import BUDGET, PROMPTS
from .graph import Graph, Output
from .parts import SAVED, few_steps, prompt, search, shown


def counted(g: Graph, prefix: str, **more: object) -> None:
    """A search on the demo model that counts shapes.

    Args:
        g: the workflow.
        prefix: of the files of its images.
        more: inputs of the search.
    """
    loader = g.add("load", "FlowSearchDemoLoader", checkpoint="fast")
    model, clip, vae = (Output(loader.node, i) for i in range(3))
    words, cond = prompt(g, clip, PROMPTS[0])
    guider = g.add("text", "BasicGuider", model=model, conditioning=cond)
    noise = g.add("text", "RandomNoise", noise_seed=1)
    latent = g.add("text", "EmptySD3LatentImage", width=128, height=128)
    sampler, sigmas = few_steps(g)
    reward = g.add("set", "FlowSearchRewardLoader", reward="shape_count")
    result = search(
        g, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent,
        vae=vae, reward=reward, prompt=words, budget=BUDGET,
        finish_steps=2, top_k=3, lookahead=0, **more,
    )  # fmt: skip
    shown(g, result, prefix)


def flow_search_demo(g: Graph) -> None:
    """The workflow that `python dev.py demo` runs with several prompts and methods."""
    counted(g, "flow_search")
    g.note("load", (
        "## Flow Search, no downloads\n\nThe pack has a tiny FLUX that draws coloured shapes and "
        "often miscounts. This prompt is hard: a plain image is rarely right. **Rollover "
        "Budget Forcing** tries many particles, counts the shapes of each colour, continues from "
        "the best, and finishes the results."
        "\n\n1. Press **Run** (some seconds on a CPU).\n2. Change the **Prompt**. It has one to "
        "three parts: a number (one to six), a colour (red, orange, yellow, green, blue, purple) "
        "and a shape (circles, squares, triangles).\n3. Raise **budget** for harder prompts. The "
        "time grows in proportion.\n\nA reward above -1 means that every count is right."
    ), height=420)  # fmt: skip


def workers_share(g: Graph) -> None:
    counted(g, "workers", workers=g.add("set", "FlowSearchWorkersRay"))
    g.note("load", (
        "## Several GPUs search together\n\n**Search Workers (Ray)** starts a second ComfyUI for "
        "each further GPU of this computer. They evaluate particles of the same search, decode "
        "and score them. The result is the same as without them.\n\n1. Run `pip install ray` with "
        "ComfyUI's Python, and restart ComfyUI.\n2. Press **Run**. The panel has a row of "
        "workers.\n3. Put the node into your own workflow, and connect it to **workers** of the "
        "search.\n\nThe demo model here only shows how it is connected: it is too small to gain "
        "much. Without a second GPU the search runs alone. To try it on the CPU, set **gpu_share** "
        "to 0 and **workers** to 2. For other computers, see docs/workers.md."
    ), height=420)  # fmt: skip


def ksampler_swap(g: Graph) -> None:
    """A stock text-to-image workflow whose KSampler was replaced."""
    loader = g.add("load", "FlowSearchDemoLoader", checkpoint="fast")
    model, clip, vae = (Output(loader.node, i) for i in range(3))
    words = "six red circles, four blue squares and two green triangles"
    positive = g.add(
        "text", "CLIPTextEncode", title="Prompt", box=(340, 120), text=words, clip=clip
    )
    negative = g.add("text", "CLIPTextEncode", box=(340, 120), text="", clip=clip)
    latent = g.add("text", "EmptySD3LatentImage", width=128, height=128)
    reward = g.add("set", "FlowSearchRewardLoader", reward="shape_count")
    result = search(
        g, "FlowSearchKSampler", model=model, positive=positive, negative=negative, seed=3,
        steps=4, cfg=1.0, sampler_name="euler", scheduler="simple", latent_image=latent, vae=vae,
        reward=reward, effort=25,
    )  # fmt: skip
    image = g.add("save", "VAEDecode", samples=result, vae=vae)
    g.add("save", "SaveImage", box=(SAVED, 420), images=image, filename_prefix="ksampler_swap")
    g.note("load", (
        "## From KSampler to a search, no downloads\n\nThis was the usual text-to-image workflow. "
        "**Search KSampler** is in the place of KSampler, with a VAE and a reward. The reward "
        "counts the shapes of each colour. It reads the prompt of the workflow.\n\n1. Press "
        "**Run**. **effort** 25 takes as long as 25 images.\n2. In your own workflow, right-click "
        "the KSampler and choose **Replace with Search KSampler**. Its wires stay, and the VAE is "
        "connected.\n3. Add a Reward Model Loader, and connect it to **reward**.\n\nA reward above "
        "-1 means that every count is right."
    ), height=380)  # fmt: skip


def best_of_n_against_rbf(g: Graph) -> None:
    loader = g.add("load", "FlowSearchDemoLoader", checkpoint="fast")
    model, clip, vae = (Output(loader.node, i) for i in range(3))
    words, cond = prompt(g, clip, "six red circles, four blue squares and two green triangles")
    guider = g.add("text", "BasicGuider", model=model, conditioning=cond)
    noise = g.add("load", "RandomNoise", noise_seed=7)
    latent = g.add("load", "EmptySD3LatentImage", width=128, height=128)
    sampler, sigmas = few_steps(g)
    reward = g.add("set", "FlowSearchRewardLoader", reward="shape_count")
    plain = g.add("text", "FlowSearchVPSDESampler", title="Plain ODE steps",
                  interpolant="linear", diffusion_norm=0.0, kernel="eta")  # fmt: skip
    steps = g.add("text", "BasicScheduler", model=model, scheduler="simple", steps=4)
    same = {
        "noise": noise, "guider": guider, "latent_image": latent, "vae": vae, "reward": reward,
        "prompt": words, "budget": BUDGET,
    }  # fmt: skip
    rbf = search(g, sampler=sampler, sigmas=sigmas, finish_steps=2, lookahead=0,
                 top_k=2, **same)  # fmt: skip
    best = search(g, "FlowSearchParticles", "save", sampler=plain,
                 sigmas=steps, method="best_of_n", finish_steps=0, top_k=2, **same)  # fmt: skip
    shown(g, rbf, "rbf", "last", 250)
    shown(g, best, "best_of_n", "last", 250)
    g.note("load", (
        "## Best of N against RBF, no downloads\n\nBoth searches have the same model, prompt, seed "
        "and number of network evaluations. The left one is Rollover Budget Forcing. The right "
        "one draws 25 images of four steps and returns the best.\n\nA reward above -1 means that "
        "every count is right. Try several seeds, since one prompt depends on luck. The tables in "
        "docs/results.md compare the methods on many prompts."
    ), height=300)  # fmt: skip
