"""Diffusion models: latents y = x0 + sigma eps, with sigmas far above 1."""

import torch

from .spec import POOLED, TEXT, TOKENS, WITH_POOLED, Tiny

ONE = torch.ones(1)
LATENT, CLIP = (4, 8, 8), (16, 3, 4, 4)
PATCHES, PRIOR = (4, 40, 40), (4, 16, 16)  # the least that PixArt and Cascade B take
# fmt: off
SD15 = {
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32,
    "num_res_blocks": [1, 1], "channel_mult": [1, 2], "transformer_depth": [1, 1],
    "transformer_depth_middle": 1, "transformer_depth_output": [1, 1, 1, 1], "context_dim": TEXT,
    "use_spatial_transformer": True, "use_linear_in_transformer": False, "legacy": False,
    "use_temporal_attention": False, "num_heads": 2, "num_head_channels": -1,
    "adm_in_channels": None,
}
SD20 = SD15 | {"use_linear_in_transformer": True, "num_heads": -1, "num_head_channels": 16}
WITH_ADM = {"num_classes": "sequential"}
UNCLIP = SD20 | WITH_ADM | {"adm_in_channels": POOLED}
X4 = SD20 | {"in_channels": 7, "num_classes": 1000, "disable_self_attentions": [True, False]}
SIZES = 256  # width of the embedding of each size that SDXL takes
SDXL = SD20 | WITH_ADM | {"adm_in_channels": POOLED + 6 * SIZES}
REFINER = SDXL | {"adm_in_channels": POOLED + 5 * SIZES}
SHALLOW = {"transformer_depth_middle": -1}  # KOALA and Vega have no middle block
PIXART = {
    "image_model": "pixart_alpha", "input_size": 8, "patch_size": 2, "in_channels": 4,
    "hidden_size": 48, "depth": 2, "num_heads": 2, "caption_channels": TEXT,
    "model_max_length": TOKENS, "micro_condition": True,
}
HUNYUAN_DIT = {
    "image_model": "hydit", "hidden_size": 64, "depth": 4, "num_heads": 4, "text_states_dim": TEXT,
    "text_states_dim_t5": 16, "text_len": TOKENS, "text_len_t5": 3, "mlp_ratio": 2.0,
    "qk_norm": True, "size_cond": False, "use_style_cond": False,
}
STAGE = {
    "c_r": 64, "c_hidden": [32, 32], "nhead": [2, 2], "blocks": [[1, 1], [1, 1]],
    "block_repeat": [[1, 1], [1, 1]], "level_config": ["CTA", "CTA"], "dropout": [0.0, 0.0],
}
STAGE_C = STAGE | {
    "stable_cascade_stage": "c", "c_cond": 32, "c_clip_text": TEXT, "c_clip_text_pooled": POOLED,
}
STAGE_B = STAGE | {"stable_cascade_stage": "b", "c_cond": 32, "c_clip": POOLED}
COSMOS = {
    "image_model": "cosmos", "max_img_h": 16, "max_img_w": 16, "max_frames": 8, "in_channels": 16,
    "out_channels": 16, "patch_spatial": 2, "patch_temporal": 1, "model_channels": 64,
    "num_blocks": 2, "num_heads": 2, "block_config": "FA-CA-MLP", "concat_padding_mask": True,
    "pos_emb_cls": "rope3d", "block_x_format": "THWBD", "affline_emb_norm": True,
    "use_adaln_lora": True, "adaln_lora_dim": 8, "crossattn_emb_channels": TEXT,
    "extra_per_block_abs_pos_emb": True, "extra_per_block_abs_pos_emb_type": "learnable",
}
COGVIDEO = {
    "image_model": "cogvideox", "num_attention_heads": 2, "attention_head_dim": 32,
    "in_channels": 16, "time_embed_dim": 32, "text_embed_dim": TEXT, "num_layers": 2,
    "max_text_seq_length": TOKENS, "use_rotary_positional_embeddings": True,
}
SVD = SD20 | WITH_ADM | {
    "in_channels": 8, "use_temporal_resblock": True, "use_temporal_attention": True,
    "extra_ff_mix_layer": True, "use_spatial_context": True, "video_kernel_size": [3, 1, 1],
    "merge_strategy": "learned_with_images", "merge_factor": 0.0,
    "disable_temporal_crossattention": False,
}
TWO_TEXTS = {
    "attention_mask": torch.ones(1, TOKENS), "conditioning_mt5xl": (3, 16),
    "attention_mask_mt5xl": torch.ones(1, 3),
}
# fmt: on


def svd(config: str, size: int) -> Tiny:
    return Tiny(config, LATENT, SVD | {"adm_in_channels": size}, frames=3)


def xl(config: str = "SDXL", unet: dict = SDXL, **weights) -> Tiny:
    return Tiny(config, LATENT, unet, WITH_POOLED, weights=weights)


DIFFUSION = {
    "SD 1.5": Tiny("SD15", LATENT, SD15),
    "SD 1.5 inpainting": Tiny("SD15", LATENT, SD15 | {"in_channels": 9}),
    "SD 1.5 InstructPix2Pix": Tiny("SD15_instructpix2pix", LATENT, SD15 | {"in_channels": 8}),
    "SD 2": Tiny("SD20", LATENT, SD20),
    "SD 2 v-prediction": Tiny(
        "SD20",
        LATENT,
        SD20,
        weights={"output_blocks.11.1.transformer_blocks.0.norm1.bias": torch.tensor([-1.0, 1.0])},
    ),
    "SD 2.1 unCLIP L": Tiny("SD21UnclipL", LATENT, UNCLIP),
    "SD 2.1 unCLIP H": Tiny("SD21UnclipH", LATENT, UNCLIP),
    "SD x4 upscaler": Tiny("SD_X4Upscaler", LATENT, X4),
    "SDXL": xl(),
    "SDXL v-prediction": xl(v_pred=ONE),
    "SDXL v-prediction, zero terminal SNR": xl(v_pred=ONE, ztsnr=ONE),
    "SDXL EDM v-prediction": xl(**{"edm_vpred.sigma_max": 120 * ONE}),
    "SDXL Playground 2.5": xl(edm_mean=ONE, edm_std=ONE),
    "SDXL refiner": xl("SDXLRefiner", REFINER),
    "SDXL InstructPix2Pix": xl("SDXL_instructpix2pix", SDXL | {"in_channels": 8}),
    "SSD-1B": xl("SSD1B"),
    "KOALA 700M": xl("KOALA_700M", SDXL | SHALLOW),
    "KOALA 1B": xl("KOALA_1B", SDXL | SHALLOW),
    "Segmind Vega": xl("Segmind_Vega", SDXL | SHALLOW),
    "Stable Cascade C": Tiny("Stable_Cascade_C", (16, 4, 4), STAGE_C, WITH_POOLED),
    "Stable Cascade B": Tiny("Stable_Cascade_B", PRIOR, STAGE_B, {"pooled_output": (1, POOLED)}),
    "PixArt alpha": Tiny("PixArtAlpha", PATCHES, PIXART),
    "PixArt sigma": Tiny(
        "PixArtSigma", PATCHES, PIXART | {"image_model": "pixart_sigma", "micro_condition": False}
    ),
    "Hunyuan-DiT": Tiny("HunyuanDiT", LATENT, HUNYUAN_DIT, TWO_TEXTS),
    "Hunyuan-DiT 1.0": Tiny(
        "HunyuanDiT1",
        LATENT,
        HUNYUAN_DIT | {"image_model": "hydit1", "size_cond": True, "use_style_cond": True},
        TWO_TEXTS,
    ),
    "CogVideoX": Tiny("CogVideoX_T2V", CLIP, COGVIDEO),
    "CogVideoX I2V": Tiny("CogVideoX_I2V", CLIP, COGVIDEO | {"in_channels": 32}),
    "CogVideoX inpaint": Tiny("CogVideoX_Inpaint", CLIP, COGVIDEO | {"in_channels": 48}),
    "Cosmos 1 T2V": Tiny("CosmosT2V", CLIP, COSMOS),
    "Cosmos 1 I2V": Tiny("CosmosI2V", CLIP, COSMOS | {"in_channels": 17}),
    "SVD": svd("SVD_img2vid", 3 * SIZES),
    "SV3D u": svd("SV3D_u", SIZES),
    "SV3D p": svd("SV3D_p", 5 * SIZES),
}
