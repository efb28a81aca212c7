"""Models that a search refuses: not flow models, or none that make pictures. None has a network."""

import torch

from .spec import Tiny

UNET = {"in_channels": 4, "adm_in_channels": None}
ONE = torch.ones(1)


def refused(config: str, latent: tuple = (4, 8, 8), **more) -> Tiny:
    unet = UNET | more.pop("unet", {})
    return Tiny(config, latent, unet, network=False, **more)


NOT_FLOW = {
    "SD 1.5": refused("SD15"),
    "SD 1.5 InstructPix2Pix": refused("SD15_instructpix2pix"),
    "SD 2": refused("SD20"),
    "SD 2 v-prediction": refused(
        "SD20",
        weights={"output_blocks.11.1.transformer_blocks.0.norm1.bias": torch.tensor([-1.0, 1.0])},
    ),
    "SD 2.1 unCLIP L": refused("SD21UnclipL"),
    "SD 2.1 unCLIP H": refused("SD21UnclipH"),
    "SD x4 upscaler": refused("SD_X4Upscaler"),
    "SDXL": refused("SDXL"),
    "SDXL v-prediction": refused("SDXL", weights={"v_pred": ONE}),
    "SDXL EDM v-prediction": refused("SDXL", weights={"edm_vpred.sigma_max": ONE}),
    "SDXL Playground 2.5": refused("SDXL", weights={"edm_mean": ONE, "edm_std": ONE}),
    "SDXL refiner": refused("SDXLRefiner"),
    "SDXL InstructPix2Pix": refused("SDXL_instructpix2pix"),
    "SSD-1B": refused("SSD1B"),
    "KOALA 700M": refused("KOALA_700M"),
    "KOALA 1B": refused("KOALA_1B"),
    "Segmind Vega": refused("Segmind_Vega"),
    "Stable Cascade C": refused("Stable_Cascade_C", (16, 4, 4)),
    "Stable Cascade B": refused("Stable_Cascade_B"),
    "PixArt alpha": refused("PixArtAlpha"),
    "PixArt sigma": refused("PixArtSigma"),
    "Hunyuan-DiT": refused("HunyuanDiT"),
    "Hunyuan-DiT 1.0": refused("HunyuanDiT1"),
    "Lotus": refused("LotusD"),
    "SVD": refused("SVD_img2vid"),
    "SV3D u": refused("SV3D_u"),
    "SV3D p": refused("SV3D_p"),
    "CogVideoX": refused("CogVideoX_T2V", (16, 3, 4, 4)),
    "CogVideoX I2V": refused("CogVideoX_I2V", (16, 3, 4, 4)),
    "CogVideoX inpaint": refused("CogVideoX_Inpaint", (16, 3, 4, 4)),
    "Cosmos 1 T2V": refused("CosmosT2V", (16, 3, 4, 4)),
    "Cosmos 1 I2V": refused("CosmosI2V", (16, 3, 4, 4)),
    "Wan 2.1 FlowRVS": refused("WAN21_FlowRVS", (16, 3, 4, 4)),
    "Stable Audio 1": refused("StableAudio", (64, 16), clocks=("seconds_start", "seconds_total")),
}
NO_PICTURES = {
    "Stable Audio 3": refused(
        "StableAudio3",
        (256, 16),
        unet={"audio_model": "dit1.0", "timestep_features_type": "learned"},
        clocks=("seconds_total",),
    ),
    "ACE-Step": refused("ACEStep", (8, 16, 8), unet={"audio_model": "ace"}),
    "ACE-Step 1.5": refused("ACEStep15", (64, 16), unet={"audio_model": "ace1.5"}),
    "Hunyuan3D 2": refused("Hunyuan3Dv2", (64, 16)),
    "Hunyuan3D 2.1": refused("Hunyuan3Dv2_1", (64, 16)),
    "Hunyuan3D 2 mini": refused("Hunyuan3Dv2mini", (64, 16)),
    "TripoSplat": refused("TripoSplat", parts=((16, 8), (5, 1))),
    "LTX-2 (sound and video)": refused("LTXAV", parts=((128, 3, 4, 4), (8, 4, 16))),
    "MiniMax H3 (sound and video)": refused("MiniMaxH3", parts=((24, 3, 4, 4), (32, 4))),
}
