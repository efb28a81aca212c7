"""Parts of API prompts: rewards, plain images, and their scores."""

import json

from pack.tools.probing.graphs import CAPTION, node


def loader(name, **settings):
    own = {f"reward.{key}": value for key, value in settings.items()}
    return node("FlowSearchRewardLoader", reward=name, **own)


def combine(mode, *rewards, **settings):
    """Rewards are ids of nodes, by input: None leaves one unconnected."""
    wires = {f"reward_{i + 1}": [name, 0] for i, name in enumerate(rewards) if name}
    own = {f"mode.{key}": value for key, value in settings.items()}
    return node("FlowSearchRewardCombine", mode=mode, **wires, **own)


def greys(*levels, copies=1, size=16):
    """Plain pictures of these levels (0 to 255), `copies` of each, joined in order as "images"."""
    graph, joined = {}, None
    for i, level in enumerate(levels):
        graph[f"grey {i}"] = node(
            "EmptyImage", width=size, height=size, batch_size=copies, color=0x10101 * level
        )
        if joined is None:
            joined = [f"grey {i}", 0]
        else:
            graph[f"join {i}"] = node("ImageBatch", image1=joined, image2=[f"grey {i}", 0])
            joined = [f"join {i}", 0]
    return graph | {"images": node("RebatchImages", images=joined, batch_size=4096)}


def scoring(graph, images="images", reward="reward", prompt="anything", suffix="", **own):
    wires = {"images": [images, 0], "reward": [reward, 0]}
    name, outputs = f"score{suffix}", ("best_score", "images", "scores")
    score = node("FlowSearchRewardScore", **wires, prompt=prompt, **own)
    shown = node("ProbeScores", **{out: [name, i] for i, out in enumerate(outputs)})
    return graph | {name: score, f"probe{suffix}": shown}


def brightness(target=1.0):
    return {"reward": loader("brightness", target=target)}


def scored_again(graph):
    """The graph of a search whose images are scored once more."""
    images = node("RebatchImages", images=["search", 1], batch_size=8)
    return scoring(graph | {"pictures": images}, "pictures", "reward", CAPTION, " again")


def second_score(shown):
    """The best score that the run of such a graph has shown for its images."""
    return max(json.loads(shown["probe again"]["probe"][0])["scores"]["scores"])
