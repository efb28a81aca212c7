"""Flow models that make video clips: latents (C,T,H,W)."""

from typing import Any

from .images import COSMOS, HUNYUAN, KANDINSKY
from .spec import CLIP, MASK, TEXT, WITH_POOLED, Tiny

# fmt: off
STOCK_WAN = {  # the sizes that the stock loader finds in a file
    "image_model": "wan2.1", "model_type": "t2v", "dim": 128, "ffn_dim": 32, "freq_dim": 256,
    "text_dim": TEXT, "in_dim": 16, "out_dim": 16, "num_heads": 1, "num_layers": 1,
    "patch_size": (1, 2, 2), "window_size": (-1, -1), "qk_norm": True, "cross_attn_norm": True,
    "eps": 1e-6,
}
WAN = STOCK_WAN | {"dim": 32, "freq_dim": 32, "num_layers": 2}
STOCK_HUNYUAN = HUNYUAN | {
    "vec_in_dim": 768, "hidden_size": 128, "mlp_ratio": 4.0, "axes_dim": [16, 56, 56],
}
HUNYUAN15 = HUNYUAN | {
    "out_channels": 32, "vision_in_dim": 16, "patch_size": [1, 1, 1], "meanflow_sum": True,
    "use_cond_type_embedding": True,
}
MOCHI = {  # its MLPs have one size only
    "image_model": "mochi_preview", "depth": 2, "patch_size": 2, "num_heads": 2,
    "hidden_size_x": 64, "hidden_size_y": 32, "mlp_ratio_x": 192.0, "mlp_ratio_y": 192.0,
    "learn_sigma": False, "in_channels": 12, "qk_norm": True, "qkv_bias": False, "out_bias": True,
    "attn_drop": 0.0, "patch_embed_bias": True, "posenc_preserve_area": True,
    "timestep_mlp_bias": True, "attend_to_padding": False, "timestep_scale": 1000.0,
    "use_t5": True, "t5_feat_dim": TEXT, "t5_token_length": 8, "rope_theta": 10000.0,
}
LTX = {
    "num_attention_heads": 2, "attention_head_dim": 16, "cross_attention_dim": 32,
    "caption_channels": TEXT,
}
SEEDVR = {
    "image_model": "seedvr2", "vid_dim": 64, "heads": 2, "head_dim": 32, "num_layers": 2,
    "mm_layers": 1, "norm_eps": 1e-5, "mlp_type": "swiglu", "txt_in_dim": TEXT, "rope_dim": 32,
    "vid_out_norm": True,
}
# fmt: on


def wan(config: str, model_type: str, **more: Any) -> Tiny:
    drop = more.pop("drop", ())
    return Tiny(config, CLIP, WAN | {"model_type": model_type} | more, drop=drop)


CLIPS = {
    "Wan 2.1 T2V": Tiny("WAN21_T2V", CLIP, STOCK_WAN, metadata={"transformer": {"text_dim": TEXT}}),
    "Wan 2.1 I2V": wan("WAN21_I2V", "i2v", in_dim=36),
    "Wan 2.1 causal": wan("WAN21_CausalAR_T2V", "t2v"),
    "Wan 2.1 Fun control": wan("WAN21_FunControl2V", "i2v", in_dim=48),
    "Wan 2.1 camera": wan("WAN21_Camera", "camera", in_dim=32),
    "Wan 2.2 camera": wan("WAN22_Camera", "camera_2.2", in_dim=36),
    "Wan 2.1 VACE": wan("WAN21_Vace", "vace", vace_in_dim=96, vace_layers=1),
    "Wan 2.1 HuMo": wan("WAN21_HuMo", "humo", in_dim=36, drop=("audio_proj",)),
    "Wan 2.1 SCAIL": wan("WAN21_SCAIL", "scail", in_dim=20),
    "Wan 2.1 SCAIL 2": wan("WAN21_SCAIL2", "scail2", in_dim=20),
    "Wan 2.2 S2V": wan("WAN22_S2V", "s2v"),
    "Wan 2.2 Animate": wan(
        "WAN22_Animate", "animate", in_dim=36, drop=("motion_encoder", "face_encoder")
    ),
    "Wan 2.2 5B": Tiny("WAN22_T2V", (48, 3, 4, 4), WAN | {"in_dim": 48, "out_dim": 48}),
    "Wan 2.2 WanDancer": wan("WAN22_WanDancer", "wandancer", in_dim=36),
    "HunyuanVideo": Tiny("HunyuanVideo", CLIP, STOCK_HUNYUAN, {"pooled_output": (768,)}),
    "HunyuanVideo I2V": Tiny("HunyuanVideoI2V", CLIP, HUNYUAN | {"in_channels": 33}, WITH_POOLED),
    "SkyReels I2V": Tiny(
        "HunyuanVideoSkyreelsI2V", CLIP, HUNYUAN | {"in_channels": 32}, WITH_POOLED
    ),
    "HunyuanVideo 1.5": Tiny(
        "HunyuanVideo15", (32, 3, 4, 4), HUNYUAN15 | {"in_channels": 65}, WITH_POOLED
    ),
    "HunyuanVideo 1.5 upscaler": Tiny(
        "HunyuanVideo15_SR_Distilled",
        (32, 3, 4, 4),
        HUNYUAN15 | {"in_channels": 98, "meanflow": True},
        WITH_POOLED,
    ),
    "Kandinsky 5 video": Tiny(
        "Kandinsky5", CLIP, KANDINSKY | {"visual_embed_dim": 132}, WITH_POOLED
    ),
    "Mochi": Tiny("GenmoMochi", (12, 3, 4, 4), MOCHI, MASK),
    "LTX-Video": Tiny(
        "LTXV",
        (128, 3, 4, 4),
        LTX | {"image_model": "ltxv", "num_layers": 1},
        MASK,
        metadata={"transformer": LTX},
    ),
    "Cosmos Predict 2 I2V": Tiny("CosmosI2VPredict2", CLIP, COSMOS | {"in_channels": 17}),
    "SeedVR2": Tiny("SeedVR2", CLIP, SEEDVR, {"condition": (17, 3, 4, 4)}),
}
