"""Search KSampler in the place of KSampler, and prompts that a search reads from the graph."""

import asyncio
import json

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import CAPTION, SIZE, node, particles, search

from .helpers.events import listen
from .helpers.prompts import LONG, ended, seen, stop

EXTRA = {"vae": ["loader", 2], "reward": ["reward", 0]}


def stock(name="run", weights="fast", **inputs):
    """The stock text-to-image workflow on the demo model; `inputs` override KSampler's."""
    graph = {
        "loader": node("FlowSearchDemoLoader", checkpoint=weights),
        "count": node("ProbeCountNetwork", model=["loader", 0], name=name),
        "text": node("CLIPTextEncode", text=CAPTION, clip=["loader", 1]),
        "empty": node("CLIPTextEncode", text="one green square", clip=["loader", 1]),
        "latent": node("EmptySD3LatentImage", width=SIZE, height=SIZE, batch_size=1),
        "search": node(
            "KSampler", model=["count", 0], positive=["text", 0], negative=["empty", 0],
            latent_image=["latent", 0], seed=7, steps=4, cfg=1.0, sampler_name="euler",
            scheduler="simple", denoise=1.0,
        ),
        "image": node("VAEDecode", samples=["search", 0], vae=["loader", 2]),
        "shown": node("PreviewImage", images=["image", 0]),
    }  # fmt: skip
    graph["search"]["inputs"] |= inputs
    return graph


def swapped(name="run", kind="colour_count", **inputs):
    """The same with the type of one node replaced, a reward and two wires."""
    graph = stock(name, **{"effort": 4} | inputs)
    graph["search"]["class_type"] = "FlowSearchKSampler"
    graph["search"]["inputs"] = EXTRA | graph["search"]["inputs"]
    graph["reward"] = node("FlowSearchRewardLoader", reward=kind)
    graph["probe"] = node(
        "ProbeReport", latent=["search", 0], images=["search", 1], report=["search", 2], name=name
    )  # fmt: skip
    return graph


def scored(graph):
    graph["scored"] = node(
        "FlowSearchRewardScore", images=["image", 0], reward=["reward", 0], prompt=CAPTION
    )
    graph["score"] = node("PreviewAny", source=["scored", 0])
    return graph


def test_a_ksampler_that_is_replaced_finds_a_better_image(host):
    plain = stock() | {"reward": node("FlowSearchRewardLoader", reward="colour_count")}
    before = float(host.run(scored(plain))["score"]["text"][0])
    outputs = host.run(scored(swapped("better", effort=15)))
    report = json.loads(outputs["search"]["flow_search_report"][0])
    assert float(outputs["score"]["text"][0]) == pytest.approx(report["best"]["reward"], abs=1e-3)
    assert report["best"]["reward"] >= before
    settings = report["settings"]
    assert (settings["prompt"], settings["method"], report["method"]) == (CAPTION, "auto", "auto")
    shown = {"effort": 15, "steps": 4, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple"}
    assert settings.items() >= (shown | {"denoise": 1.0, "budget": 60}).items()
    assert settings["kernel"] == "eta" and report["chosen"]["method"]


def test_without_effort_it_has_the_default(host):
    """As in a prompt whose class type alone was replaced; a perfect image ends it early."""
    graph = swapped("default", steps=1)
    del graph["search"]["inputs"]["effort"]
    assert host.probe(graph)["report"]["budget"]["nfe"] == 25


@pytest.mark.parametrize("sampler", ["euler", "vp_sde", "dpmpp_2m", "ddim", "heun"])
def test_the_budget_is_effort_times_steps(host, sampler):
    graph = swapped(f"budget {sampler}", "brightness", sampler_name=sampler, cfg=2.0)
    shown = host.probe(graph)
    report = shown["report"]
    assert report["budget"]["nfe"] == 4 * 4 * 2  # effort, steps, CFG
    assert 16 <= report["spent"]["nfe"] == shown["counts"]["rows"] <= 32
    whole = sampler not in ("euler", "vp_sde")
    assert ("sampler" in report["settings"]) == whole  # the report names no sampler of ours
    assert report["chosen"]["method"] == "regional" or not whole


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "uni_pc", "euler_ancestral"])
@pytest.mark.parametrize("denoise", [1.0, 0.5])
def test_the_first_image_of_another_sampler_is_ksamplers(host, sampler, denoise):
    """Sigmas, noise, CFG and the image to start from are KSampler's."""
    settings = {"sampler_name": sampler, "denoise": denoise, "cfg": 1.5, "seed": 5}
    graph = swapped(f"{sampler} {denoise}", "brightness", effort=2, **settings)
    graph["start"] = stock(steps=2)["search"]
    graph["search"]["inputs"]["latent_image"] = ["start", 0]
    inputs = graph["search"]["inputs"]
    graph["plain"] = node("KSampler", **{k: inputs[k] for k in stock()["search"]["inputs"]})
    graph["image"]["inputs"]["samples"] = ["plain", 0]
    outputs = host.run(scored(graph))
    report = json.loads(outputs["probe"]["probe"][0])["report"]
    (first,) = [row for row in report["trace"] if row["id"] == 0]
    assert first["reward"] == pytest.approx(float(outputs["score"]["text"][0]), abs=1e-4)
    assert first["nfe"] == 8  # four steps with CFG


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_the_plain_image_is_ksamplers_and_is_paid(host, sampler):
    """Another sampler's search begins with it, so it costs nothing more."""
    settings = {"sampler_name": sampler, "cfg": 1.5}
    graph = swapped(f"compared {sampler}", "brightness", compare=True, **settings)
    inputs = graph["search"]["inputs"]
    graph["plain"] = node("KSampler", **{k: inputs[k] for k in stock()["search"]["inputs"]})
    graph["plain"]["inputs"]["model"] = ["loader", 0]  # which the counter does not see
    graph["image"]["inputs"]["samples"] = ["plain", 0]
    outputs = host.run(scored(graph))
    shown = json.loads(outputs["probe"]["probe"][0])
    report = shown["report"]
    score = float(outputs["score"]["text"][0])
    assert report["plain"]["reward"] == pytest.approx(score, abs=1e-4)
    assert report["plain"]["nfe"] == (8 if sampler == "euler" else 0)
    assert report["spent"]["nfe"] == shown["counts"]["rows"] <= report["budget"]["nfe"]
    assert min(row["nfe"] for row in report["trace"]) > report["plain"]["nfe"]


def test_the_plain_image_is_in_the_last_event_and_in_the_price(host):
    graph = swapped("compared events", "brightness", compare=True)
    events, _ = asyncio.run(listen(host, "compared events", graph))
    assert events[-1]["kind"] == "done"
    assert set(events[-1]["plain"]) == {"id", "reward", "jpeg", "file"}
    assert host.client.image(events[-1]["plain"]["file"])[:2] == b"\xff\xd8"
    with pytest.raises(ComfyError, match="compare with takes 4. Raise effort to 3."):
        host.run(swapped("too small", "brightness", compare=True, effort=2))


def test_the_smallest_effort_of_one_step_is_enough(host):
    report = host.probe(swapped("smallest", "brightness", steps=1, effort=2))["report"]
    assert report["spent"]["nfe"] == 2


def test_each_latent_of_a_batch_is_searched(host):
    graph = swapped("batch", "brightness")
    graph["latent"]["inputs"]["batch_size"] = 2
    shown = host.probe(graph)
    assert len(shown["report"]["batch"]) == 2


def test_the_panel_hears_of_it_and_stops_it(host):
    graph = swapped("stopped", "brightness", effort=LONG)
    graph["slow"] = node(
        "ProbeTroubledReward", reward=["reward", 0], kind="slow", first=0, count=0, name="ksampler"
    )
    graph["search"]["inputs"]["reward"] = ["slow", 0]
    prompt_id = host.client.queue(graph)
    seen(host, "ksampler")
    assert stop(host, prompt_id)
    shown = json.loads(ended(host, prompt_id)["outputs"]["probe"]["probe"][0])
    assert shown["report"]["stopped"] == "interrupt"
    events, _ = asyncio.run(listen(host, "ksampler", swapped("heard", "brightness")))
    assert events[0]["kind"] == "start" and {event["node_id"] for event in events} == {"search"}
    assert "accept" in {event["kind"] for event in events}


def concatenated():
    graph = swapped("concatenated")
    graph["one"] = node("PrimitiveString", value="three red circles ")
    graph["all"] = node(
        "StringConcatenate", string_a=["one", 0], string_b="two blue squares", delimiter="and "
    )
    graph["text"]["inputs"]["text"] = ["all", 0]
    return graph


def through_nodes():
    graph = swapped("through", positive=["area", 0])
    graph["area"] = node(
        "ConditioningSetTimestepRange", conditioning=["flux", 0], start=0.0, end=1.0
    )
    graph["flux"] = node("FluxGuidance", conditioning=["text", 0], guidance=3.5)
    return graph


def replaced_text():
    graph = swapped("replaced")
    graph["new"] = node(
        "StringReplace", string="three red circles and two green squares", find="green",
        replace="blue",
    )  # fmt: skip
    graph["text"]["inputs"]["text"] = ["new", 0]
    return graph


def in_a_subgraph():
    graph = swapped("7:8")
    return {name.replace("text", "7:8:1"): each for name, each in graph.items()} | {
        "search": node(
            "FlowSearchKSampler", **graph["search"]["inputs"] | {"positive": ["7:8:1", 0]}
        )
    }


def of_a_guider(**inputs):
    return search(prompt="", name="of a guider", budget=12, **inputs)


def of_particles():
    return particles(search(prompt=" ", name="of particles", budget=12), "best_of_n")


PROMPTS = (concatenated, through_nodes, replaced_text, in_a_subgraph, of_a_guider, of_particles)


@pytest.mark.parametrize("build", PROMPTS)
def test_an_empty_prompt_is_the_one_of_the_graph(host, build):
    assert host.probe(build())["report"]["settings"]["prompt"] == CAPTION


def test_a_typed_prompt_wins(host):
    typed = "three red circles"
    for graph in (swapped("typed", prompt=typed), search(prompt=typed, budget=12, name="typed")):
        assert host.probe(graph)["report"]["settings"]["prompt"] == typed


def two_prompts(graph):
    graph["other"] = node("CLIPTextEncode", text="two red circles", clip=["loader", 1])
    graph["both"] = node(
        "ConditioningCombine", conditioning_1=["text", 0], conditioning_2=["other", 0]
    )
    graph["search"]["inputs"]["positive"] = ["both", 0]
    return graph


def test_a_reward_that_reads_no_prompt_needs_none(host):
    graph = two_prompts(swapped("no prompt", "brightness"))
    assert host.probe(graph)["report"]["settings"]["prompt"] == ""


def test_a_search_without_a_prompt_in_its_report_is_replayed(host):
    """As those before prompts were read from the graph."""
    ours = of_a_guider(seed=3)
    ours["reward"] = node("FlowSearchRewardLoader", reward="brightness")
    report = host.probe(ours)["report"]
    assert report["settings"]["prompt"] == CAPTION
    report["settings"]["prompt"] = ""
    ours["search"]["inputs"]["replay"] = json.dumps(report)
    again = host.probe(ours)["report"]
    assert again["best"]["reward"] == pytest.approx(report["best"]["reward"], rel=1e-5)


def without(name):
    graph = swapped("refused")
    del graph["search"]["inputs"][name]
    return graph


def judged_by_its_clip(name):
    """Without a reward, on a CLIP that can look at images."""
    graph = swapped(name, effort=2)
    del graph["search"]["inputs"]["reward"], graph["reward"]
    graph["sees"] = node("ProbeSeeingCLIP", clip=["loader", 1])
    graph["text"]["inputs"]["clip"] = ["sees", 0]
    return graph


def test_without_a_reward_the_clip_of_the_prompt_judges(host, version):
    outputs = host.run(judged_by_its_clip("judged"))
    (shown,) = [o["flow_search_report"][0] for o in outputs.values() if "flow_search_report" in o]
    report = json.loads(shown)
    settings, (reason, *_) = report["settings"], report["chosen"]["why"].split(". ")
    assert reason == (
        "No reward is connected, so the CLIP of the prompt judges the images (vqascore_host)"
    )
    assert settings["reward"] == "vqascore_host" and settings["prompt"] == CAPTION
    assert len({row["reward"] for row in report["trace"]}) > 1
    probed = json.loads(outputs["probe"]["probe"][0])
    assert probed["counts"]["rows"] == report["spent"]["nfe"] <= 8
    events, _ = asyncio.run(listen(host, "judged", judged_by_its_clip("heard too")))
    assert {event["node_id"] for event in events} == {"search"}  # that of the panel
    (chosen,) = [event["chosen"] for event in events if event["kind"] == "choose"]
    assert chosen["why"] == report["chosen"]["why"]


def no_prompt():
    graph = swapped("refused")
    graph["text"]["inputs"]["text"] = " "
    return graph


def not_from_noise():
    graph = swapped("refused")
    graph["count"] = node(
        "ModelSamplingDiscrete", model=["loader", 0], sampling="img_to_img", zsnr=False
    )
    return graph


def other_name(name, value):
    graph = swapped("refused")
    graph["word"] = node("PrimitiveString", value=value)
    graph["any"] = node("ComfySwitchNode", switch=True, on_true=["word", 0], on_false=["word", 0])
    graph["search"]["inputs"][name] = ["any", 0]
    return graph


REFUSED = {  # the first one makes the counter of the network
    "no reward": (
        lambda: without("reward"),
        "No reward is connected: got none, expected what makes an image good. Add the node Reward "
        "Model Loader, and connect it to reward.",
    ),
    "no VAE": (
        lambda: without("vae"),
        "No VAE is connected: got none, expected that of the model. Connect the VAE of the loader "
        "to vae.",
    ),
    "no prompt": (
        no_prompt,
        "The workflow has no prompt for the reward: got no text in CLIPTextEncode, expected a node "
        "that encodes a text. Type the text into prompt.",
    ),
    "two prompts": (
        lambda: two_prompts(swapped("refused")),
        f"The workflow has several prompts: got '{CAPTION}', 'two red circles', expected one. Type "
        "the text for the reward into prompt.",
    ),
    "no model of images": (not_from_noise, "This model cannot be searched: got "),
    "denoise 0": (
        lambda: swapped("refused", denoise=0.0),
        "denoise leaves nothing to search: got 0, expected more than 0. ",
    ),
    "an unknown sampler": (
        lambda: other_name("sampler_name", "eulr"),
        "Unknown sampler_name: got 'eulr', expected vp_sde or one of KSampler.",
    ),
    "an unknown scheduler": (
        lambda: other_name("scheduler", "smple"),
        "Unknown scheduler: got 'smple', expected one of KSampler.",
    ),
    "a plain value in place of a model": (
        lambda: swapped("refused", model=7),
        "model is not connected: got 7, expected a connection.",
    ),
    "a plain value in place of a prompt": (
        lambda: swapped("refused", positive="a cat"),
        "positive is not connected: got 'a cat', expected a connection.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_clear_sentence_before_compute(host, case):
    build, sentence = REFUSED[case]
    with pytest.raises(ComfyError) as caught:
        host.run(build())
    text = str(caught.value)
    assert text.startswith(sentence) and "\n" not in text
    batch = 1 + list(REFUSED).index(case)  # another prompt, which the host runs anew
    graph = {"latent": node("EmptySD3LatentImage", width=SIZE, height=SIZE, batch_size=batch)}
    graph["probe"] = node("ProbeReport", latent=["latent", 0], name="refused")
    assert host.probe(graph)["counts"] == {"rows": 0, "calls": 0}
