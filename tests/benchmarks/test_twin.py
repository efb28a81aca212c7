"""The diffusion model of docs/results.md: where it begins, what a row is, and what is claimed."""

from dataclasses import replace

import pytest
import torch
from pack.benchmarks import multiplier_runs, prompt_sets, twin_page
from pack.benchmarks.multiplier_plan import methods
from pack.benchmarks.multiplier_tables import Measured
from pack.benchmarks.twin_world import TwinSetting, TwinWorld
from pack.benchmarks.world import ROOT
from pack.demo.diffusion import NOISIEST, PREDICTIONS, first_latent

from .test_multiplier import cell_of

PROMPT = "three red circles and two blue squares"


@pytest.fixture(scope="module")
def world():
    """The network of a flow model: its images are noise, but it is called as the twin's is."""
    before, threads = torch.is_grad_enabled(), torch.get_num_threads()
    yield TwinWorld(ROOT / "demo" / "flux_fast.safetensors")
    torch.set_grad_enabled(before)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("model", PREDICTIONS)
def test_its_rows_are_those_of_the_flow_model_from_its_largest_sigma(model):
    ours, theirs = methods(model, 100), methods("base", 100)
    assert set(theirs) < set(ours)
    for name, setting in ours.items():
        lead, times = setting.times()
        assert isinstance(setting, TwinSetting) and not lead
        assert times[0] == pytest.approx(NOISIEST) and len(times) == setting.steps
        assert name not in theirs or vars(setting) == vars(theirs[name])


def test_samples_and_searches_begin_there(world):
    times = []

    def ask(x, t):
        times.append(t)
        return 0.0 * x

    noise = torch.randn(2, 16, 16, 16)
    prompt_sets.plain(ask, noise, 2, world.noisiest)
    assert times == pytest.approx([NOISIEST, NOISIEST / 2])
    assert torch.equal(world.begin(noise, NOISIEST), first_latent(noise))
    with pytest.raises(ValueError, match="The first time is too low: got 0.5000, expected 0.9360."):
        world.begin(noise, 0.5)
    row = multiplier_runs.run_search(world, PROMPT, methods("eps", 10)["regional"], 5)
    assert dict(zip(multiplier_runs.COLUMNS[2:], row, strict=True))["nfe"] == 10


def measured(weights, numbers, **others):
    """RBF, and other methods, as best of so many samples."""
    rows = {"RBF, kernel": numbers, **others}
    cells = [replace(cell_of(100, n), method=name) for name, n in rows.items()]
    return Measured(weights, "hard", [""] * 60, 70, {}, cells[0].draws, cells)


def test_the_claim_follows_from_the_rows():
    flow, same, better = measured("base", 50), measured("eps", 50), measured("v", 400)
    (heading, _, numbers, *_) = twin_page.section([flow, same])
    assert heading == ("## Flow or diffusion: no clear difference in what RBF gains over best of N")
    assert "| `base` |" in numbers and "| `eps` |" in numbers
    heading = twin_page.section([flow, same, better])[0]
    assert heading.endswith("RBF gains more on `v` than on `base`")
    heading = twin_page.section([measured("base", 400), same, better])[0]
    assert heading.endswith("RBF gains less on `eps` than on `base`")
    assert twin_page.section([flow]) == [] == twin_page.section([same, better])


def test_settings_are_compared_on_the_same_prompts():
    rows = twin_page.pairs(measured("eps", 400, **{"RBF, ancestral": 10, "RBF": 400}))
    looks, kernels = ([line for line in rows.splitlines() if name in line] for name in
                      ("none", "ancestral"))  # fmt: skip
    assert not looks and kernels[0].endswith("| 60 | clear |")
