"""API prompts of the host tests, as stock users wire them."""

import copy

CAPTION = "three red circles and two blue squares"
SIZE = 64  # half of what the demo model draws at: decoding takes most of the time


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def search(caption=CAPTION, cfg=1.0, seed=7, steps=4, name="run", **inputs):
    """Loader, text, guider, sampler, RBF search and probe; `inputs` override the search node's.

    The counter counts anew only under a new `name`: the host does not run an unchanged node twice.
    """
    graph = {
        "loader": node("FlowSearchDemoLoader", checkpoint="fast"),
        "count": node("ProbeCountNetwork", model=["loader", 0], name=name),
        "text": node("CLIPTextEncode", text=caption, clip=["loader", 1]),
        "empty": node("CLIPTextEncode", text="", clip=["loader", 1]),
        "guider": node(
            "CFGGuider", model=["count", 0], positive=["text", 0], negative=["empty", 0], cfg=cfg
        ),
        "noise": node("RandomNoise", noise_seed=seed),
        "latent": node("EmptySD3LatentImage", width=SIZE, height=SIZE, batch_size=1),
        "sampler": node(
            "FlowSearchVPSDESampler",
            interpolant="vp",
            diffusion="square",
            diffusion_norm=1.0,
            kernel="eta",
        ),
        "sigmas": node(
            "FlowSearchScheduler", steps=steps, spacing="exp", interpolant="vp", denoise=1.0
        ),
        "reward": node("FlowSearchRewardLoader", reward="colour_count"),
        "search": node(
            "FlowSearchRBF",
            noise=["noise", 0],
            guider=["guider", 0],
            sampler=["sampler", 0],
            sigmas=["sigmas", 0],
            latent_image=["latent", 0],
            vae=["loader", 2],
            reward=["reward", 0],
            prompt=caption,
            budget=20,
            init_particles=3,
            paths=1,
            finish_steps=1,
            top_k=1,
            micro_batch=0,
            time_limit=0.0,
            lookahead=0,
        ),
        "probe": node(
            "ProbeReport", latent=["search", 0], images=["search", 1], report=["search", 2],
            name=name,
        ),
    }  # fmt: skip
    graph["search"]["inputs"] |= inputs
    return graph


def with_input(graph, name, key, value):
    """A copy with one input of one node changed."""
    graph = copy.deepcopy(graph)
    graph[name]["inputs"][key] = value
    return graph


def plain(graph):
    """The same wires through the stock SamplerCustomAdvanced."""
    graph = copy.deepcopy(graph)
    wires = ("noise", "guider", "sampler", "sigmas", "latent_image")
    own = {name: graph["search"]["inputs"][name] for name in wires}
    graph["search"] = node("SamplerCustomAdvanced", **own)
    graph["probe"] = node("ProbeReport", latent=["search", 0], name="run")
    return graph


def particles(graph, method="best_of_n", **inputs):
    """The same search by the Particle Search node."""
    graph = copy.deepcopy(graph)
    own = graph["search"]["inputs"]
    for name in ("init_particles", "paths"):
        own.pop(name)
    graph["search"] = node("FlowSearchParticles", **own | {"method": method} | inputs)
    return graph


def guided(kind="dps", reward="brightness", strength=1.0, schedule="relative", **inputs):
    """An RBF search for a dark little picture, guided there."""
    graph = search(**inputs)
    graph["latent"]["inputs"] |= {"width": 64, "height": 64}
    graph["reward"] = node("FlowSearchRewardLoader", reward=reward)
    if reward == "brightness":
        graph["reward"]["inputs"]["reward.target"] = 0.0
    given = {"": kind, ".strength": strength, ".schedule": schedule}
    graph["sampler"]["inputs"] |= {f"guidance{key}": value for key, value in given.items()}
    if kind == "none":
        del graph["sampler"]["inputs"]["guidance.strength"]
    return graph
