"""A SAMPLER of another pack that is no KSAMPLER of the host."""

import comfy.samplers
import torch


class Restless(comfy.samplers.Sampler):
    """Euler with kicks: half of each from the seed it is given, half from what is global."""

    def sample(
        self, model_wrap, sigmas, extra_args, callback, noise, latent_image=None,
        denoise_mask=None, disable_pbar=False,
    ):  # fmt: skip
        model = comfy.samplers.KSamplerX0Inpaint(model_wrap, sigmas)
        model.latent_image, model.noise = latent_image, noise
        extra_args["denoise_mask"] = denoise_mask
        scaling = model_wrap.inner_model.model_sampling
        x = scaling.noise_scaling(sigmas[0], noise, latent_image, False)
        generator = torch.Generator().manual_seed(extra_args["seed"])
        for i, (t, s) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
            x0 = model(x, t * x.new_ones(len(x)), **extra_args)
            callback(i, x0, x, len(sigmas) - 1)
            kick = torch.randn(x.shape, generator=generator) + torch.randn_like(x)
            x = x0 + (s / t) * (x - x0) + 0.1 * s * kick.to(x)
        return scaling.inverse_noise_scaling(sigmas[-1], x)


class RestlessSampler:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("SAMPLER",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self):
        return (Restless(),)


NODES = {"ProbeRestlessSampler": RestlessSampler}
