"""Children that differ from their parent in one region, by the kernel or with all noise new."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from pack.samplers.lineage import entries
from pack.samplers.regions import Regions, patched
from pack.samplers.replay import Replay
from pack.samplers.rules import Finish
from pack.samplers.search.aim import LARGEST, SMALLEST
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.rounds import minimum
from pack.samplers.search.svdd import SVDD

from .setups import Setup, assert_same_run, same
from .test_regional import CLIP, PICTURE, Blamer, of_shape
from .world import Kept, denoise

METHODS = {
    "rbf": RolloverBudgetForcing(4, paths=2, speculation=2),
    "svdd": SVDD(paths=2),
}
HOW = ("region", "redraw")


def search(method, how):
    return replace(METHODS[method], children=how)


@pytest.mark.parametrize("shape", [PICTURE, CLIP, (3, 16, 16), (7,)])
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("method", METHODS)
def test_inside_its_box_noise_is_new_and_outside_is_the_ode(method, how, shape, monkeypatch):
    made, scored = {}, Kept._scored

    def spy(self, *args):
        particles = scored(self, *args)
        made.update((int(i), particles[k]) for k, i in enumerate(particles.ids))
        return particles

    monkeypatch.setattr(Kept, "_scored", spy)
    _, _, task = Setup(search(method, how), 4, 60, fixed=of_shape(shape)).run()
    flow, checked = task.flow, 0
    for i, child in made.items():
        origin = task.book.origins[i]
        if origin.kind in ("born", "finish"):
            assert not origin.box
            continue
        assert origin.kind == ("redraw" if how == "redraw" else "propose") and origin.box
        inside = torch.zeros(shape, dtype=torch.bool)
        inside[(..., *(slice(*origin.box[j : j + 2]) for j in range(0, len(origin.box), 2)))] = True
        parent = made[origin.parent]
        t, s = task.times[origin.step - 1], task.times[origin.step]
        kernel = flow.redraw if how == "redraw" else flow.kernel
        new = kernel(parent.x, parent.x0, t, s).draw(lambda i=i: flow.noise([i]))
        plain = flow.ode(parent.x, parent.x0, t, s).mean
        assert torch.equal(child.x, torch.where(inside, new, plain))
        checked += 1
    assert checked > 20


def test_redrawn_noise_is_of_the_next_time():
    task = Setup(SVDD(), 3).task()
    born = task.born(1)
    step = task.flow.redraw(born.x, born.x0, *task.times[:2])
    s = task.times[1]
    assert torch.equal(step.mean, (1 - s) * born.x0) and step.std == s


@pytest.mark.parametrize("kernel", ["euler_maruyama", "eta"])
def test_a_region_of_everything_is_the_kernel(kernel):
    one, other = (Setup(SVDD(), 3, 9, kernel=kernel).task() for _ in range(2))
    whole = one.propose(one.born(2))
    assert same(whole, other.propose(other.born(2), boxes=[(), ()]))


def test_a_kernel_that_calls_the_network_takes_no_boxes():
    task = Setup(SVDD(), 3, 9, kernel="glass").task()
    with pytest.raises(ValueError, match="The kernel calls the network: got boxes"):
        task.propose(task.born(1), boxes=[()])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("method", METHODS)
def test_children_cost_as_much_as_the_kernels(method, how):
    ours, kernel = (
        Setup(replace(METHODS[method], children=h), 4, 33, lookahead=1, fixed=of_shape(PICTURE))
        for h in (how, "kernel")
    )
    spent = [setup.run()[2].purse.nfe for setup in (ours, kernel)]
    assert ours.least == kernel.least and ours.least <= spent[0] <= ours.total
    assert method == "rbf" or spent[0] == spent[1]


@pytest.mark.parametrize("method", METHODS)
def test_regions_are_where_the_reward_sees_mistakes(method):
    """Near the one cell that is blamed. Without blame they are all over."""
    corner = torch.zeros(1, 16, 16)
    corner[0, 2, 12] = 1.0
    middles = []
    for objective in (Blamer(lambda x0: corner), lambda x0: -x0.flatten(1).norm(dim=1)):
        own = of_shape((3, 16, 16), objective=objective)
        _, _, task = Setup(search(method, "redraw"), 4, 200, fixed=own).run()
        boxes = [o.box for o in task.book.origins.values() if o.box]
        assert len(boxes) > 100
        spans = torch.tensor(boxes, dtype=torch.float64).view(-1, 2, 2)
        middles.append(spans.mean(2).std(0).mean())
    assert middles[0] < middles[1] / 2


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("method", METHODS)
def test_a_winner_comes_again(method, how):
    own = of_shape(PICTURE, objective=Blamer())
    setup = Setup(search(method, how), 4, 60, finish=Finish(2), fixed=own, micro_batch=3)
    _, outcome, task = setup.run()
    best = outcome.top[0]
    lineage = entries(task.book.lineage(int(best.ids)))
    replay = Replay.of(lineage, int(best.paths))
    again = Setup(**vars(setup) | {"search": replay, "finish": Finish(replay.nodes), "extra": 0})
    _, other, repeated = again.run()
    for name in ("x", "x0", "clean", "reward", "ids"):
        assert torch.equal(getattr(best, name), getattr(other.top[0], name)), name
    assert repeated.purse.nfe == minimum(replay, 4, again.prices) + replay.nodes
    assert entries(repeated.book.lineage(int(other.top[0].ids))) == lineage


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("method", METHODS)
def test_the_result_does_not_depend_on_the_batch(method, how):
    one = Setup(search(method, how), 4, 60, fixed=of_shape(PICTURE))
    assert_same_run(one.run(), Setup(**vars(one) | {"micro_batch": 1}).run())


def test_noise_stays_inside_what_can_change():
    changing = torch.zeros(PICTURE[1:], dtype=torch.bool)
    changing[2:, :4] = True
    own = of_shape(PICTURE, changing=changing)
    _, _, task = Setup(search("svdd", "redraw"), 3, 90, fixed=own).run()
    boxes = [origin.box for origin in task.book.origins.values() if origin.kind == "redraw"]
    assert len(boxes) > 20
    assert all(y0 >= 2 and x1 <= 4 for y0, _, _, x1 in boxes)


def walks(n, setup, how):
    """Latents (n,7) that walk down alone, each with regions of its own."""
    flow, generator = setup.task().flow, torch.Generator().manual_seed(9)
    law = Regions(SMALLEST, LARGEST, torch.ones(7, dtype=torch.bool))
    x = flow.times[0] * torch.randn(n, 7, generator=generator)
    kernel = flow.redraw if how == "redraw" else flow.kernel
    for t, s in pairwise(flow.times):
        x0 = denoise(x, t)
        uniforms = torch.rand(n, law.uniforms, generator=generator, dtype=torch.float64)
        new = kernel(x, x0, t, s).draw(lambda: torch.randn(n, 7, generator=generator))
        x = patched(flow.ode(x, x0, t, s).mean, new, [law.draw(row) for row in uniforms])
    return x.double().flatten()


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("method", METHODS)
def test_with_a_constant_reward_the_result_is_a_fresh_sample(method, how):
    """Neither a choice between children nor their common parent leaves a trace."""
    own = {"objective": lambda x0: torch.zeros(len(x0), dtype=torch.float64), "shape": (7,)}
    searched, n, last = replace(search(method, how), paths=1), 150, []
    for seed in range(n):
        setup = Setup(searched, 6, 14, "eta", seed=seed, fixed=own)
        events, *_ = setup.run()
        moves = [e.particles for e in events if e.kind in ("accept", "exhaust")]
        deepest = [p for p in moves if int(p.steps[0]) == 5] or [events[-1].particles]
        last.append(deepest[-1].x[0].double())
    found, alone = torch.stack(last), walks(800, setup, how)
    for power in (1, 2):
        parts = (found**power).mean(1)
        error = math.sqrt(parts.var() / n + (alone**power).var() / 800)
        assert abs(float(parts.mean() - (alone**power).mean())) < 4 * error
