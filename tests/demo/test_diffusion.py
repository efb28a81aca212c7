"""The diffusion twin: the host's noise schedule, and x0 from what its network predicts."""

import pytest
import torch
from pack.demo import diffusion
from pack.demo.flux import Flux
from pack.demo.training.train_diffusion import learn_timesteps, weights


def test_the_schedule_is_that_of_sdxl():
    """The ends are those of the host's ModelSamplingDiscrete."""
    assert float(diffusion.SIGMAS[0]) == pytest.approx(0.0292, abs=1e-4)
    assert diffusion.LARGEST == pytest.approx(14.6146, abs=1e-3)
    assert [diffusion.timestep(float(diffusion.SIGMAS[i])) for i in (0, 500, 999)] == [0, 500, 999]


@pytest.mark.parametrize("prediction", diffusion.PREDICTIONS)
@pytest.mark.parametrize("t", [diffusion.NOISIEST, 0.5, 0.05])
def test_a_perfect_network_gives_the_clean_latent(prediction, t):
    random = torch.Generator().manual_seed(1)
    x0, eps = (torch.randn(2, 16, 4, 4, generator=random) for _ in range(2))
    a, s = (float(part) for part in diffusion.parts(torch.tensor(t / (1.0 - t))))
    seen = []

    def perfect(z, time, text, pooled):
        seen.append((z, time))
        return eps if prediction == "eps" else a * eps - s * x0

    x = (1.0 - t) * x0 + t * eps
    found = diffusion.predict_x0(perfect, prediction, x, t, None, None)
    assert torch.allclose(found, x0, atol=1e-4)
    assert torch.allclose(seen[0][0], a * x0 + s * eps, atol=1e-5)  # of unit variance


def test_a_search_begins_as_the_host_does():
    """Pure noise at the largest sigma has the variance of noisy data there."""
    noise = torch.randn(4000, 16, 1, 1, generator=torch.Generator().manual_seed(2))
    y = diffusion.first_latent(noise) / (1.0 - diffusion.NOISIEST)
    assert float(y.std()) == pytest.approx((1.0 + diffusion.LARGEST**2) ** 0.5, rel=0.02)


def test_timesteps_take_the_place_of_the_flows_times():
    torch.manual_seed(3)
    net = Flux(double=0, single=0)
    assert learn_timesteps(net, updates=40) < 0.5 * learn_timesteps(net, updates=1)


def test_weights_have_a_mean_of_one():
    for prediction in diffusion.PREDICTIONS:
        assert float(weights(prediction, diffusion.SIGMAS).mean()) == pytest.approx(1.0)
