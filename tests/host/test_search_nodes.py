"""The main job, through the HTTP API of a running ComfyUI."""

import pytest
import torch
from pack.tools.probing.graphs import SIZE, node, particles, plain, search, with_input

from .helpers.reward_graphs import loader


@pytest.fixture(scope="module")
def base_run(host):
    return host.probe(search())


def same_but_time(report):
    """A report without what the clock decides."""
    kept = {k: v for k, v in report.items() if k not in ("spent", "settings")}
    return kept | {"nfe": report["spent"]["nfe"]}


@pytest.mark.parametrize("cfg", [1.0, 2.0])
@pytest.mark.parametrize("budget, top_k", [(24, 1), (33, 2)])
def test_nfe_is_what_the_network_sees(host, cfg, budget, top_k):
    shown = host.probe(search(cfg=cfg, name=f"{cfg} {budget}", budget=budget, top_k=top_k))
    report, counts = shown["report"], shown["counts"]
    assert report["spent"]["nfe"] == counts["rows"] <= budget
    assert report["spent"]["network_calls"] == counts["calls"]
    assert budget - counts["rows"] < cfg + 1  # nothing that could be spent is left
    assert report["trace"][-1]["nfe"] == counts["rows"]
    assert shown["images"] == [top_k, SIZE, SIZE, 3]


def test_report_follows_the_contract(base_run):
    report = base_run["report"]
    assert report["version"] == 1 and report["method"] == "rbf" and report["seed"] == 7
    assert report["stopped"] == "budget"
    assert report["budget"] == {"nfe": 20, "seconds": None, "target_reward": None}
    counts = {"nfe", "network_calls", "decodes", "frames", "rewards", "gradients"}
    assert set(report["spent"]) == counts | {"seconds", "micro_batch", "lookahead"}
    assert report["spent"]["micro_batch"] == 16
    assert report["spent"]["frames"] == report["spent"]["decodes"]
    assert set(report["spent"]["seconds"]) == {"total", "network", "decode", "reward", "gradient"}
    assert len(report["sigmas"]) == 5 and report["sigmas"][-1] == 0.0
    asked = ("prompt", "budget", "init_particles", "paths", "finish_steps", "top_k", "micro_batch")
    assert all(name in report["settings"] for name in asked)
    assert report["settings"]["interpolant"] == "vp" and report["settings"]["kernel"] == "eta"
    row_keys = {"id", "parent", "path", "step", "t", "kind", "reward", "accepted", "nfe"}
    for row in report["trace"]:  # a path that moves is told what it may try from there
        assert set(row) == row_keys | ({"quota"} if row["accepted"] else set())
    assert [row["kind"] for row in report["trace"]][:3] == ["born"] * 3
    finish = [row for row in report["trace"] if row["kind"] == "finish"]
    assert [row["t"] for row in finish] == [0.0]
    best = report["best"]  # as it was scored where its finish is worth less
    assert best["reward"] == report["top"][0]["reward"]
    assert finish[0]["reward"] == best.get("finish_reward", best["reward"]) <= best["reward"]
    assert report["spent"]["rewards"] == len(report["trace"])
    for row in report["trace"]:
        assert row["t"] == report["sigmas"][row["step"]]


def test_the_best_candidate_is_the_one_finished(base_run):
    rows = base_run["report"]["trace"]
    tried = [row for row in rows if row["kind"] != "finish"]
    finish = next(row for row in rows if row["kind"] == "finish")
    parent = next(row for row in tried if row["id"] == finish["parent"])
    assert parent["reward"] == max(row["reward"] for row in tried)


@pytest.mark.parametrize("micro_batch", [1, 2, 5])
def test_micro_batch_changes_nothing(host, base_run, micro_batch):
    shown = host.probe(search(init_particles=3, micro_batch=micro_batch))
    a, b = same_but_time(shown["report"]), same_but_time(base_run["report"])
    assert [r["id"] for r in a["trace"]] == [r["id"] for r in b["trace"]]
    assert [r["accepted"] for r in a["trace"]] == [r["accepted"] for r in b["trace"]]
    assert [r["reward"] for r in a["trace"]] == pytest.approx(
        [r["reward"] for r in b["trace"]], abs=1e-3
    )
    assert shown["latent"] == pytest.approx(base_run["latent"], abs=1e-3)


def test_one_row_a_call_makes_a_particle_independent_of_others(host):
    """Decoder and reward get one image at a time, too. Each of its digits counts in sharpness."""
    born = []
    for starts in (1, 5):
        graph = search(init_particles=starts, micro_batch=1, name=f"{starts} starts")
        graph["reward"] = loader("sharpness")
        trace = host.probe(graph)["report"]["trace"]
        born.append([row["reward"] for row in trace if row["kind"] == "born"])
    assert [len(rewards) for rewards in born] == [1, 5]
    assert born[0] == born[1][:1]


def test_same_seed_same_report(host, base_run):
    again = search()
    again["search"]["inputs"]["time_limit"] = 1e6  # another input, so that the host runs it again
    shown = host.probe(again)
    a, b = same_but_time(shown["report"]), same_but_time(base_run["report"])
    assert a | {"budget": None} == b | {"budget": None}
    assert shown["latent"] == base_run["latent"]


def test_another_seed_another_result(host, base_run):
    assert host.probe(search(seed=8))["latent"] != base_run["latent"]


@pytest.mark.parametrize("kernel", ["eta", "euler_maruyama"])
def test_width_one_is_the_plain_sampler(host, kernel):
    """Same seed, one initial particle, one child a step: bit for bit SamplerCustomAdvanced's."""
    graph = search(budget=4, init_particles=1, finish_steps=0, stop_at_maximum=False)
    # A search returns the best it saw, the latest of equals: here all pictures are.
    graph["reward"]["inputs"] |= {
        "reward.counts": "cyan: 0",
        "reward.other_colours": "ignore",
        "reward.tie_break": 0.0,
    }
    graph = with_input(graph, "sampler", "kernel", kernel)
    stock = host.probe(plain(graph))
    one = {"method.init_particles": 1, "method.children": "kernel"}
    assert host.probe(particles(graph, "rbf", **one))["latent"] == stock["latent"]
    assert host.probe(particles(graph))["latent"] == stock["latent"]


def test_norm_zero_is_the_hosts_euler(host):
    graph = with_input(search(steps=6), "sampler", "diffusion_norm", 0.0)
    graph = with_input(graph, "sampler", "interpolant", "linear")
    ours = host.probe(plain(graph))
    graph["sampler"] = {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}}
    stock = host.probe(plain(graph))
    assert ours["latent"] == pytest.approx(stock["latent"], abs=2e-4)


@pytest.mark.parametrize("interpolant", ["vp", "linear", "cosine", "linear_vp", "polynomial"])
def test_every_path_samples_from_pure_noise(host, interpolant):
    """BasicScheduler's first sigma is exactly 1."""
    graph = plain(with_input(search(), "sampler", "interpolant", interpolant))
    graph["sigmas"] = {
        "class_type": "BasicScheduler",
        "inputs": {"model": ["loader", 0], "scheduler": "simple", "steps": 4, "denoise": 1.0},
    }
    values = host.probe(graph)["latent"]
    assert max(map(abs, values)) < 30 and len(set(values)) > 100


def test_a_batch_is_one_search_each(host, base_run):
    graph = with_input(search(), "latent", "batch_size", 2)
    shown = host.probe(graph)
    assert shown["shape"][0] == 2 and shown["images"][0] == 2
    first, second = shown["report"]["batch"]
    # The host draws the noise of a batch as one tensor: its first row is not batch 1's noise
    # for every latent size, so only the structure is compared.
    assert first["spent"]["nfe"] == second["spent"]["nfe"] == 20
    assert (
        shown["latent"][: len(shown["latent"]) // 2] != shown["latent"][len(shown["latent"]) // 2 :]
    )


def test_target_reward_stops_early(host):
    graph = search(budget=60)
    graph["target"] = {"class_type": "PrimitiveFloat", "inputs": {"value": -1e6}}
    graph["search"]["inputs"]["target_reward"] = ["target", 0]
    report = host.probe(graph)["report"]
    assert report["stopped"] == "target"
    assert report["spent"]["nfe"] == 3 + 1  # the initial particles and the finish


def test_preview_vae_ranks_and_the_full_one_judges(host):
    graph = search()
    graph["other"] = {"class_type": "FlowSearchDemoLoader", "inputs": {"checkpoint": "base"}}
    graph["search"]["inputs"] |= {"preview_vae": ["other", 2], "finish_steps": 0}
    report = host.probe(graph)["report"]
    assert report["settings"]["preview_vae"] is True
    assert report["trace"][-1]["kind"] == "finish"
    assert report["spent"]["nfe"] == 20


def test_inpainting_keeps_what_the_mask_keeps(host):
    """A noise_mask of zeros on the left half: that half of the latent comes back unchanged."""
    graph = search()
    graph["plain"] = plain(graph)["search"]
    graph["mask"] = node("SolidMask", value=0, width=SIZE, height=SIZE)
    graph["right"] = node("SolidMask", value=1, width=SIZE // 2, height=SIZE)
    both = {"destination": ["mask", 0], "source": ["right", 0]}
    graph["half"] = node("MaskComposite", x=SIZE // 2, y=0, operation="add", **both)
    graph["masked"] = node("SetLatentNoiseMask", samples=["plain", 0], mask=["half", 0])
    graph["search"]["inputs"]["latent_image"] = ["masked", 0]
    shown = {"latent": ["plain", 0], "name": "run"}
    before = graph | {"probe": {**graph["probe"], "inputs": shown}}
    wide = SIZE // 8
    kept = torch.tensor(host.probe(before)["latent"]).view(1, 16, wide, wide)
    found = torch.tensor(host.probe(graph)["latent"]).view(1, 16, wide, wide)
    torch.testing.assert_close(found[..., : wide // 2], kept[..., : wide // 2], atol=1e-5, rtol=0)
    assert (found - kept)[..., wide // 2 :].abs().max() > 0.1
