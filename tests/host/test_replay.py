"""The winner again, from the report or from the saved picture: bit for bit, in a handful of NFE.

Field 26: with anything else than what that search had it is refused, or warned of.
test_replay_hostile.py has reports and pictures that are somebody else's.
"""

import copy
import json

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import SIZE, node, particles, search, with_input


def half_masked(graph):
    """The search paints the left half of a grey picture anew."""
    graph["whole"] = node("SolidMask", value=1.0, width=SIZE, height=SIZE)
    graph["half"] = node("SolidMask", value=0.0, width=SIZE // 2, height=SIZE)
    graph["mask"] = node(
        "MaskComposite", destination=["whole", 0], source=["half", 0], x=SIZE // 2, y=0,
        operation="multiply",
    )  # fmt: skip
    empty = graph["latent"]
    graph["latent"] = node("SetLatentNoiseMask", samples=["empty latent", 0], mask=["mask", 0])
    return graph | {"empty latent": empty}


def large(name, seed):
    """A search at the size that the model draws at: at SIZE its first prediction is blurred."""
    graph = search(name=name, seed=seed)
    graph["latent"]["inputs"] |= {"width": 128, "height": 128}
    return graph


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
    "auto, sharp": lambda: particles(large("replay auto", 50), "auto", budget=40, lookahead=-1),
    "auto, blurred": lambda: particles(
        search(name="replay blurred", seed=51), "auto", budget=40, lookahead=-1
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
    "regional": lambda: particles(search(name="replay regional", seed=47), "regional", budget=60),
    "regional, mask": lambda: particles(
        half_masked(search(name="replay masked", seed=48)),
        "regional",
        budget=40,
        **{"method.at_once": 2},
    ),
    "regional_paths": lambda: particles(
        half_masked(search(name="replay regional paths", seed=49)), "regional_paths", budget=60
    ),
    "no finish": lambda: search(name="replay end", finish_steps=0, seed=37),
}
# The network calls that the winner's ancestors were in, with all their rows, and the finish.
MOST = {
    "rbf": 5 + 3 * 1 + 1,  # children one by one
    "rbf, paths, CFG": 2 * (2 * 3 + 3 * 2 + 1),  # twice for CFG; a child of each path
    "svdd, lookahead": 14 + 3 + 1,  # all candidates, and the last three's lookahead
    "automatic lookahead": 4 * 3 + 3 * 4,  # which is the finish
    "auto, sharp": 9 + 9 + 8 + 8 + 1,  # all candidates
    "auto, blurred": 4 * 8 + 1,  # one wave by the ODE
    "smc, window": 4 * 7 + 1,  # all
    "sop": 6 * 3 + 6 * 3 + 1,  # all: two paths, three tries of each, twice
    "zero_order": 4 * 4 + 1,  # one wave of neighbours
    "regional": 3 * 4 + 1,  # one wave of starts, or a proposal
    "regional, mask": 2 * 4 + 1,
    "regional_paths": 60,  # every move on its way, and nothing that it did not move to
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
    with pytest.raises(ComfyError, match="one search for each latent: got 2 searches, expected 1"):
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
    with pytest.raises(ComfyError, match="report of one search node: got 2 reports, expected 1"):
        host.run(one)


def test_a_picture_of_a_search_that_was_not_run_again_says_so(host):
    graph = search(name="replay cached", seed=46)
    host.probe(graph)
    graph["save"] = node("SaveImage", images=["search", 1], filename_prefix="cached")
    (saved,) = host.run(graph)["save"]["images"]
    graph.pop("save")
    graph = with_input(graph, "search", "replay", f"{saved['filename']} [output]")
    with pytest.raises(ComfyError, match=r"got 0 reports, .* not run again for an image"):
        host.run(graph)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("noise", "noise_seed", 41), "own seed: got 41, expected 40"),
        (("sampler", "diffusion_norm", 2.0), "own diffusion_norm: got 2.0, expected 1.0"),
        (("sigmas", "steps", 5), r"own sigmas: got \["),
        (("search", "window_end", 0.9), "own window_end: got 0.9, expected 0.0"),
        (("search", "budget", 2), "got 2 NFE, expected at least"),
        (("search", "replay", "{}"), "not the report of a search node"),
        (("search", "replay", "nowhere.png"), "name of an image in the input folder"),
        (("search", "prompt", "two red circles"), "own prompt: got 'two red circles', expected"),
        (("latent", "width", 32), r"own shape: got \[16, .*\], expected \[16, 8, 8\]"),
        (("guider", "cfg", 2.0), "own cfg: got 2.0, expected 1.0"),
    ],
)
def test_what_cannot_come_again_is_refused(host, change, said):
    graph = search(name="replay refused", seed=40)
    text = json.dumps(host.probe(graph)["report"])
    graph = with_input(graph, "search", "replay", text)
    with pytest.raises(ComfyError, match=said):
        host.run(with_input(graph, *change))


def test_another_prompt_of_the_guider_is_told_in_log_report_and_chart(host):
    """The reward is asked the same: only the conditioning differs, and what comes of it."""
    graph = search(name="replay other", seed=42)
    text = json.dumps(host.probe(graph)["report"])
    other = with_input(graph, "text", "text", "one green triangle")
    other["chart"] = node("FlowSearchReport", report=["search", 2], csv_prefix="")
    with host.new_log() as log:
        warnings = again(host, other, text)["report"]["warnings"]
    for said in (
        "conditioning (prompt, LoRA) differs from the report's in some bits",
        "Are model, prompt, reward, size and device the same",
    ):
        assert any(said in line for line in log) and any(said in line for line in warnings)
    with host.new_log() as log:
        assert "warnings" not in again(host, graph, text)["report"]
    assert not any("is not that of the report" in line for line in log)


def test_another_picture_to_start_from_is_told(host):
    graph = search(name="replay start", seed=47)
    text = json.dumps(host.probe(graph)["report"])
    graph["picture"] = node("EmptyImage", width=64, height=64, batch_size=1, color=255)
    graph["encoded"] = node("VAEEncode", pixels=["picture", 0], vae=["loader", 2])
    found = again(host, with_input(graph, "search", "latent_image", ["encoded", 0]), text)
    assert "latent_image differs from the report's" in found["report"]["warnings"][0]


def older(report):
    """The same report as the versions before would have written it."""
    report = copy.deepcopy(report)
    for key in ("shape", "cfg", "conditioning", "latent"):
        report.pop(key)
    return report


def test_a_report_of_an_older_version_comes_again(host):
    graph = search(name="replay old", seed=48)
    first = host.probe(graph)
    assert again(host, graph, json.dumps(older(first["report"])))["latent"] == first["latent"]


@pytest.mark.parametrize("name", ["regional, mask", "regional_paths"])
def test_regions_stay_inside_the_noise_mask(host, name):
    """In the report, where a moved-to particle keeps its rectangles."""
    report = host.probe(SEARCHES[name]())["report"]
    boxes = [origin["box"] for origin in report["lineage"] if "box" in origin]
    edge = SIZE // 8
    assert all(len(box) == 4 and box[3] <= edge // 2 + 1 for box in boxes)
    assert report["spent"]["nfe"] <= report["budget"]["nfe"]


def test_a_box_of_another_kind_of_latent_is_refused(host):
    graph = SEARCHES["regional"]()
    report = copy.deepcopy(host.probe(graph)["report"])
    for origin in report["lineage"]:
        if "box" in origin:
            origin["box"] = [0, 2, 0, 2, 0, 2]
    if any("box" in origin for origin in report["lineage"]):
        with pytest.raises(ComfyError, match="got 3, expected 2, as many as the latent has"):
            again(host, graph, json.dumps(report))
