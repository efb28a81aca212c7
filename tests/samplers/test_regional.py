"""Regional search: the law of its proposals, its equalities, its regions, its way again."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.lineage import Origin, entries
from pack.samplers.noise import AddressedNoise
from pack.samplers.regions import Regions, axes, patched
from pack.samplers.replay import Replay
from pack.samplers.rules import Finish
from pack.samplers.search.best_of_n import WAVE, BestOfN
from pack.samplers.search.regional import Regional
from pack.samplers.search.rounds import minimum
from pack.samplers.search.zero_order import ZeroOrder
from pack.samplers.types import Particles

from .setups import SCORED, Setup, arithmetic, assert_same_run, pinned, setups
from .world import MODES, denoise

IEEE = {"denoiser": arithmetic}
PICTURE, CLIP = (2, 6, 8), (2, 5, 6, 8)


def of_shape(shape, **settings):
    """Settings of world.new_task for latents of another shape."""
    noise = AddressedNoise(5, shape)
    own = {"noise": noise, "uniform": noise.uniform, "start": lambda ids: 0.95 * noise(ids)}
    mean = {"objective": lambda x0: x0.flatten(1).mean(1)}
    return IEEE | own | mean | settings


class Blamer:
    """An objective that blames what is far from 1."""

    def __init__(self, sees=None):
        self.sees = sees or (lambda x0: (x0.mean(1) - 1).abs().clamp(0, 1))

    def __call__(self, x0):
        return -(x0 - 1).flatten(1).abs().mean(1)

    def blame(self, x0):
        return self.sees(x0)


def everything_new(setup, starts, at_once):
    """The setup with regions of everything, and with zero-order of radius 1."""
    regional = Regional(starts=starts, smallest=1.0, largest=1.0, at_once=at_once)
    zero_order = ZeroOrder(at_once, radius=1.0, starts=starts)
    return [Setup(**vars(setup) | {"search": search}) for search in (regional, zero_order)]


@pinned(15)
@given(st.data(), st.integers(0, 200))
def test_regions_of_everything_are_best_of_n(data, extra):
    """And zero-order of radius 1: the same noises from the same ids, wave by wave."""
    fixed = dict(extra=extra, kernel="ode", fixed=IEEE)
    one = data.draw(setups("best_of_n", search=BestOfN(), **fixed))
    starts = data.draw(st.sampled_from([WAVE, 2 * WAVE, 1000]))
    other, third = everything_new(one, starts, WAVE)
    assert one.minimum == other.minimum
    first, second = one.run(), other.run()
    if one.steps > 1:
        assert_same_run(first, second)
    for a, b, c in zip(first[0], second[0], third.run()[0], strict=True):
        assert (a.kind, a.spent) == (b.kind, b.spent) == (c.kind, c.spent)
        assert torch.equal(a.particles.x, b.particles.x)
        assert torch.equal(b.particles.x, c.particles.x)
        assert a.particles.ids.tolist() == b.particles.ids.tolist() == c.particles.ids.tolist()


@pinned(15)
@given(st.data(), st.integers(0, 200), st.integers(0, 20), st.integers(1, 9), st.booleans())
def test_they_are_in_waves_of_any_size(data, extra, starts, at_once, ties):
    """Of several steps the ids, and so the noises, depend on the waves: best of N has others."""
    reward = {"objective": lambda x0: x0.mean(1).round(decimals=0 if ties else 6).float()}
    one = data.draw(setups("best_of_n", search=BestOfN(), extra=extra, kernel="ode",
                           fixed=IEEE | reward))  # fmt: skip
    runs = [setup.run() for setup in (*everything_new(one, starts, at_once), one)]
    waves = [[e.particles for e in events if e.kind in SCORED] for events, *_ in runs]
    assert [len(wave) for wave in waves[0]] == [len(wave) for wave in waves[1]]
    compared = 3 if one.steps == 1 else 2
    found = [[Particles.cat(wave), *run[1].top] for wave, run in zip(waves, runs, strict=True)]
    for first, *others in zip(*found[:compared], strict=True):
        for other in others:
            assert torch.equal(first.ids, other.ids) and torch.equal(first.x, other.x)
            assert torch.equal(first.reward, other.reward)


def test_with_a_constant_reward_the_last_of_a_search_is_a_fresh_sample():
    """Where the ODE carries its noise, each cell has the law of the plain sampler."""
    constant = {"objective": lambda x0: torch.zeros(len(x0)), "shape": (300,)}
    last = []
    for seed in range(4):
        setup = Setup(Regional(starts=2), 8, 8 * 7, seed=seed, fixed=constant)
        events, _, task = setup.run()
        moves = [event.particles for event in events if event.kind == "accept"]
        assert int(moves[-1].ids) == max(int(e.particles.ids.max()) for e in events)  # to equals
        last.append(moves[-1].x0[0])
    found = torch.cat(last).double()
    noise = AddressedNoise(77, (len(found), 1))([0])[0].double()
    x = 0.95 * noise
    times = setup.task().times
    for t, s in zip(times, times[1:], strict=False):
        x0 = denoise(x, t)
        x = x0 * (1 - s) + s * (x - (1 - t) * x0) / t
    plain = denoise(x, times[-1]).flatten()
    for power in (1, 2, 3):
        error = math.sqrt(((found**power).var() + (plain**power).var()) / len(found))
        assert abs(float((found**power).mean() - (plain**power).mean())) < 5 * error
    share = float((found < 0.5).double().mean())  # of the mode at -1; early steps are coarse
    assert abs(share - MODES[0][1]) < 5 * math.sqrt(0.21 / len(found)) + 0.03


@pytest.mark.parametrize("shape", [PICTURE, CLIP, (3, 16, 16), (7,)])
def test_a_proposal_differs_from_the_best_in_its_box_alone(shape):
    """Pictures, clips, pixel space (three channels) and latents with a single axis."""
    setup = Setup(Regional(starts=3, at_once=2), 2, 2 * 30, fixed=of_shape(shape))
    starts = {}
    task = setup.task()
    fresh = task.flow.start
    task.change(start=lambda ids: starts.update(zip(ids, fresh(ids), strict=True)) or fresh(ids))
    events, _, _ = setup.run(task)
    origins, noise, checked = task.book.origins, {}, 0
    for i, origin in sorted(origins.items()):
        if origin.kind != "born":
            continue
        if origin.parent < 0:
            noise[i] = starts[i]
            continue
        (first,) = (o.id for o in task.book.lineage(origin.parent)[-setup.steps :][:1])
        noise[i] = patched(noise[first][None], starts[i][None], [origin.box])[0]
        assert len(origin.box) == 2 * len(axes(shape))
        same = (noise[i] == noise[first]).float().mean()
        assert 0.0 < same < 1.0
        checked += 1
    born = [event.particles for event in events if event.kind in SCORED]
    assert checked > 10 and sum(map(len, born)) == len(noise)
    for particles in born:  # what was walked began there
        for row in range(len(particles)):
            (first,) = (o.id for o in task.book.lineage(int(particles.ids[row]))[-2:-1])
            x = task.flow.ode(noise[first], arithmetic(noise[first], 0.95), 0.95, 0.475).mean
            torch.testing.assert_close(particles.x[row], x)


@pytest.mark.parametrize("shape", [PICTURE, CLIP])
@pytest.mark.parametrize("objective", [None, Blamer()])
def test_a_winner_of_many_moves_comes_again(shape, objective):
    own = of_shape(shape) if objective is None else of_shape(shape, objective=objective)
    setup = Setup(Regional(at_once=2), 3, 3 * 50, finish=Finish(2), fixed=own, micro_batch=3)
    _, outcome, task = setup.run()
    best = outcome.top[0]
    lineage = entries(task.book.lineage(int(best.ids)))
    boxes = [origin["box"] for origin in lineage if "box" in origin]
    assert len(boxes) >= 3 and all(isinstance(box, list) for box in boxes)
    replay = Replay.of(lineage, int(best.paths))
    again = Setup(**vars(setup) | {"search": replay, "finish": Finish(replay.nodes), "extra": 0})
    _, other, repeated = again.run()
    for name in ("x", "x0", "clean", "reward", "ids"):
        assert torch.equal(getattr(best, name), getattr(other.top[0], name)), name
    assert repeated.purse.nfe == minimum(replay, 3, again.prices) + replay.nodes < setup.total / 4
    told = entries(repeated.book.lineage(int(other.top[0].ids)))
    assert [o | {"parent": 0} for o in told] == [o | {"parent": 0} for o in lineage]
    assert repeated.book.root(int(best.ids)) == task.book.root(int(best.ids)) < 20


def test_the_best_climbs_and_equals_are_moved_to():
    coarse = Blamer()
    stairs = {"objective": lambda x0: (20 * coarse(x0)).floor()}
    setup = Setup(Regional(), 2, 2 * 60, fixed=of_shape(PICTURE, **stairs))
    events, _, _ = setup.run()
    moves = [float(event.particles.reward) for event in events if event.kind == "accept"]
    assert moves == sorted(moves) and len(moves) > 8 > len(set(moves)) > 1
    starts = [e for e in events if e.kind == "propose" and int(e.particles.parents[0]) >= 0]
    assert len([e for e in events if e.kind == "propose"][0].particles) == WAVE < len(starts)


def test_patience_begins_again_from_new_noises():
    falling = iter(range(10_000))

    def objective(x0):
        return torch.tensor([-float(next(falling)) for _ in x0])

    setup = Setup(Regional(starts=2, patience=3), 2, 2 * 19, fixed=of_shape(PICTURE))
    _, _, task = setup.run(objective=objective)
    born = [o for o in task.book.origins.values() if o.kind == "born"]
    fresh = [o.parent < 0 for o in born]
    assert fresh == ([True] * 2 + [False] * 3) * 4


def masked(*where):
    changing = torch.zeros(PICTURE[1:], dtype=torch.bool)
    changing[where] = True
    return changing


def test_regions_stay_where_the_noise_reaches():
    changing = masked(slice(1, 5), slice(4, 8))
    setup = Setup(Regional(), 1, 99, fixed=of_shape(PICTURE, changing=changing))
    _, _, task = setup.run()
    boxes = [origin.box for origin in task.book.origins.values() if origin.box]
    assert len(boxes) > 50 and len(set(boxes)) > 20
    for y0, y1, x0, x1 in boxes:
        assert 1 <= y0 < y1 <= 5 and 4 <= x0 < x1 <= 8
        assert 1 <= y1 - y0 <= 3 and 1 <= x1 - x0 <= 3


def drawn(law, n=4000, blame=None, seed=0):
    u = torch.rand(n, law.uniforms, generator=torch.Generator().manual_seed(seed)).double()
    boxes = [law.draw(row, blame) for row in u]
    hits = torch.zeros(law.changing.shape)
    for y0, y1, x0, x1 in boxes:
        hits[y0:y1, x0:x1] += 1 / n
    return boxes, hits


def test_every_cell_that_can_change_is_drawn():
    law = Regions(0.25, 0.75, torch.ones(16, 16, dtype=torch.bool))
    boxes, hits = drawn(law)
    sides = torch.tensor([[b[1] - b[0], b[3] - b[2]] for b in boxes])
    assert sides.amin() == 4 and sides.amax() == 12
    assert abs(float(sides.float().mean()) - 8) < 0.2
    assert 0.04 < hits.min() and hits.max() < 0.6


def test_regions_are_drawn_where_the_blame_is():
    law = Regions(0.25, 0.25, torch.ones(16, 16, dtype=torch.bool))
    blame = torch.zeros(16, 16)
    blame[3, 12] = blame[14, 1] = 0.5
    boxes, hits = drawn(law, 400, blame)
    assert set(boxes) == {(1, 5, 10, 14), (12, 16, 0, 4)}
    assert abs(float(hits[3, 12]) - 0.5) < 0.12
    law = Regions(0.25, 0.25, masked(slice(0, 3)).clone())  # blamed where nothing can change
    boxes, _ = drawn(law, 200, masked(5).double())
    assert len(set(boxes)) > 5 and all(box[1] <= 3 for box in boxes)


@pytest.mark.parametrize("u", [0.0, math.nextafter(1.0, 0.0)])
def test_the_ends_of_the_uniforms_are_inside(u):
    law = Regions(0.3, 0.6, masked(slice(2, 5), slice(1, 7)))
    y0, y1, x0, x1 = law.draw(torch.full((3,), u, dtype=torch.float64))
    assert 2 <= y0 < y1 <= 5 and 1 <= x0 < x1 <= 7
    assert Regions(1.0, 1.0, law.changing).draw(torch.zeros(3).double()) == ()


def test_blame_is_asked_once_a_move_and_not_where_it_is_off():
    asked = []
    objective = Blamer(lambda x0: asked.append(len(x0)) or torch.ones(len(x0), 6, 8))
    setup = Setup(Regional(starts=4), 1, 40, fixed=of_shape(PICTURE, objective=objective))
    events, _, task = setup.run()
    moves = [i for i, event in enumerate(events) if event.kind == "accept"]
    assert set(asked) == {1} and 1 <= len(asked) <= len(moves) < 41
    asked.clear()
    Setup(**vars(setup) | {"search": Regional(starts=4, follow_blame=False)}).run()
    assert not asked


def test_an_objective_that_does_not_know_leaves_regions_to_chance():
    knows_not = of_shape(PICTURE, objective=Blamer(lambda x0: None))
    setup = Setup(Regional(), 2, 60, fixed=knows_not)
    assert_same_run(
        setup.run(), Setup(**vars(setup) | {"search": Regional(follow_blame=False)}).run()
    )


def test_the_result_does_not_depend_on_the_batch():
    one = Setup(Regional(at_once=3), 3, 90, fixed=of_shape(PICTURE))
    assert_same_run(one.run(), Setup(**vars(one) | {"micro_batch": 1}).run())


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([1], "low and high end"),
        ([3, 3], "low and high end"),
        ([0, 4, -1, 2], "low and high end"),
        ([0, 1.0], "low and high end"),
        ("0, 1", "low and high end"),
        ([0, 1] * 4, "low and high end"),
        ([0, 1 << 21], "low and high end"),
    ],
)
def test_a_box_that_is_none_is_refused(box, said):
    lineage = [{"id": 0, "kind": "start"}, {"id": 1, "kind": "born", "parent": 0, "box": box}]
    with pytest.raises(ValueError, match=r"lineage\[1\].box: .*" + said):
        Replay.of(lineage)


def test_a_box_belongs_to_what_comes_of_something():
    step = {"id": 1, "kind": "ode", "step": 1, "parent": 0, "box": [0, 1]}
    for lineage in (
        [{"id": 0, "kind": "born", "box": [0, 1]}],
        [{"id": 0, "kind": "born"}, step],
    ):
        with pytest.raises(ValueError, match="a box of kind"):
            Replay.of(lineage)


def test_a_box_of_other_axes_is_named():
    way = (Origin(0, "start"), Origin(1, "born", parent=0, box=(0, 1)))
    setup = Setup(Replay(way), 1, fixed=of_shape(PICTURE))
    with pytest.raises(ValueError, match="got 1, expected 2, as many as the latent has"):
        setup.run()
