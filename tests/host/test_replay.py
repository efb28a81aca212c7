"""The winner again, from the report or from the saved picture: bit for bit, in a handful of NFE."""

import json

import pytest
from pack.demo.client import ComfyError

from .graphs import node, particles, search, with_input

SEARCHES = {
    "rbf": lambda: search(name="replay rbf", budget=24, init_particles=5, seed=31),
    "rbf, paths, CFG": lambda: search(
        name="replay cfg", budget=60, paths=2, cfg=2.0, top_k=2, seed=32
    ),
    "svdd, lookahead": lambda: particles(
        search(name="replay svdd", seed=33), "svdd", budget=30, lookahead=1
    ),
    "automatic lookahead": lambda: particles(
        with_input(search(name="replay ahead", seed=43), "loader", "checkpoint", "base"),
        "svdd",
        budget=60,
        lookahead=-1,
    ),
    "smc, window": lambda: particles(
        search(name="replay smc", seed=34), "smc", budget=30, window_start=0.99
    ),
    "sop": lambda: particles(
        search(name="replay sop", seed=35),
        "sop",
        budget=40,
        **{"method.paths": 2, "method.forward": 1, "method.backward": 2},
    ),
    "zero_order": lambda: particles(search(name="replay zero", seed=36), "zero_order", budget=40),
    "no finish": lambda: search(name="replay end", finish_steps=0, seed=37),
}
# The network calls that the winner's ancestors were in, with all their rows, and the finish.
MOST = {
    "rbf": 5 + 3 * 1 + 1,  # children one by one
    "rbf, paths, CFG": 2 * (2 * 3 + 3 * 2 + 1),  # twice for CFG; a child of each path
    "svdd, lookahead": 14 + 3 + 1,  # all candidates, and the last three's lookahead
    "automatic lookahead": 4 * 3 + 3 * 4,  # which is the finish
    "smc, window": 4 * 7 + 1,  # all
    "sop": 6 * 3 + 6 * 3 + 1,  # all: two paths, three tries of each, twice
    "zero_order": 4 * 4 + 1,  # one wave of neighbours
    "no finish": 3 + 3 * 1,
}


def again(host, graph, report, **inputs):
    """The same graph as a replay of a report."""
    graph = with_input(graph, "search", "replay", report)
    graph["search"]["inputs"] |= inputs
    return host.probe(graph)


@pytest.mark.parametrize("name", SEARCHES)
def test_the_winner_comes_again(host, name):
    graph = SEARCHES[name]()
    first = host.probe(graph)
    best, before = first["report"]["best"], first["counts"]["rows"]
    second = again(host, graph, json.dumps(first["report"]))
    assert second["latent"] == first["latent"]
    # A finished picture is decoded alone both times. One of a round is not in the search, and on
    # some CPUs its last bit is another then.
    (row,) = (row for row in first["report"]["trace"] if row["id"] == best["id"])
    wanted = best["reward"] if row["kind"] == "finish" else pytest.approx(best["reward"], rel=1e-6)
    assert second["report"]["best"]["reward"] == wanted
    assert second["report"]["spent"]["nfe"] == second["counts"]["rows"] - before
    assert second["report"]["spent"]["nfe"] <= MOST[name] <= first["report"]["budget"]["nfe"]
    assert second["report"]["spent"]["rewards"] <= 2
    assert second["report"]["spent"]["lookahead"] == first["report"]["spent"]["lookahead"]
    third = again(host, graph, json.dumps(second["report"]), budget=1000)
    assert third["latent"] == first["latent"]


def test_a_batch_comes_again(host):
    graph = search(name="replay batch", seed=38)
    graph["latent"]["inputs"]["batch_size"] = 2
    first = host.probe(graph)
    assert again(host, graph, json.dumps(first["report"]))["latent"] == first["latent"]
    one = with_input(graph, "latent", "batch_size", 1)
    with pytest.raises(ComfyError, match="2 searches was given for 1 latents, wanted one each"):
        again(host, one, json.dumps(first["report"]))


def test_a_saved_picture_is_enough(host):
    graph = search(name="replay picture", seed=39)
    graph["save"] = node("SaveImage", images=["search", 1], filename_prefix="replayed")
    outputs = host.run(graph)
    first = json.loads(outputs["probe"]["probe"][0])
    (saved,) = outputs["save"]["images"]
    graph.pop("save")
    assert again(host, graph, f"{saved['filename']} [output]")["latent"] == first["latent"]


def test_one_image_of_a_batch_comes_again_alone(host):
    """By the noise that was its own in the batch."""
    graph = search(name="replay one of a batch", seed=44)
    graph["latent"]["inputs"]["batch_size"] = 3
    first = host.probe(graph)
    one = with_input(graph, "latent", "batch_size", 1)
    size = len(first["latent"]) // 3
    for image in (2, 0):
        report = first["report"]["batch"][image]
        assert report.get("image", 0) == image
        found = again(host, one, json.dumps(report))
        assert found["latent"] == first["latent"][image * size :][:size]
        assert found["report"].get("image", 0) == image


def test_each_picture_of_a_list_is_kept_with_all_reports(host):
    """The host saves them when all searches have run: which is whose cannot be told."""
    graph = search(name="replay list", seed=45)
    graph["seeds"] = node("ProbeSeeds", first=45, count=2)
    graph["noise"]["inputs"]["noise_seed"] = ["seeds", 0]
    del graph["probe"]
    graph["save"] = node("SaveImage", images=["search", 1], filename_prefix="listed")
    saved = host.run(graph)["save"]["images"]
    assert len(saved) == 2
    one = search(name="replay listed", seed=45, replay=f"{saved[0]['filename']} [output]")
    with pytest.raises(ComfyError, match="carries 2 reports of search nodes, wanted one"):
        host.run(one)


def test_a_picture_of_a_search_that_was_not_run_again_says_so(host):
    graph = search(name="replay cached", seed=46)
    host.probe(graph)
    graph["save"] = node("SaveImage", images=["search", 1], filename_prefix="cached")
    (saved,) = host.run(graph)["save"]["images"]
    graph.pop("save")
    graph = with_input(graph, "search", "replay", f"{saved['filename']} [output]")
    with pytest.raises(ComfyError, match=r"carries 0 reports .* not run again for this picture"):
        host.run(graph)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("noise", "noise_seed", 41), "replay of seed 40 was given and the node has 41"),
        (("sampler", "diffusion_norm", 2.0), "diffusion_norm 1.0 was given and the node has 2.0"),
        (("sigmas", "steps", 5), r"replay of sigmas \["),
        (("search", "window_end", 0.9), "window_end 0.0 was given and the node has 0.9"),
        (("search", "budget", 2), "budget of 2 NFE given, wanted at least"),
        (("search", "replay", "{}"), "wanted the report of a search node"),
        (("search", "replay", "nowhere.png"), "name of a picture in the input folder"),
    ],
)
def test_what_cannot_come_again_is_refused(host, change, said):
    graph = search(name="replay refused", seed=40)
    text = json.dumps(host.probe(graph)["report"])
    graph = with_input(graph, "search", "replay", text)
    with pytest.raises(ComfyError, match=said):
        host.run(with_input(graph, *change))


def test_another_prompt_is_told_in_the_log(host):
    graph = search(name="replay other", seed=42)
    text = json.dumps(host.probe(graph)["report"])
    again(host, with_input(graph, "text", "text", "one green triangle"), text)
    assert "are model, prompt, reward, size and device those" in host.log.read_text()
