"""What users wire around a sampler, as changes to `Runs`: latents, conditions, guiders, sigmas."""

from __future__ import annotations

from collections.abc import Callable

from .runs import Link, Runs

STEPS = 3
IMAGE, CLIP = "FLUX.1 dev", "Wan 2.1 T2V"
EXPLODING = "Cosmos Predict 2 T2I"  # of sigmas up to 80
XL, ONE_FIVE = "SDXL", "SD 1.5"  # diffusion models


def half(runs: Runs, value: float = 1.0, height: int = 64, width: int = 64) -> Link:
    """A mask: `value` on the right half, 0 on the left.

    Args:
        runs: the prompt.
        value: of the right half.
        height: in pixels.
        width: in pixels.
    """
    none = runs.node("SolidMask", value=0.0, width=width, height=height)
    some = runs.node("SolidMask", value=value, width=width // 2, height=height)
    return runs.node(
        "MaskComposite", destination=none, source=some, x=width // 2, y=0, operation="add"
    )


def masks(runs: Runs, *values: float) -> Link:
    """A batch of masks, each of one value."""
    return together(
        runs, *(runs.node("SolidMask", value=value, width=64, height=64) for value in values)
    )


def together(runs: Runs, *each: Link) -> Link:
    """Masks as one batch."""
    pictures = [runs.node("MaskToImage", mask=mask) for mask in each]
    both = pictures[0]
    for picture in pictures[1:]:
        both = runs.node("ImageBatch", image1=both, image2=picture)
    return runs.node("ImageToMask", image=both, channel="red")


def zeroed(runs: Runs) -> Link:
    return runs.node("ConditioningZeroOut", conditioning=runs.text)


def combine(runs: Runs, *conditions: Link) -> Link:
    first, second = conditions
    return runs.node("ConditioningCombine", conditioning_1=first, conditioning_2=second)


def picture(runs: Runs) -> None:
    runs.latent, runs.sigmas = runs.picture, runs.schedule(STEPS, denoise=0.6)


def masked(runs: Runs) -> None:
    runs.latent = runs.masked


def soft_mask(runs: Runs) -> None:
    runs.model = runs.node("DifferentialDiffusion", model=runs.model, strength=1.0)
    runs.latent = runs.node("SetLatentNoiseMask", samples=runs.picture, mask=half(runs, 0.7))


def reference(runs: Runs) -> None:
    runs.text = runs.node("ReferenceLatent", conditioning=runs.text, latent=runs.picture)


def redux(runs: Runs) -> None:
    style = runs.node("ProbeRedux", width=24)
    runs.text = runs.node(
        "StyleModelApply",
        conditioning=runs.text, style_model=style, clip_vision_output=[style[0], 1],
        strength=1.0, strength_type="multiply",
    )  # fmt: skip


def control(runs: Runs, pictures: int = 1) -> None:
    image = runs.node("EmptyImage", width=64, height=64, batch_size=pictures, color=0x80FF20)
    if runs.key == ONE_FIVE:
        net = runs.node("ProbeControl", key=runs.key)
    else:
        net = runs.node("ControlNetLoader", control_net_name="tiny.safetensors")
    runs.text = runs.node(
        "ControlNetApplyAdvanced",
        positive=runs.text, negative=runs.text, control_net=net, image=image, strength=1.0,
        start_percent=0.0, end_percent=1.0,
    )  # fmt: skip


def lora(runs: Runs) -> None:
    name = "unet.safetensors" if runs.key == XL else "tiny.safetensors"
    runs.model = runs.node(
        "LoraLoaderModelOnly", model=runs.model, lora_name=name, strength_model=1.0
    )


def perturbed(runs: Runs) -> None:
    cfg(runs)
    runs.model = runs.node("PerturbedAttentionGuidance", model=runs.model, scale=2.0)


def rescaled(runs: Runs) -> None:
    cfg(runs)
    runs.model = runs.node("RescaleCFG", model=runs.model, multiplier=0.7)


def zero_snr(runs: Runs) -> None:
    runs.model = runs.node(
        "ModelSamplingDiscrete", model=runs.model, sampling="v_prediction", zsnr=True
    )
    runs.sigmas = runs.schedule(STEPS)


def hook(runs: Runs, keyframes: int = 0) -> None:
    hooks = runs.node("CreateHookLoraModelOnly", lora_name="tiny.safetensors", strength_model=1.0)
    frames = {}
    for i in range(keyframes):
        made = runs.node("CreateHookKeyframe", strength_mult=1.0 - i, start_percent=i / 2, **frames)
        frames = {"prev_hook_kf": made}
    if frames:
        hooks = runs.node("SetHookKeyframes", hooks=hooks, hook_kf=frames["prev_hook_kf"])
    runs.text = runs.node(
        "ConditioningSetProperties",
        cond_NEW=runs.text, strength=1.0, set_cond_area="default", hooks=hooks,
    )  # fmt: skip


def cfg(runs: Runs) -> None:
    negative = zeroed(runs)
    runs.guide = lambda model: runs.node(
        "CFGGuider", model=model, positive=runs.text, negative=negative, cfg=2.0
    )


def dual_cfg(runs: Runs) -> None:
    negative = zeroed(runs)
    guided = runs.node("FluxGuidance", conditioning=runs.text, guidance=1.0)
    runs.guide = lambda model: runs.node(
        "DualCFGGuider",
        model=model, cond1=runs.text, cond2=guided, negative=negative, cfg_conds=2.0,
        cfg_cond2_negative=1.5, style="regular",
    )  # fmt: skip


def guidance(runs: Runs) -> None:
    runs.text = runs.node("FluxGuidance", conditioning=runs.text, guidance=1.5)


def area(runs: Runs) -> None:
    part = runs.node(
        "ConditioningSetAreaPercentage",
        conditioning=zeroed(runs), width=0.5, height=1.0, x=0.5, y=0.0, strength=1.0,
    )  # fmt: skip
    runs.text = combine(runs, runs.text, part)


def area_by_mask(runs: Runs, mask: Link | None = None) -> None:
    part = runs.node(
        "ConditioningSetMask",
        conditioning=zeroed(runs), mask=mask or half(runs), strength=1.0, set_cond_area="default",
    )  # fmt: skip
    runs.text = combine(runs, runs.text, part)


def fill(runs: Runs) -> None:
    vae = runs.vae if runs.key == "FLUX.1 Fill" else runs.node("ProbeTinyVAE", channels=4)
    pixels = runs.node("EmptyImage", width=64, height=64, batch_size=1, color=0x3060A0)
    made = runs.node(
        "InpaintModelConditioning",
        positive=runs.text, negative=runs.text, vae=vae, pixels=pixels, mask=half(runs),
        noise_mask=True,
    )  # fmt: skip
    runs.text, runs.latent = made, [made[0], 2]


def for_two(part: str) -> Callable[[Runs], None]:
    """A condition that was made for two pictures in one of its parts."""

    def wire(runs: Runs) -> None:
        if part == "concat_latent_image":
            fill(runs)
        runs.text = runs.node("ProbeRows", conditioning=runs.text, part=part)

    return wire


def first_frame(runs: Runs) -> None:
    image = runs.node("EmptyImage", width=32, height=32, batch_size=1, color=0x80FF20)
    made = runs.node(
        "WanImageToVideo",
        positive=runs.text, negative=runs.text, vae=runs.vae, width=32, height=32, length=9,
        batch_size=1, start_image=image,
    )  # fmt: skip
    runs.text, runs.latent = made, [made[0], 2]


def empty_mask(runs: Runs) -> None:
    """What LoadImage gives beside a picture that has no alpha channel."""
    runs.latent = runs.node("SetLatentNoiseMask", samples=runs.picture, mask=masks(runs, 0.0))


def empty_mask_of_two(runs: Runs) -> None:
    both = runs.node("RepeatLatentBatch", samples=runs.picture, amount=2)
    runs.latent = runs.node("SetLatentNoiseMask", samples=both, mask=masks(runs, 1.0, 0.0))


def some_frames(runs: Runs) -> None:
    mask = masks(runs, 0.0, 1.0, 1.0)
    runs.latent = runs.node("SetLatentNoiseMask", samples=runs.picture, mask=mask)


def from_batch(runs: Runs) -> None:
    several = runs.node("RepeatLatentBatch", samples=runs.empty, amount=3)
    runs.latent = runs.node("LatentFromBatch", samples=several, batch_index=1, length=1)


def karras(runs: Runs) -> None:
    runs.sigmas = runs.node(
        "KarrasScheduler", steps=STEPS, sigma_max=80.0, sigma_min=0.002, rho=7.0
    )


def low_half(runs: Runs) -> None:
    """The rest of the way, from what another sampler left."""
    split = runs.node("SplitSigmas", sigmas=runs.schedule(2 * STEPS), step=STEPS)
    runs.latent = runs.node(
        "SamplerCustomAdvanced",
        noise=runs.noise, guider=runs.basic(runs.model), sigmas=split, latent_image=runs.empty,
        sampler=runs.stock,
    )  # fmt: skip
    runs.noise, runs.sigmas = runs.node("DisableNoise"), [split[0], 1]


def high_half(runs: Runs) -> None:
    """The way down to a sigma above 0: what is left there is still noisy."""
    runs.sigmas = runs.node("SplitSigmas", sigmas=runs.schedule(2 * STEPS), step=STEPS)
