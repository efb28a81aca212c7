"""Regional paths: noise up in a rectangle, the rest on its own path, and down again."""

import math

import pytest
import torch
from pack.samplers.lineage import entries
from pack.samplers.replay import Replay
from pack.samplers.rules import Finish
from pack.samplers.search.regional_paths import RegionalPaths
from pack.samplers.search.rounds import minimum

from .setups import Setup, assert_same_run
from .test_regional import CLIP, PICTURE, Blamer, of_shape
from .world import Kept, denoise


def pairs(task):
    """(renoised origin, that of its parent's last ancestor at the same step) of a run."""
    origins = task.book.origins
    for origin in origins.values():
        if origin.kind == "renoise":
            way = {o.step: o.id for o in task.book.lineage(origin.parent) if o.kind != "start"}
            yield origin, way[origin.step]


@pytest.mark.parametrize("shape", [PICTURE, CLIP, (3, 16, 16), (7,)])
def test_outside_its_box_a_copy_keeps_to_its_own_path(shape, monkeypatch):
    latents, walk = {}, Kept.walk

    def spy(self, *args, **settings):
        for particles in walk(self, *args, **settings):
            latents.update(zip(particles.ids.tolist(), particles.x, strict=True))
            yield particles

    monkeypatch.setattr(Kept, "walk", spy)
    setup = Setup(RegionalPaths(starts=2, at_once=2, forward=2), 5, 90, fixed=of_shape(shape))
    _, _, task = setup.run()
    checked = 0
    for origin, ancestor in pairs(task):
        assert origin.step == 2 and origin.box
        inside = torch.zeros(shape, dtype=torch.bool)
        inside[(..., *(slice(*origin.box[i : i + 2]) for i in range(0, len(origin.box), 2)))] = True
        copy, own = latents[origin.id], latents[ancestor]
        assert torch.equal(copy[~inside], own[~inside])
        end = latents[origin.parent]
        whole = task.flow.renoise(end[None], task.times[4], task.times[2], [origin.id])[0]
        assert torch.equal(copy[inside], whole[inside]) and (copy[inside] != own[inside]).any()
        checked += 1
    assert checked > 10


def test_of_parts_without_bonds_the_law_stays():
    """On independent cells, with a constant reward, the last path is a fresh sample."""
    constant = {"objective": lambda x0: torch.zeros(len(x0)), "shape": (300,)}
    last = []
    for seed in range(4):
        setup = Setup(RegionalPaths(starts=1, forward=4), 8, 5 * 6, seed=seed, fixed=constant)
        events, _, task = setup.run()
        moves = [event.particles for event in events if event.kind == "accept"]
        assert len(moves) > 5
        last.append(moves[-1].x[0])
    found, times = torch.cat(last).double(), setup.task().times
    x = times[0] * torch.randn(20_000, generator=torch.Generator().manual_seed(1)).double()
    for t, s in zip(times, times[1:], strict=False):
        x0 = denoise(x, t)
        x = x0 * (1 - s) + s * (x - (1 - t) * x0) / t
    for power in (1, 2):
        error = math.sqrt((found**power).var() / len(found) + (x**power).var() / len(x))
        assert abs(float((found**power).mean() - (x**power).mean())) < 5 * error


@pytest.mark.parametrize("shape", [PICTURE, CLIP])
@pytest.mark.parametrize("forward", [2, 9])
def test_a_winner_of_many_moves_comes_again(shape, forward):
    own = of_shape(shape, objective=Blamer())
    search = RegionalPaths(at_once=2, forward=forward)
    setup = Setup(search, 4, 120, finish=Finish(2), fixed=own, micro_batch=3)
    _, outcome, task = setup.run()
    best = outcome.top[0]
    lineage = entries(task.book.lineage(int(best.ids)))
    assert sum("box" in origin for origin in lineage) >= 2
    replay = Replay.of(lineage, int(best.paths))
    again = Setup(**vars(setup) | {"search": replay, "finish": Finish(replay.nodes), "extra": 0})
    _, other, repeated = again.run()
    for name in ("x", "x0", "clean", "reward", "ids"):
        assert torch.equal(getattr(best, name), getattr(other.top[0], name)), name
    assert repeated.purse.nfe == minimum(replay, 4, again.prices) + replay.nodes
    assert entries(repeated.book.lineage(int(other.top[0].ids))) == lineage


def test_of_one_step_there_are_only_starts():
    _, _, task = Setup(RegionalPaths(), 1, 20, fixed=of_shape(PICTURE)).run()
    assert {origin.kind for origin in task.book.origins.values()} == {"born"}
    assert task.purse.nfe == 21


def test_noise_stays_inside_what_can_change():
    changing = torch.zeros(PICTURE[1:], dtype=torch.bool)
    changing[2:, :4] = True
    own = of_shape(PICTURE, changing=changing)
    _, _, task = Setup(RegionalPaths(forward=1), 3, 90, fixed=own).run()
    boxes = [origin.box for origin in task.book.origins.values() if origin.kind == "renoise"]
    assert len(boxes) > 20
    assert all(y0 >= 2 and x1 <= 4 for y0, _, _, x1 in boxes)


def test_the_result_does_not_depend_on_the_batch():
    one = Setup(RegionalPaths(at_once=3, forward=2), 4, 90, fixed=of_shape(PICTURE))
    assert_same_run(one.run(), Setup(**vars(one) | {"micro_batch": 1}).run())
