"""Bad input gives one clear sentence, before compute where it can, and the server goes on."""

import asyncio

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node, search, with_input

from .helpers.events import listen


def not_from_noise():
    graph = search()
    graph["count"] = node(
        "ModelSamplingDiscrete", model=["loader", 0], sampling="img_to_img", zsnr=False
    )
    return graph


def stock_sampler():
    graph = search()
    graph["sampler"] = node("KSamplerSelect", sampler_name="dpmpp_2m")
    return graph


def empty_sigmas():
    graph = search()
    graph["sigmas"] = node(
        "BasicScheduler", model=["loader", 0], scheduler="simple", steps=4, denoise=0.0
    )
    return graph


def spoiled():
    graph = search()
    graph["spoil"] = node("ProbeSpoilLatent", latent=["latent", 0])
    return with_input(graph, "search", "latent_image", ["spoil", 0])


def cached_steps():
    graph = search()
    graph["cache"] = node(
        "EasyCache",
        model=["count", 0],
        reuse_threshold=0.2,
        start_percent=0.15,
        end_percent=0.95,
        verbose=False,
    )
    return with_input(graph, "guider", "model", ["cache", 0])


def nothing_active():
    graph = search()
    graph["early"] = node(
        "ConditioningSetTimestepRange", conditioning=["text", 0], start=0.9, end=1.0
    )
    return with_input(graph, "guider", "positive", ["early", 0])


def crowded_schedule():
    return with_input(
        with_input(search(steps=30), "sigmas", "interpolant", "polynomial"),
        "sigmas",
        "interpolant.exponent",
        6.0,
    )


def of_file(name):
    graph = search()
    graph["reward"] = node(
        "FlowSearchRewardLoader", **{"reward": "clip_score", "reward.checkpoint": name}
    )
    return graph


def unreadable_file(host):
    folder = host.base / "models" / "rewards"
    folder.mkdir(exist_ok=True)
    (folder / "broken.safetensors").write_bytes(b"not a safetensors file")
    return of_file("broken.safetensors")


CASES = {
    "no model of images": (not_from_noise, "a model that makes images from noise"),
    "stock sampler": (stock_sampler, "got dpmpp_2m, expected the VP-SDE Flow Sampler"),
    "empty sigmas": (empty_sigmas, "too few sigmas: got 0, expected at least 2"),
    "a cache of steps": (cached_steps, "got ComfyUI's EasyCache or LazyCache, expected none"),
    "no condition at a step": (nothing_active, "No conditioning is active at sigma"),
    "steps too close": (crowded_schedule, "too close for float32"),
    "NaN latent": (spoiled, "got 1 values that are NaN or infinite, expected"),
    "budget": (lambda: search(budget=5), "got 5 NFE, expected at least 7"),
    "budget with cfg": (lambda: search(budget=13, cfg=2.0), "got 13 NFE, expected at least 14"),
    "prompt": (lambda: search(prompt="a nice landscape"), "a nice landscape"),
    "no such file": (lambda: of_file("gone.safetensors"), "gone.safetensors"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_clear_sentence(host, case):
    make, sentence = CASES[case]
    with pytest.raises(ComfyError) as caught:
        host.run(make())
    text = str(caught.value)
    assert sentence in text
    assert "Traceback" not in text and "\n" not in text.strip()


BY_THE_HOST = "no such file"  # it refuses the prompt before it runs, and marks the input
NODES = ("FlowSearchRBF", "FlowSearchScheduler", "FlowSearchRewardLoader")


@pytest.mark.parametrize("case", [case for case in CASES if case != BY_THE_HOST])
def test_the_panel_hears_why_a_run_is_refused(host, case):
    """A search shows its own error, and that of a node of the pack before it."""
    make, sentence = CASES[case]
    events, _ = asyncio.run(listen(host, f"refused {case}", make()))
    refusal = events[-1]
    assert refusal["kind"] == "execution_error" and refusal["node_type"] in NODES
    assert sentence in refusal["exception_message"]
    assert refusal["exception_message"].strip().count("\n") == 0


def test_unreadable_reward_file(host):
    with pytest.raises(ComfyError, match="broken.safetensors"):
        host.run(unreadable_file(host))


@pytest.mark.parametrize(
    "name",
    (
        r"/etc/hosts ../checkpoints a/../../checkpoints ..\checkpoints C:\Windows C:hidden "
        r"\\server\share //server/share"
    ).split(),
)
def test_a_reward_file_is_below_the_reward_folders(host, name):
    """ComfyUI holds what is chosen against its list, but not what comes over a wire."""
    graph = of_file(["switch", 0])
    graph["name"] = node("PrimitiveString", value=name)
    both = {"on_true": ["name", 0], "on_false": ["name", 0]}
    graph["switch"] = node("ComfySwitchNode", switch=True, **both)
    with pytest.raises(ComfyError) as caught:
        host.run(graph)
    assert f"outside the reward folders: got {name!r}, expected a name below" in str(caught.value)


def test_nothing_is_spent_on_bad_input(host):
    """The network is not called when the budget is too small."""
    graph = search(budget=5, name="nothing")
    with pytest.raises(ComfyError):
        host.run(graph)
    graph["probe"] = node("ProbeReport", latent=["latent", 0], name="nothing")
    assert host.probe(graph)["counts"] == {"rows": 0, "calls": 0}


def test_the_server_goes_on(host):
    with pytest.raises(ComfyError):
        host.run(stock_sampler())
    assert host.probe(search(budget=12))["report"]["spent"]["nfe"] == 12
