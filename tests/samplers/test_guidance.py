"""Gradient guidance on the mixture, whose value function is known: laws, formulas, accounts."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.batching import MicroBatch
from pack.samplers.guidance import (
    DPS,
    GUIDANCES,
    AtX0,
    TorchGradients,
    acts,
    log_ratio,
    moves_ode,
    shift,
)
from pack.samplers.guidance_schedules import CLEAR, GAMMA, SCHEDULES
from pack.samplers.interpolants.linear import Linear
from pack.samplers.interpolants.vp import VP
from pack.samplers.kernels.eta import Eta
from pack.samplers.kernels.euler_maruyama import EulerMaruyama
from pack.samplers.search import SEARCHES
from pack.samplers.search.rounds import minimum
from pack.samplers.search.smc import SMC
from pack.samplers.steering import Steering
from pack.samplers.types import Starts, Transition

from . import test_smc_law as law
from .setups import EACH, METHODS, NO_FINISH, Setup, assert_same_run, pinned, setups
from .world import MODES, WIDTH, Counter, denoise, new_task, task_of

GUIDED = [name for name in METHODS if SEARCHES[name].guided]
LAM = 2.0  # the reward of these tests is -x0, at this temperature
NORMAL = torch.distributions.Normal


def torch_gradients(denoiser=denoise):
    return TorchGradients(lambda x0: -x0.flatten(1).mean(1), denoiser)


def tilted():
    """Weights and means of the modes of p(x0) exp(-x0/LAM), whose widths are unchanged."""
    weights = [w * math.exp(-m / LAM + (WIDTH / LAM) ** 2 / 2) for m, w in MODES]
    means = [m - WIDTH**2 / LAM for m, _ in MODES]
    return [(w / sum(weights), m) for w, m in zip(weights, means, strict=True)]


class ExactGradients:
    """LAM times the gradient of log E[exp(-x0/LAM) | x_t], the value of the mixture."""

    def at_x0(self, x0):
        return torch.zeros_like(x0)

    def through_network(self, x, t, cotangent):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            alpha, var = 1.0 - t, (1.0 - t) ** 2 * WIDTH**2 + t**2
            gain, left = alpha * WIDTH**2 / var, WIDTH**2 * t**2 / var
            odds, worth = [], []
            for m, w in MODES:
                odds.append(math.log(w) - (x - alpha * m) ** 2 / (2 * var))
                worth.append(odds[-1] - (m + gain * (x - alpha * m)) / LAM + left / (2 * LAM**2))
            value = LAM * (torch.stack(worth).logsumexp(0) - torch.stack(odds).logsumexp(0))
            return torch.autograd.grad(value.sum(), x)[0]


def ends(kernel, times, n, gradients):
    """The last x0 of n guided plain samples: the dimensions of one particle."""
    generator = torch.Generator().manual_seed(3)

    def normal(ids):
        return torch.randn(1, n, generator=generator, dtype=torch.float64)

    task = task_of(
        denoiser=denoise,
        kernel=kernel,
        times=times,
        start=normal,
        noise=normal,
        steering=Steering(DPS(1.0 / LAM, "theory"), gradients),
    )
    *_, last = task.walk(task.born(1, score=False), score=False)
    return last.x0[0]


class Memoryless:
    """The g of the noising process: what is drawn forgets the start, which need not be tilted."""

    def g(self, t):
        path = self.interpolant
        alpha, sigma = path.alpha(t), path.sigma(t)
        return math.sqrt(2 * (sigma * path.d_sigma(t) - sigma**2 * path.d_alpha(t) / alpha))


class MemorylessEulerMaruyama(Memoryless, EulerMaruyama):
    pass


class MemorylessEta(Memoryless, Eta):
    pass


KERNELS = {
    "euler_maruyama": MemorylessEulerMaruyama(Linear()),
    "eta": MemorylessEta(Linear()),
    "vp": MemorylessEulerMaruyama(VP()).build(),
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_by_theory_a_guided_sample_follows_the_tilted_law(kernel):
    """With the exact value the sampler alone draws the tilted mixture: mode weights and means."""
    n = 4000
    times = [0.995 * math.sin(math.pi / 2 * (1.0 - 0.99 * i / 150)) ** 2 for i in range(150)]
    x0 = ends(KERNELS[kernel], times, n, ExactGradients())
    (light, low), (_, high) = tilted()
    assert light > 0.6  # against .3 without guidance
    share = (x0 < 0.5).double().mean()
    assert abs(share - light) < 5 * math.sqrt(light * (1 - light) / n)
    for mean, own in ((low, x0[x0 < 0.5]), (high, x0[x0 >= 0.5])):
        assert abs(own.mean() - mean) < 5 * own.std() / math.sqrt(len(own)) + 0.01


def test_the_gradient_is_that_of_the_steps_own_path():
    """theory moves x by std^2 grad V in the path's latents: on the model's that is c_s/c_t more."""
    t, s, slope = 0.9, 0.6, torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    step = KERNELS["vp"](torch.zeros(2, 3), torch.zeros(2, 3), t, s)
    c = [VP().sigma(at) / u for at, u in ((_vp_time(t), t), (_vp_time(s), s))]
    torch.testing.assert_close(torch.tensor(step.scales), torch.tensor(c))
    std = step.std * c[1]  # of the path's own step
    wanted = std**2 * (slope / c[0]) / c[1]  # there and back
    got = shift(DPS(1.0, "theory"), step, slope, 0, 1.0 - t, torch.zeros(2, 3))
    torch.testing.assert_close(got, wanted)


def _vp_time(t):
    return VP().t_from_snr((1.0 - t) / t)


@pytest.mark.parametrize("kind", ["dps", "x0"])
@pytest.mark.parametrize("schedule", ["theory", "relative"])
def test_smc_draws_from_the_same_law_whatever_guides_it(kind, schedule, monkeypatch):
    """Guidance by a gradient that is not the value's: log p/q in the weights makes up for it."""
    strength = 1.0 / LAM if schedule == "theory" else 0.4
    steering = Steering(GUIDANCES[kind](strength, schedule), torch_gradients())
    monkeypatch.setattr(law, "task_of", _guided_problem(steering))
    monkeypatch.setattr(law, "REPEATS", 8)
    runs = law.repeats(SMC(LAM, ess_threshold=0.9), steps=12)
    wanted = law.exact(law.END, LAM)
    assert max(law.errors([got for got, _, _ in runs], wanted)) < 5
    monkeypatch.setattr(Steering, "log_ratio", lambda self, p: torch.zeros(len(p)).double())
    runs = law.repeats(SMC(LAM, ess_threshold=0.9), steps=12)
    assert max(law.errors([got for got, _, _ in runs], wanted)) > 8  # without it, visibly off


def _guided_problem(steering):
    def make(**settings):
        settings["purse"].total *= 2  # through_network counts
        task = task_of(**settings | {"steering": steering, "batch": MicroBatch(may_split=False)})
        task.purse.total = law.COUNT * minimum(SMC(), len(settings["times"]), task.prices)
        return task

    return make


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", ["dps", "x0"])
@pytest.mark.parametrize("name", SEARCHES)
def test_no_strength_is_no_guidance_bit_for_bit(name, kind, schedule):
    setup = Setup(EACH[name], extra=30)
    none = Steering(GUIDANCES[kind](0.0, schedule), torch_gradients())
    assert none.rows == 0
    run = setup.run(steering=none)
    assert_same_run(setup.run(), run)
    assert run[2].purse.counts["gradients"] == 0


@pytest.mark.parametrize("name", GUIDED)
@pinned(12)
@given(st.data())
def test_every_gradient_is_paid_for_once_a_parent(name, data):
    """NFE are the rows that the network saw, those of gradients too, and never exceed the budget;
    a parent costs one gradient, however many children it has, where the schedule moves it."""
    kind, schedule = (
        data.draw(st.sampled_from(["dps", "x0"])),
        data.draw(st.sampled_from(sorted(SCHEDULES))),
    )
    counter = Counter()
    steering = Steering(GUIDANCES[kind](0.2, schedule), torch_gradients(counter))
    kernel = data.draw(st.sampled_from(["euler_maruyama", "eta"]))
    fixed = {"steering": steering, "denoiser": counter}
    setup = data.draw(setups(name, kernel=kernel, cost=1, finish=NO_FINISH, fixed=fixed))
    proposed = _spy(task := setup.task())
    events = list(setup.search.run(task))  # raises where the budget was not reckoned well
    assert max(int(event.particles.steps.max()) for event in events) == setup.steps - 1
    assert task.purse.nfe == counter.rows <= setup.total
    parents = {i for i, t in proposed if schedule != "velocity" or 1.0 - t < CLEAR}
    assert task.purse.counts["gradients"] == len(parents)


@pytest.mark.parametrize("kind", ["dps", "x0"])
@pytest.mark.parametrize("may_split", [True, False])
def test_gradients_are_computed_one_at_a_time_where_rows_may_split(kind, may_split):
    """A gradient needs many times the memory of a latent, so it does not follow the micro-batch."""
    sizes, inner = [], torch_gradients()

    class Spy:
        def at_x0(self, x0):
            sizes.append(len(x0))
            return inner.at_x0(x0)

        def through_network(self, x, t, cotangent):
            sizes.append(len(x))
            return inner.through_network(x, t, cotangent)

    setup = Setup(SMC(), steps=4, extra=60, micro_batch=10**6)
    steering = Steering(GUIDANCES[kind](0.2), Spy())
    batch = MicroBatch(10**6, may_split=may_split)
    events, _, task = setup.run(steering=steering, batch=batch)
    particles = len(events[0].particles)
    assert particles > 4 and task.purse.counts["gradients"] > particles
    if may_split:
        assert set(sizes) == {1}
    else:  # the rows of a call belong together; one that survived twice has one gradient
        assert max(sizes) == particles and sum(sizes) >= task.purse.counts["gradients"]


def _spy(task):
    """Ids and times of all parents of propose."""
    proposed, own = [], task.propose

    def propose(parents, **settings):
        times = [task.times[step] for step in parents.steps.tolist()]
        proposed.extend(zip(parents.ids.tolist(), times, strict=True))
        return own(parents, **settings)

    task.propose = propose
    return proposed


@pytest.mark.parametrize("name", GUIDED)
def test_guidance_changes_what_is_found(name):
    setup = Setup(EACH[name], extra=30)
    guided = setup.run(steering=Steering(AtX0(2.0), torch_gradients()))
    plain = setup.run()
    gain = [float(torch.cat([e.particles.x0 for e in run[0]]).mean()) for run in (guided, plain)]
    assert gain[0] < gain[1] - 0.1  # the reward is -x0


@pytest.mark.parametrize("name", METHODS)
def test_velocity_guides_every_method(name):
    """Also those that walk the ODE. The steps near data are as without it."""
    setup = Setup(EACH[name], extra=30)
    steering = Steering(AtX0(0.5, "velocity"), torch_gradients())
    guided, plain = setup.run(steering=steering), setup.run()
    none = setup.run(steering=Steering(AtX0(0.0, "velocity"), torch_gradients()))
    gain = [float(torch.cat([e.particles.x0 for e in run[0]]).mean()) for run in (guided, plain)]
    assert guided[2].purse.counts["gradients"] > 0
    if not SEARCHES[name].needs_noise:  # weights take the move back, so that the law stays
        assert gain[0] < gain[1] - 0.05  # the reward is -x0
    assert_same_run(none, plain)
    assert guided[2].purse.nfe == plain[2].purse.nfe


def test_velocity_moves_the_first_step_of_pure_noise():
    """There the derivative of x0 by x is 0, but the direction is known."""
    gradients, x = torch_gradients(), torch.randn(2, 3)
    slopes = {s: AtX0(1.0, s).slope(gradients, x, denoise(x, 1.0), 1.0) for s in SCHEDULES}
    assert slopes.pop("velocity").all()
    assert not any(slope.any() for slope in slopes.values())


def test_formulas():
    step, slope = (
        Transition(torch.zeros(2, 3), 0.5, (2.0, 3.0)),
        torch.tensor([[3.0, 0, 4], [0, 0, 0]]),
    )
    x = torch.tensor([[0.0, 5.0, 12.0], [1.0, 0.0, 0.0]])
    moved = {name: shift(DPS(2.0, name), step, slope, 4, 0.25, x) for name in SCHEDULES}
    torch.testing.assert_close(moved["theory"], 2.0 * 0.25 * 1.5 * slope)
    unit = torch.tensor([[0.6, 0, 0.8], [0, 0, 0]])
    torch.testing.assert_close(moved["relative"], 2.0 * 0.5 * math.sqrt(3) * unit)
    share = (1 + GAMMA) ** 5 - 1
    torch.testing.assert_close(moved["tempered"], 2.0 * share * 0.25 / 3.0 * slope)
    torch.testing.assert_close(moved["velocity"], 2.0 * 13.0 * unit)
    assert not shift(DPS(2.0, "velocity"), step, slope, 4, CLEAR, x).any()
    still = Transition(torch.zeros(2, 3), 0.0)
    for alpha, moving in ((0.25, [False, False, True, True]), (0.5, [False, False, True, False])):
        assert [acts(DPS(1.0, name), still, alpha) for name in SCHEDULES] == moving
    assert [moves_ode(kind(1.0, name)) for kind in (AtX0, DPS) for name in SCHEDULES] == [
        False, False, False, True, *[False] * 4
    ]  # fmt: skip


def test_the_weight_of_a_draw_is_the_ratio_of_two_gaussians():
    generator = torch.Generator().manual_seed(1)
    mean, moved, eps = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    x, std = mean + moved + 0.7 * eps, 0.7
    wanted = NORMAL(mean, std).log_prob(x) - NORMAL(mean + moved, std).log_prob(x)
    torch.testing.assert_close(log_ratio(moved, eps, std), wanted.sum(1))
    assert log_ratio(torch.tensor([[0.0], [1.0]]), eps[:2, :1], 0.0).tolist() == [0.0, -math.inf]


@pytest.mark.parametrize("t", [0.95, 0.5, 0.1])
def test_gradients_against_finite_differences_and_the_known_jacobian(t):
    x = torch.tensor([[0.4, -1.1], [1.5, 0.2]], dtype=torch.float64)
    value = TorchGradients(lambda x0: (x0**3).sum(1), denoise)
    slope = DPS().slope(value, x, denoise(x, t), t)
    for i in range(2):
        h = torch.zeros_like(x)
        h[:, i] = 1e-5
        up, down = ((denoise(x + d, t) ** 3).sum(1) for d in (h, -h))
        torch.testing.assert_close(slope[:, i], (up - down) / 2e-5, rtol=1e-6, atol=1e-8)

    def white(x, t):  # standard normal data
        return x * (1 - t) / ((1 - t) ** 2 + t**2)

    gradients = TorchGradients(lambda x0: (x0**3).sum(1), white)
    slopes = [kind().slope(gradients, x, white(x, t), t) for kind in (DPS, AtX0)]
    torch.testing.assert_close(*slopes)


def test_children_of_a_gradient_that_is_not_finite_are_drawn_unguided(caplog):
    def bent(x0):  # its slope is infinite at 0, where the first start is
        return x0.abs().sqrt().sum(1)

    def hold(x, t):
        return torch.where(x == 0.0, x, 1.0 + 0.0 * x)

    def children(steering):
        task = new_task(
            KERNELS["eta"], [0.9, 0.5], shape=(1,), denoiser=hold, steering=steering
        )  # fmt: skip
        starts = Starts(task._new_ids(2), torch.tensor([[0.0], [1.0]]), [-1, -1])
        born = task.born_from(starts)
        found = task.propose(born)
        assert not task.failed
        return found.x, task.log_ratio(found)

    guided, weights = children(Steering(AtX0(1.0, "theory"), TorchGradients(bent, hold)))
    plain, _ = children(None)
    assert (guided == plain).flatten().tolist() == [True, False]
    assert (weights == 0.0).tolist() == [True, False]
    assert "1 gradients of the reward are not finite" in caplog.text


@pytest.mark.parametrize("name", GUIDED)
def test_a_search_goes_on_past_a_gradient_that_is_not_finite(name):
    class Bent(AtX0):
        calls = 0

        def slope(self, gradients, x, x0, t):
            Bent.calls += 1
            found = super().slope(gradients, x, x0, t)
            return found * math.nan if Bent.calls == 2 else found

    setup = Setup(EACH[name], extra=60)
    _, outcome, task = setup.run(steering=Steering(Bent(0.5), torch_gradients()))
    assert Bent.calls >= 2 and outcome.stopped in ("budget", "done")
    assert not task.failed and outcome.top[0].reward.isfinite()


def test_smc_wants_noise_where_guidance_moves():
    setup = Setup(SMC(), kernel="ode", extra=10)
    steering = Steering(AtX0(1.0, "tempered"), torch_gradients())
    with pytest.raises(ValueError, match="draws no noise, expected noise"):
        setup.run(steering=steering)


@pytest.mark.parametrize("cls", [DPS, AtX0])
def test_settings_are_refused_in_a_sentence(cls):
    with pytest.raises(ValueError, match="got -1.0, expected a finite number of at least 0"):
        cls(-1.0)
    with pytest.raises(ValueError, match="got 'steep', expected one of relative, theory"):
        cls(1.0, "steep")
