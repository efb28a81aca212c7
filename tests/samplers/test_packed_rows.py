"""Rows that hold a video and its sound: the video is searched, and the sound comes along."""

import pytest
import torch
from pack.samplers.automatic import settle
from pack.samplers.lookahead import AUTOMATIC
from pack.samplers.noise import AddressedNoise
from pack.samplers.regions import part_of, patched
from pack.samplers.rules import Finish
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.regional import Regional
from pack.samplers.search.regional_paths import RegionalPaths
from pack.samplers.search.svdd import SVDD

from .setups import EACH, Setup, arithmetic
from .world import denoise

VIDEO, SOUND = (2, 3, 4, 5), (3, 7)
NUMBERS, REST = 120, 21
SEARCHES = EACH | {
    "rbf, region": RolloverBudgetForcing(init_particles=3, children="region"),
    "svdd, redraw": SVDD(children="redraw"),
}
del SEARCHES["auto"]  # it is one of these


def packed(video, sound):
    return torch.cat([video.flatten(1), sound.flatten(1)], 1)[:, None]


def setup_of(search, packs):
    """A search of videos alone, or of the same videos with sound."""
    video, sound = AddressedNoise(3, VIDEO), AddressedNoise(4, SOUND)

    def noise(ids):
        return packed(video(ids), sound(ids)) if packs else video(ids)

    def reward(x0):
        return part_of(x0, VIDEO if packs else ()).flatten(1).mean(1)

    settings = {"noise": noise, "start": lambda ids: 0.95 * noise(ids), "uniform": video.uniform}
    settings |= {"objective": reward, "denoiser": arithmetic, "part": VIDEO if packs else ()}
    return Setup(search, steps=4, extra=25, fixed=settings)


@pytest.mark.parametrize("name", SEARCHES)
def test_the_video_is_searched_as_if_it_were_alone(name):
    alone, both = (setup_of(SEARCHES[name], packs).run() for packs in (False, True))
    assert len(alone[0]) == len(both[0]) > 1
    for a, b in zip(alone[0], both[0], strict=True):
        assert (a.kind, a.spent) == (b.kind, b.spent)
        assert torch.equal(a.particles.ids, b.particles.ids)
        assert torch.equal(a.particles.reward, b.particles.reward)
        assert b.particles.x.shape[1:] == (1, NUMBERS + REST)
        for column in ("x", "x0", "clean"):
            video = part_of(getattr(b.particles, column), VIDEO)
            assert torch.equal(getattr(a.particles, column), video)
    assert alone[2].book.origins == both[2].book.origins


@pytest.mark.parametrize("search", [Regional(starts=1), RegionalPaths(starts=1)])
def test_a_region_keeps_the_sound(search):
    """The proposals have the sound of the particle that they are neighbours of."""
    _, _, task = run = setup_of(search, True).run()
    assert any(origin.box for origin in task.book.origins.values())
    ends = {int(i): x for e in run[0] for i, x in zip(e.particles.ids, e.particles.x, strict=True)}
    sounds = {tuple(x.flatten()[NUMBERS:].tolist()) for x in ends.values()}
    assert len(sounds) == 1 < len({tuple(x.flatten().tolist()) for x in ends.values()})


def test_a_box_is_one_of_the_first_part():
    old, new = torch.zeros(1, 1, NUMBERS + REST), torch.ones(2, 1, NUMBERS + REST)
    some, every = patched(old, new, [(0, 1, 1, 3, 0, 5), ()], VIDEO)
    video = part_of(some[None], VIDEO)[0]
    assert video[:, 0, 1:3].eq(1).all() and int(some.sum()) == 2 * 1 * 2 * 5
    assert every.eq(1).all()
    with pytest.raises(ValueError, match="wrong axes: got 2, expected 3"):
        patched(old, new, [(0, 1, 0, 1), ()], VIDEO)


def test_the_first_prediction_is_looked_at_without_its_sound():
    """A sound that stays blurred does not make a sharp video a blurred one."""

    def sharp_video(x, t):
        return torch.where(torch.arange(x.shape[-1]) < NUMBERS, torch.sign(x), denoise(x, t))

    setup = setup_of(SVDD(), True)
    task = setup.task(denoiser=sharp_video, lookahead=AUTOMATIC, budget=200)
    assert settle(setup.search, task, Finish()).task.lookahead == 0
    task = setup.task(denoiser=denoise, lookahead=AUTOMATIC, budget=200)
    assert settle(setup.search, task, Finish()).task.lookahead > 0
