"""CONTRIBUTING.md's skeletons, as files of the pack that are in their registries."""

import importlib.util
import sys

import pytest
import torch
from pack.rewards import REWARDS
from pack.samplers.interpolants.linear import Linear
from pack.samplers.kernels import KERNELS, all_settings
from pack.samplers.search import SEARCHES

from .rewards import test_rewards as rewards
from .samplers import test_guidance as guidance
from .samplers import test_kernels as kernels
from .samplers import test_paths as paths
from .samplers import test_search_properties as searches
from .skeletons import skeletons

SECTIONS = skeletons()


@pytest.fixture
def skeleton(tmp_path, monkeypatch):
    """The class of a section, its file standing where the section says."""

    def made(title, folder):
        file, name = tmp_path / "mine.py", f"pack.{folder}.mine"
        file.write_text(SECTIONS[title], "utf-8")
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module.Mine

    return made


def test_the_interpolant(skeleton):
    path = skeleton("An interpolant", "samplers.interpolants")()
    paths.test_snr_is_inverted_and_monotone(path)
    paths.test_derivatives(path)
    paths.test_ends(path)
    paths.test_x0_is_the_same_number_from_every_velocity(path)
    paths.test_change_time_keeps_the_snr(path)
    paths.test_the_ode_is_one_map_on_every_path(path)
    for spacing in paths.SPACINGS:
        paths.test_schedule_falls_to_zero(path, spacing)


def test_the_kernel(skeleton, monkeypatch):
    monkeypatch.setitem(KERNELS, "mine", skeleton("A kernel", "samplers.kernels"))
    kernels.test_settings_are_declared("mine")
    kernels.test_an_entry_says_how_its_steps_are("mine")
    for path in kernels.PATHS:
        kernels.test_the_law_is_kept_as_steps_grow(path, "mine", 1.0)
        kernels.test_pure_noise_is_a_valid_start(path, "mine")
        kernels.test_the_last_step_is_x0(path, "mine")
    kernels.test_error_falls_with_the_step_size("mine")
    assert list(all_settings())[-1] == "largest_share"  # an input that comes last
    x = torch.full((1, 1), 0.8)  # whose noise is 1 where x0 is 0
    kernel = KERNELS["mine"](Linear(), "constant", 9.0, largest_share=0.5).build()
    step = kernel(x, 0.0 * x, 0.8, 0.4)
    assert step.std == pytest.approx(0.2) and float(step.mean) == pytest.approx(0.12**0.5)


def test_the_search(skeleton, monkeypatch):
    monkeypatch.setitem(SEARCHES, "mine", skeleton("A search", "samplers.search"))
    searches.test_the_books_balance(name="mine")
    searches.test_the_minimum_reaches_the_last_step_and_one_less_is_refused(name="mine")
    steering = guidance.Steering(guidance.DPS(0.2), guidance.torch_gradients())
    small = searches.Setup(SEARCHES["mine"](), 4, fixed={"steering": steering})
    events, outcome, task = small.run()
    assert [event.kind for event in events] == ["born"] + 3 * ["propose"]
    assert task.purse.nfe == small.minimum == 28 and len(outcome.top) == 1


def test_the_reward(skeleton, monkeypatch):
    monkeypatch.setitem(REWARDS, "mine", skeleton("A reward", "rewards.pixels"))
    images = torch.rand(5, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    rewards.test_settings_are_declared("mine")
    rewards.test_scores_do_not_depend_on_the_batch("mine", images)
    rewards.test_nan_stays_with_its_image("mine", images)
    rewards.test_wrong_shapes("mine", (2, 8, 8, 3), [rewards.PROMPT], "1 prompts for 2 images")
    images.requires_grad_()
    REWARDS["mine"]().load().score(images, [rewards.PROMPT] * 5).sum().backward()
    assert REWARDS["mine"].gradient and images.grad.abs().max() > 0
