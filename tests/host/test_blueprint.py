"""The blueprint in `subgraphs/`, as ComfyUI lists it and a user's browser queues it."""

import json

import pytest
from pack.tools.probing.graphs import CAPTION, SIZE, node
from pack.tools.probing.server import NEWEST
from pack.tools.saved_workflow import to_api
from pack.tools.workflows.blueprint import INPUT, NAME, build

FILE = f"subgraphs/{NAME}.json"


def test_the_file_is_the_one_that_the_code_builds(host, generated):
    version = host.client.get("/system_stats")["system"]["comfyui_version"]
    if version != NEWEST:
        pytest.skip(f"the file is built for ComfyUI {NEWEST}, this is {version}")
    built = build(host.object_info)
    generated(FILE, json.dumps(built, indent=1, ensure_ascii=False) + "\n")


def listed(host):
    """The blueprint as the host sends it."""
    entries = host.client.get("/global_subgraphs")
    ours = [key for key, entry in entries.items() if entry["name"] == NAME]
    assert len(ours) == 1 and entries[ours[0]]["source"] == "custom_node"
    return json.loads(host.client.get(f"/global_subgraphs/{ours[0]}")["data"])


def opened(host, **outside):
    """The nodes of the subgraph as the page queues them; `outside` is what its inputs get."""
    (inside,) = listed(host)["definitions"]["subgraphs"]
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [[link[name] for name in names] for link in inside["links"]]
    inner = [link for link in links if link[1] > 0 and link[3] > 0]
    prompt = to_api({"nodes": inside["nodes"], "links": inner}, host.object_info)
    nodes = {each["id"]: each for each in inside["nodes"]}
    for _, origin, slot, target, at, _ in links:
        if origin == INPUT and (name := inside["inputs"][slot]["name"]) in outside:
            prompt[str(target)]["inputs"][nodes[target]["inputs"][at]["name"]] = outside[name]
    return prompt


def test_it_runs_on_the_demo_model(host, version):
    prompt = opened(
        host, model=["loader", 0], positive=["text", 0], negative=["empty", 0],
        latent_image=["latent", 0], vae=["loader", 2], reward=["reward", 0], seed=3, steps=4,
        cfg=1.0, budget=20,
    )  # fmt: skip
    (search,) = [key for key, each in prompt.items() if each["class_type"] == "FlowSearchParticles"]
    prompt |= {
        "loader": node("FlowSearchDemoLoader", checkpoint="fast"),
        "text": node("CLIPTextEncode", text=CAPTION, clip=["loader", 1]),
        "empty": node("CLIPTextEncode", text="", clip=["loader", 1]),
        "latent": node("EmptySD3LatentImage", width=SIZE, height=SIZE, batch_size=1),
        "reward": node("FlowSearchRewardLoader", reward="brightness"),
        "shown": node("PreviewImage", images=[search, 1]),
    }
    report = json.loads(host.run(prompt)[search]["flow_search_report"][0])
    assert report["budget"]["nfe"] == 20 and report["seed"] == 3 and len(report["sigmas"]) == 5
    ours = {"method": "auto", "kernel": "eta", "interpolant": "vp", "diffusion_norm": 3.0}
    assert report["settings"].items() >= (ours | {"finish_steps": 2, "prompt": CAPTION}).items()
