"""Small models as MODEL, CONDITIONING and LATENT values, or as a checkpoint file."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import comfy.model_patcher
import comfy.nested_tensor
import comfy.ops
import comfy.supported_models
import safetensors.torch
import torch
from comfy.cldm.cldm import ControlNet
from comfy.ldm.audio.embedders import NumberConditioner
from comfy.ldm.flux.controlnet import ControlNetFlux
from comfy.ldm.wan.vae import WanVAE

CPU = torch.device("cpu")


def _tiny():
    """The folder `tiny` beside this one, which the tests import without the host."""
    folder = Path(__file__).resolve().parent.parent / "tiny"
    spec = importlib.util.spec_from_file_location(
        "flow_search_tiny", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODELS = _tiny().MODELS


def fill(module: torch.nn.Module) -> None:
    """Weights of a usual size: the host's layers come uninitialised."""
    random = torch.Generator().manual_seed(0)
    # Buffers that a checkpoint holds: SD3's positions, SeedVR2's texts, MiniMax H3's rates.
    held = ("pos_embed", "_conditioning", "inv_freq")
    buffers = [(n, b) for n, b in module.named_buffers() if n.endswith(held)]
    for name, weight in sorted([*module.named_parameters(), *buffers]):
        values = torch.randn(weight.shape, generator=random)
        if weight.ndim > 1:
            values /= math.sqrt(max(1, weight[0].numel()))
        else:
            values = values / 10 + (0 if name.endswith("bias") else 1)
        weight.data.copy_(values)


def extra(tiny) -> dict[str, torch.Tensor]:
    """What the model's class reads from its file beside the network."""
    clock = NumberConditioner(768).state_dict() if tiny.clocks else {}
    names = [f"conditioner.conditioners.{name}" for name in tiny.clocks]
    return tiny.weights | {f"{name}.{key}": w for name in names for key, w in clock.items()}


def build(tiny) -> torch.nn.Module:
    """The host's BaseModel."""
    config = getattr(comfy.supported_models, tiny.config)(
        tiny.unet | ({} if tiny.network else {"disable_unet_model_creation": True})
    )
    # A class may fix sizes that its files share; here they are ours.
    config.unet_config |= {k: tiny.unet[k] for k in config.unet_extra_config if k in tiny.unet}
    config.set_inference_dtype(torch.float32, None)
    model = config.get_model(extra(tiny), "", device=None)
    if tiny.network:
        for name in tiny.drop:
            delattr(model.diffusion_model, name)
        fill(model.diffusion_model)
    return model


def patcher(key: str) -> comfy.model_patcher.ModelPatcher:
    return comfy.model_patcher.ModelPatcher(build(MODELS[key]), CPU, CPU)


def save(key: str, folder: Path, scaled: str = "") -> None:
    """Write a checkpoint file of the diffusion model, as the stock loader reads it."""
    tiny = MODELS[key]
    metadata = {"config": json.dumps(tiny.metadata)} if tiny.metadata else None
    weights = build(tiny).diffusion_model.state_dict()
    if scaled:
        weights, key = SCALED[scaled](weights), f"{key} {scaled}"
    write(weights, folder / f"{key}.safetensors", metadata)


def in_fp8(weights: dict[str, torch.Tensor], scale: str) -> dict[str, torch.Tensor]:
    """Matrices in e4m3, each with a scale beside it by a name of `scale`."""
    found = dict(weights)
    for name, weight in weights.items():
        if weight.ndim == 2:
            most = weight.abs().max() / torch.finfo(torch.float8_e4m3fn).max
            found[name] = (weight / most).to(torch.float8_e4m3fn)
            found[f"{name.removesuffix('.weight')}.{scale}"] = most
    return found


def marked(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As files of the first kind are: one mark for the whole; two of it ask for exact products."""
    return in_fp8(weights, "scale_weight") | {"scaled_fp8": torch.zeros(2).to(torch.float8_e4m3fn)}


def told(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As the host writes them now: each layer tells its format."""
    found = in_fp8(weights, "weight_scale")
    layout = torch.tensor(list(json.dumps({"format": "float8_e4m3fn"}).encode()), dtype=torch.uint8)
    layers = [name for name in found if name.endswith("weight_scale")]
    return found | {name.replace("weight_scale", "comfy_quant"): layout for name in layers}


SCALED = {"scaled_fp8": marked, "comfy_quant": told}


def lora(key: str, layer: str = "img_in") -> dict[str, torch.Tensor]:
    """A LoRA of rank 2 on one layer, a FLUX.1's input layer."""
    random = torch.Generator().manual_seed(3)
    out, into = build(MODELS[key]).diffusion_model.get_submodule(layer).weight.shape
    sizes = {"lora_down": (2, into), "lora_up": (out, 2)}
    name = f"diffusion_model.{layer}.{{}}.weight"
    return {name.format(k): torch.randn(size, generator=random) / 2 for k, size in sizes.items()}


def unet_lora(key: str) -> dict[str, torch.Tensor]:
    """A LoRA on a cross attention of a UNet."""
    return lora(key, "middle_block.1.transformer_blocks.0.attn2.to_q")


def unet_control_net(key: str) -> torch.nn.Module:
    """A ControlNet for a UNet of the same sizes."""
    sizes = {k: v for k, v in MODELS[key].unet.items() if k != "out_channels"}
    net = ControlNet(
        **sizes, hint_channels=3, dtype=torch.float32, operations=comfy.ops.manual_cast
    )
    fill(net)
    return net


def control_net(key: str) -> dict[str, torch.Tensor]:
    """A ControlNet of the XLabs kind for a FLUX.1, told by the old name of its norms."""
    net = ControlNetFlux(dtype=torch.float32, operations=comfy.ops.manual_cast, **MODELS[key].unet)
    fill(net)
    return {k.replace("_norm.weight", "_norm.scale"): w for k, w in net.state_dict().items()}


def video_vae() -> dict[str, torch.Tensor]:
    """A Wan 2.1 VAE of the fewest channels that its blocks divide.

    What a frame takes from those before it is little, as in one trained on pictures first.
    """
    vae = WanVAE(
        dim=16, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[],
        temperal_downsample=[False, True, True],
    )  # fmt: skip
    fill(vae)
    weights = vae.state_dict()
    for weight in weights.values():
        if weight.ndim == 5:
            weight[:, :, :-1] /= 10
    return weights


def write(weights: dict[str, torch.Tensor], path: Path, metadata: dict | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file({k: v.clone() for k, v in weights.items()}, path, metadata)


def condition(key: str) -> list:
    """CONDITIONING as a text encoder gives it."""
    tiny, random = MODELS[key], torch.Generator().manual_seed(1)
    extra = {
        name: torch.randn(1, *value, generator=random) if isinstance(value, tuple) else value
        for name, value in tiny.cond.items()
    }
    return [[torch.randn(1, *tiny.text, generator=random), extra]]


def packed_latents(shapes: tuple) -> tuple[dict, dict, dict]:
    """As `latents`, of a video and its sound, which may change everywhere."""
    random = torch.Generator().manual_seed(2)
    known = [torch.randn(1, *shape, generator=random) / 2 for shape in shapes]
    masks = [torch.ones_like(part) for part in known]
    masks[0][..., : masks[0].shape[-1] // 2] = 0.0
    empty, known, mask = (
        comfy.nested_tensor.NestedTensor(rows)
        for rows in (map(torch.zeros_like, known), known, masks)
    )
    return {"samples": empty}, {"samples": known}, {"samples": known, "noise_mask": mask}


def latents(key: str) -> tuple[dict, dict, dict]:
    """An empty LATENT, an encoded picture, and the same of which the right half may change."""
    tiny = MODELS[key]
    if tiny.parts:
        return packed_latents(tiny.parts)
    random = torch.Generator().manual_seed(2)
    picture = torch.randn(tiny.frames, *tiny.latent, generator=random) / 2
    mask = torch.zeros(1, 1, *tiny.latent[-2:])
    mask[..., mask.shape[-1] // 2 :] = 1.0
    known = {"samples": picture}
    return {"samples": torch.zeros_like(picture)}, known, known | {"noise_mask": mask}
