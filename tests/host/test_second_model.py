"""A second MODEL looks ahead or finishes: paid, counted by model, replayed, or refused.

Field 33: a few-step twin scores what a many-step model makes.
"""

import json

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import SIZE, node, particles, search, with_input
from pack.tools.probing.runs import Runs
from pack.tools.probing.wiring import IMAGE, control, dual_cfg, hook

TEXT = 24  # width of the text embeddings of tools/probing/tiny


def two_models(name, checkpoint="fast", **inputs):
    """A search on base, with a second loader and a counter and a probe for each network."""
    graph = with_input(search(name=name, **inputs), "loader", "checkpoint", "base")
    graph["second"] = node("FlowSearchDemoLoader", checkpoint=checkpoint)
    graph["count second"] = node("ProbeCountNetwork", model=["second", 0], name=f"{name} second")
    graph["probe second"] = node("ProbeReport", latent=["search", 0], name=f"{name} second")
    return graph


def connected(graph, **inputs):
    """The graph with a second model on some inputs. True: the one that is counted."""
    for key, link in inputs.items():
        graph = with_input(graph, "search", key, ["count second", 0] if link is True else link)
    return graph


def run(host, graph):
    """(what the first probe shows, rows that the second network saw)."""
    outputs = host.run(graph)
    shown, second = (json.loads(outputs[n]["probe"][0]) for n in ("probe", "probe second"))
    return shown, (second["counts"] or {"rows": 0})["rows"]


@pytest.mark.parametrize(
    ("names", "steps"),
    [
        (("lookahead_model",), {"lookahead": -1}),
        (("lookahead_model",), {"lookahead": 2, "cfg": 2.0}),
        (("finish_model",), {"finish_steps": 3}),
        (("lookahead_model", "finish_model"), {"lookahead": 1, "finish_steps": 2}),
    ],
)
def test_each_model_is_paid_and_counted(host, names, steps):
    name = f"second {names} {steps}"
    graph = connected(two_models(name, budget=40, **steps), **dict.fromkeys(names, True))
    for side in ("width", "height"):  # at half of it the few-step model is blurred, too
        graph = with_input(graph, "latent", side, 2 * SIZE)
    shown, rows = run(host, graph)
    spent = shown["report"]["spent"]
    assert spent["nfe"] == shown["counts"]["rows"] + rows <= 40
    by_model = spent["nfe_by_model"]
    assert set(by_model) == {"model", *names} and all(by_model.values())
    assert by_model["model"] == shown["counts"]["rows"]
    if "lookahead_model" in names:
        assert spent["lookahead"] == (1 if steps["lookahead"] == -1 else steps["lookahead"])
    assert [shown["report"]["settings"][n] for n in names] == [True] * len(names)
    assert shown["report"]["trace"][-1]["nfe"] == spent["nfe"]


@pytest.mark.parametrize("link", [["count", 0], ["second", 0]])
@pytest.mark.parametrize(
    ("name", "plain", "twin"),
    [
        ("lookahead_model", {"lookahead": 2, "budget": 9}, {"lookahead": 3, "budget": 12}),
        ("finish_model", {"finish_steps": 2, "budget": 9}, {"finish_steps": 3, "budget": 10}),
    ],
)
def test_its_own_model_again_gives_the_same_image(host, name, plain, twin, link):
    """It evaluates a particle's own time once more, so the budget of as many particles is more."""
    steps = {"init_particles": 1, "steps": 3, "finish_steps": 0}
    one, _ = run(host, two_models(f"plain {name} {link}", "base", **steps | plain))
    graph = two_models(f"twin {name} {link}", "base", **steps | twin)
    two, _ = run(host, connected(graph, **{name: link}))
    assert two["latent"] == one["latent"]
    rewards = [[row["reward"] for row in shown["report"]["trace"]] for shown in (one, two)]
    assert rewards[0] == rewards[1]


def test_the_winner_comes_again(host):
    graph = particles(two_models("second again", seed=51), "svdd", budget=50, lookahead=-1)
    graph = connected(graph, lookahead_model=True, finish_model=True)
    first, _ = run(host, graph)
    report = json.dumps(first["report"])
    again, rows = run(host, with_input(graph, "search", "replay", report))
    assert again["latent"] == first["latent"] and rows > 0
    graph = with_input(graph, "search", "replay", report)
    for name in ("lookahead_model", "finish_model"):
        lacking = with_input(graph, "search", name, None)
        del lacking["search"]["inputs"][name]
        with pytest.raises(ComfyError, match=f"report's own {name}: got False, expected True"):
            host.run(lacking)


def test_an_older_report_is_replayed_without_a_second_model(host):
    graph = two_models("second older", seed=52)
    report = run(host, graph)[0]["report"]
    for name in ("lookahead_model", "finish_model"):
        del report["settings"][name]
    graph = with_input(graph, "search", "replay", json.dumps(report))
    assert run(host, graph)[0]["latent"]
    with pytest.raises(ComfyError, match="report's own finish_model: got True, expected False"):
        host.run(connected(graph, finish_model=True))


@pytest.mark.parametrize(
    ("name", "steps"), [("lookahead_model", "lookahead"), ("finish_model", "finish_steps")]
)
def test_a_second_model_that_would_do_nothing_is_refused(host, name, steps):
    graph = connected(two_models(f"idle {name}", **{steps: 0}), **{name: True})
    with pytest.raises(ComfyError, match=f"{name} would not be used: got {steps} 0, expected"):
        host.run(graph)


@pytest.mark.parametrize("name", ["lookahead_model", "finish_model"])
def test_other_latents_are_refused(host, name):
    runs = Runs("SD3.5")
    host.run({"file": node("ProbeTinyCheckpoint", key="SD3.5")})
    graph = two_models(f"other latents {name}", lookahead=1) | {
        f"sd3 {key}": part for key, part in runs.graph.items() if key == runs.model[0]
    }
    with pytest.raises(ComfyError) as caught:
        host.run(connected(graph, **{name: [f"sd3 {runs.model[0]}", 0]}))
    assert (
        f"{name} has other latents than the guider's model: got SD3 with 16 channels, expected "
        "Flux with 16 channels." in str(caught.value)
    )


def small(host, second, name="lookahead_model"):
    """A search on a small FLUX with a second model, which `second` adds to the runs."""
    runs = Runs(IMAGE)
    link = second(runs)
    runs.run("one", budget=20, lookahead=1, finish_steps=1, **{name: link})
    return runs.show(host)["one"]


@pytest.mark.parametrize("name", ["lookahead_model", "finish_model"])
def test_another_conditioning_is_refused(host, name):
    """Chroma has the latents of FLUX, but takes another text."""
    with pytest.raises(ComfyError) as caught:
        small(host, lambda runs: runs.node("ProbeTinyModel", key="Chroma", loaded=False), name)
    assert (
        f"{name} takes another conditioning than the guider's model: got chroma with text of "
        f"width {TEXT}, expected flux with text of width {TEXT}." in str(caught.value)
    )


def test_a_model_that_starts_from_no_noise_is_refused(host):
    with pytest.raises(ComfyError) as caught:
        small(
            host,
            lambda runs: runs.node(
                "ModelSamplingDiscrete", model=runs.model, sampling="img_to_img", zsnr=False
            ),
        )
    assert (
        "lookahead_model cannot be used. This model cannot be searched: got "
        "ModelSamplingDiscrete and IMG_TO_IMG, expected" in str(caught.value)
    )


@pytest.mark.parametrize("name", ["lookahead_model", "finish_model"])
def test_another_sampler_has_no_use_for_it(host, name):
    graph = connected(particles(two_models(f"whole {name}"), "regional"), **{name: True})
    graph["sampler"] = node("KSamplerSelect", sampler_name="euler")
    with pytest.raises(ComfyError) as caught:
        host.run(graph)
    assert (
        f"{name} would not be used: got the sampler euler, expected the VP-SDE Flow Sampler node."
        in str(caught.value)
    )


def test_a_method_that_chooses_late_says_so(host):
    graph = particles(two_models("late", steps=10), "best_of_n", budget=20, lookahead=-1)
    shown, rows = run(host, connected(graph, lookahead_model=True))
    report = shown["report"]
    assert rows == 0 == report["spent"]["nfe_by_model"]["lookahead_model"]
    assert any(line.startswith("lookahead_model was not used") for line in report["warnings"])


def test_auto_branches_where_a_look_is_cheap(host):
    """On a many-step model, which gets the regional search over paths without it."""
    graph = particles(two_models("auto second", steps=10), "auto", budget=60, lookahead=-1)
    for side in ("width", "height"):
        graph = with_input(graph, "latent", side, 2 * SIZE)
    shown, rows = run(host, connected(graph, lookahead_model=True))
    report = shown["report"]
    chosen = report["chosen"]
    assert (chosen["method"], chosen["lookahead"]) == ("rbf", 1)
    assert chosen["why"].startswith("The first prediction of lookahead_model is sharp")
    assert report["spent"]["nfe_by_model"]["lookahead_model"] == rows > 20
    alone, _ = run(host, with_input(graph, "count", "name", "auto alone"))
    assert alone["report"]["chosen"]["method"] == "regional_paths"


def test_a_hook_fits_one_model_only(host):
    runs = Runs(IMAGE)
    hook(runs)
    host.run({"files": node("ProbeTinyExtras"), "file": node("ProbeTinyCheckpoint", key=IMAGE)})
    runs.run("one", budget=20, lookahead=1, lookahead_model=runs.model)
    with pytest.raises(ComfyError, match="fits one model only: got a hook, expected none"):
        runs.show(host)


@pytest.mark.parametrize(("wire", "rows"), [(control, 1), (dual_cfg, 3)])
def test_guiders_and_conditions_are_those_of_the_search(host, wire, rows):
    """The same model again: it is evaluated with the ControlNet, or by the same guider."""
    host.run({"files": node("ProbeTinyExtras")})
    runs = Runs(IMAGE)
    wire(runs)
    plain = runs.run("plain", lookahead=1, budget=2 * 3 * rows)
    twin = runs.run("twin", lookahead=2, budget=3 * 3 * rows, lookahead_model=runs.model)
    runs.compare("same", plain, twin)
    shown = runs.show(host)
    assert shown["same"]["differ"] == 0.0
    by_model = shown["twin"]["report"]["spent"]["nfe_by_model"]
    assert by_model == {"model": 3 * rows, "lookahead_model": 2 * 3 * rows}
