"""A model that is exact: every latent value is drawn from a mixture of two Gaussians.

Its answer is E[x0 | y] in the parametrisation of the host's model class, so only the step size of a
sampler can err.
"""

import json
import math

import comfy.latent_formats
import comfy.model_patcher
import comfy.model_sampling
import torch

from .shared import build

MODES, WIDTH = ((-1.4, 0.3), (0.6, 0.7)), 0.2  # of mean 0, as pure noise is
KINDS = {  # the class of the host's sampling, and the settings of its model config
    "eps": ("ModelSamplingDiscrete", "EPS", {}),
    "v": ("ModelSamplingDiscrete", "V_PREDICTION", {}),
    "v, zero terminal SNR": ("ModelSamplingDiscrete", "V_PREDICTION", {"zsnr": True}),
    "edm": ("ModelSamplingContinuousEDM", "EDM", {"sigma_data": 0.5, "sigma_max": 80.0}),
    "v, edm": ("ModelSamplingContinuousEDM", "V_PREDICTION", {"sigma_max": 120.0}),
    "eps, cascade": ("StableCascadeSampling", "EPS", {}),
    "flow": ("ModelSamplingDiscreteFlow", "CONST", {}),
}


def denoise(y, on_x0, sigma):
    """E[x0 | y] for y = on_x0 x0 + sigma eps."""
    var = (on_x0 * WIDTH) ** 2 + sigma**2
    odds = [math.log(w) - (y - on_x0 * m) ** 2 / (2 * var) for m, w in MODES]
    share = torch.sigmoid(odds[1] - odds[0])
    mode = MODES[0][0] + (MODES[1][0] - MODES[0][0]) * share
    return mode + on_x0 * WIDTH**2 / var * (y - on_x0 * mode)


class Mixture(torch.nn.Module):
    """The network: a timestep and the scaled latent in, what the host's class expects out."""

    def __init__(self, sampling):
        super().__init__()
        self.sampling, self.dtype = [sampling], torch.float32

    def forward(self, x, timestep, **options):
        (sampling,) = self.sampling
        sigma = sampling.sigma(timestep).float().view(-1, *[1] * (x.ndim - 1))
        if isinstance(sampling, comfy.model_sampling.CONST):
            return (x - denoise(x, 1 - sigma, sigma)) / sigma
        data = sampling.sigma_data
        scale = (sigma**2 + data**2) ** 0.5
        y = x * scale
        x0 = denoise(y, 1.0, sigma)
        if not isinstance(sampling, comfy.model_sampling.V_PREDICTION):
            return (y - x0) / sigma
        v = (y * data**2 / scale**2 - x0) * scale / (sigma * data)
        return -v if isinstance(sampling, comfy.model_sampling.EDM) else v


class Model:
    """The exact model in one of the host's parametrisations, and a condition."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"kind": (list(KINDS),)}}

    RETURN_TYPES = ("MODEL", "CONDITIONING")
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, kind):
        schedule, prediction, settings = KINDS[kind]
        bases = (getattr(comfy.model_sampling, name) for name in (schedule, prediction))
        model = build.build(build.MODELS["Lotus"])  # any class, built without its network
        model.model_config.sampling_settings = settings
        model.model_sampling = type("ModelSampling", tuple(bases), {})(model.model_config)
        model.latent_format = comfy.latent_formats.LatentFormat()
        model.diffusion_model = Mixture(model.model_sampling)
        return comfy.model_patcher.ModelPatcher(model, build.CPU, build.CPU), [
            [torch.zeros(1, 1, 1), {}]
        ]


class Law:
    """An output node: mean, second moment and share of the upper mode, with standard errors."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"latent": ("LATENT",)}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, latent):
        x = latent["samples"].double().flatten()
        found = [x, x * x, (x > 0).double()]
        shown = [(float(v.mean()), float(v.std()) / math.sqrt(len(v))) for v in found]
        square = sum(w * (m * m + WIDTH**2) for m, w in MODES)
        return {"ui": {"probe": [json.dumps({"law": shown, "exact": [0.0, square, MODES[1][1]]})]}}


NODES = {"ProbeMixture": Model, "ProbeLaw": Law}
