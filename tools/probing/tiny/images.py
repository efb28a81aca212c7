"""Flow models that make pictures."""

import torch

from .spec import FRAME, IMAGE, MASK, PIXELS, POOLED, TEXT, TOKENS, WIDE, WITH_POOLED, Tiny

# fmt: off
FLUX = {  # the sizes that the stock loader finds in a file
    "image_model": "flux", "in_channels": 16, "out_channels": 16, "vec_in_dim": POOLED,
    "context_in_dim": TEXT, "hidden_size": 128, "mlp_ratio": 4.0, "num_heads": 1, "depth": 1,
    "depth_single_blocks": 1, "axes_dim": [16, 56, 56], "theta": 10000, "patch_size": 2,
    "qkv_bias": True, "guidance_embed": True, "txt_ids_dims": [],
}
SMALL = {"hidden_size": 32, "axes_dim": [8, 12, 12], "mlp_ratio": 2.0}
FLUX2 = FLUX | {
    "image_model": "flux2", "in_channels": 128, "out_channels": 128, "vec_in_dim": None,
    "axes_dim": [32, 32, 32, 32], "theta": 2000, "patch_size": 1, "qkv_bias": False,
    "global_modulation": True, "mlp_silu_act": True, "ops_bias": False, "mlp_ratio": 3.0,
    "default_ref_method": "index", "ref_index_scale": 10.0, "txt_ids_dims": [3],
    "guidance_embed": False,
}
CHROMA = {k: v for k, v in FLUX.items() if k != "guidance_embed"} | SMALL | {
    "image_model": "chroma", "in_channels": 64, "out_channels": 64, "in_dim": 64, "out_dim": 32,
    "hidden_dim": 32, "n_layers": 1, "vec_in_dim": None,
}
RADIANCE = CHROMA | {
    "image_model": "chroma_radiance", "in_channels": 3, "out_channels": 3, "patch_size": 16,
    "nerf_hidden_size": 8, "nerf_mlp_ratio": 2, "nerf_depth": 1, "nerf_max_freqs": 4,
    "nerf_tile_size": 512, "nerf_final_head_type": "conv", "nerf_embedder_dtype": torch.float32,
    "use_x0": True, "use_sequential_txt_ids": False,
}
SD3 = {
    "input_size": None, "patch_size": 2, "in_channels": 16, "depth": 1,
    "adm_in_channels": POOLED, "pos_embed_max_size": 16, "num_patches": 256,
    "pos_embed_scaling_factor": None, "qk_norm": "rms",
    "context_embedder_config": {
        "target": "torch.nn.Linear", "params": {"in_features": TEXT, "out_features": 64},
    },
}
AURA = {
    "cond_seq_dim": TEXT, "dim": 256, "n_layers": 2, "n_double_layers": 1, "n_heads": 1,
    "max_seq": 64, "global_conddim": 256,
}
LUMINA = {
    "image_model": "lumina2", "patch_size": 2, "in_channels": 16, "dim": 32, "cap_feat_dim": TEXT,
    "n_layers": 1, "n_refiner_layers": 1, "qk_norm": True, "n_heads": 1, "n_kv_heads": 1,
    "axes_dims": [8, 12, 12], "axes_lens": [300, 512, 512], "rope_theta": 10000.0,
    "ffn_dim_multiplier": 1.0, "multiple_of": 32,
}
ZIMAGE = LUMINA | {
    "z_image_modulation": True, "time_scale": 1000.0, "pad_tokens_multiple": 32, "dim": 256,
    "n_heads": 8, "n_kv_heads": 8,
}
ZIMAGE_PIXELS = ZIMAGE | {
    "image_model": "zimage_pixel", "in_channels": 3, "patch_size": 16, "use_x0": True,
    "decoder_in_channels": 768, "decoder_hidden_size": 32, "decoder_num_res_blocks": 1,
    "decoder_max_freqs": 4,
}
QWEN = {
    "image_model": "qwen_image", "num_layers": 1, "attention_head_dim": 32,
    "num_attention_heads": 1, "joint_attention_dim": TEXT, "axes_dims_rope": (8, 12, 12),
}
HIDREAM = {
    "image_model": "hidream", "attention_head_dim": 32, "axes_dims_rope": [16, 8, 8],
    "caption_channels": [TEXT, TEXT], "max_resolution": [128, 128], "in_channels": 16,
    "llama_layers": [0, 0], "num_attention_heads": 1, "num_routed_experts": 2,
    "num_activated_experts": 1, "num_layers": 1, "num_single_layers": 1, "out_channels": 16,
    "patch_size": 2, "text_emb_dim": POOLED,
}
HIDREAM_O1 = {
    "image_model": "hidream_o1",
    "text_config_overrides": {
        "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 128,
    },
    "vision_config_overrides": {
        "hidden_size": 32, "num_heads": 1, "intermediate_size": 32, "depth": 1,
        "num_position_embeddings": 16, "deepstack_visual_indexes": (),
    },
}
TOKEN_IDS = {"text_input_ids": torch.tensor([[151644, 872, 198, 32, 151673]])}
LENS = {
    "image_model": "lens", "in_channels": 128, "out_channels": 32, "num_layers": 1,
    "attention_head_dim": 32, "num_attention_heads": 1, "enc_hidden_dim": TEXT,
    "axes_dims_rope": (8, 12, 12), "multi_layer_encoder_feature": True,
    "selected_layer_index": (0, 1),
}
OMNIGEN = {
    "image_model": "omnigen2", "axes_dim_rope": [8, 8, 8], "axes_lens": [1024, 1664, 1664],
    "hidden_size": 48, "in_channels": 16, "multiple_of": 16, "norm_eps": 1e-5,
    "num_attention_heads": 2, "num_kv_heads": 1, "num_layers": 1, "num_refiner_layers": 1,
    "patch_size": 2, "text_feat_dim": TEXT, "timestep_scale": 1000.0, "ffn_dim_multiplier": None,
}
BOOGU = {k: v for k, v in OMNIGEN.items() if k != "text_feat_dim"} | {
    "image_model": "boogu", "num_double_stream_layers": 1, "instruction_feat_dim": TEXT,
}
IDEOGRAM = {
    "image_model": "ideogram4", "in_channels": 128, "num_layers": 1, "num_attention_heads": 1,
    "attention_head_dim": 64, "intermediate_size": 32, "adaln_dim": 16, "llm_features_dim": TEXT,
    "mrope_section": [8, 12, 12],
}
KREA = {
    "image_model": "krea2", "features": 128, "tdim": 32, "txtdim": 32, "heads": 1, "kvheads": 1,
    "multiplier": 1, "layers": 1, "txtlayers": 1, "txtheads": 1, "txtkvheads": 1,
}
JOY = {
    "image_model": "joyimage", "hidden_size": 128, "num_attention_heads": 1, "text_dim": TEXT,
    "mlp_width_ratio": 1.0, "num_layers": 1,
}
ERNIE = {
    "image_model": "ernie", "hidden_size": 32, "num_attention_heads": 1, "num_layers": 1,
    "ffn_hidden_size": 32, "text_in_dim": TEXT, "rope_axes_dim": (8, 12, 12),
}
PIXELDIT = {
    "image_model": "pixeldit_t2i", "num_groups": 2, "hidden_size": 64, "pixel_hidden_size": 8,
    "pixel_attn_hidden_size": 32, "pixel_num_groups": 1, "patch_depth": 1, "pixel_depth": 1,
    "txt_embed_dim": TEXT, "txt_max_length": 8,
}
PID = PIXELDIT | {
    "image_model": "pid", "lq_hidden_dim": 16, "lq_num_res_blocks": 1, "lq_interval": 1,
}
HUNYUAN = {
    "image_model": "hunyuan_video", "in_channels": 16, "out_channels": 16, "vec_in_dim": None,
    "context_in_dim": TEXT, "hidden_size": 32, "mlp_ratio": 2.0, "num_heads": 1, "depth": 1,
    "depth_single_blocks": 1, "axes_dim": [8, 12, 12], "theta": 256, "patch_size": [1, 2, 2],
    "qkv_bias": True, "guidance_embed": True, "byt5": False, "meanflow": False,
    "use_cond_type_embedding": False, "vision_in_dim": None, "meanflow_sum": False,
}
HUNYUAN_IMAGE = HUNYUAN | {
    "in_channels": 64, "out_channels": 64, "patch_size": [1, 1], "axes_dim": [16, 16],
}
HUNYUAN_REFINER = HUNYUAN | {"in_channels": 128, "out_channels": 64, "patch_size": [1, 1, 1]}
KANDINSKY = {
    "image_model": "kandinsky5", "in_text_dim": TEXT, "in_text_dim2": POOLED, "time_dim": 16,
    "model_dim": 32, "ff_dim": 32, "num_text_blocks": 1, "num_visual_blocks": 1,
    "axes_dims": (8, 12, 12),
}
ANIMA = {
    "image_model": "anima", "max_img_h": 240, "max_img_w": 240, "max_frames": 128,
    "in_channels": 16, "out_channels": 16, "patch_spatial": 2, "patch_temporal": 1,
    "model_channels": 64, "concat_padding_mask": True, "crossattn_emb_channels": TEXT,
    "pos_emb_cls": "rope3d", "num_blocks": 1, "num_heads": 2, "use_adaln_lora": True,
    "adaln_lora_dim": 8,
}
COSMOS = ANIMA | {"image_model": "cosmos_predict2"}
# fmt: on

IMAGES = {
    "FLUX.1 dev": Tiny("Flux", IMAGE, FLUX, WITH_POOLED),
    "FLUX.1 schnell": Tiny("FluxSchnell", IMAGE, FLUX | {"guidance_embed": False}, WITH_POOLED),
    "FLUX.1 Fill": Tiny("FluxInpaint", IMAGE, FLUX | SMALL | {"in_channels": 96}, WITH_POOLED),
    "FLUX.2": Tiny("Flux2", WIDE, FLUX2),
    "LongCat-Image": Tiny(
        "LongCatImage",
        IMAGE,
        FLUX | SMALL | {"guidance_embed": False, "vec_in_dim": None, "txt_ids_dims": [1, 2]},
    ),
    "Chroma": Tiny("Chroma", IMAGE, CHROMA),
    "Chroma Radiance": Tiny("ChromaRadiance", PIXELS, RADIANCE),
    "SD3.5": Tiny("SD3", IMAGE, SD3, WITH_POOLED),
    "AuraFlow": Tiny("AuraFlow", (4, 8, 8), AURA),
    "Lumina 2": Tiny("Lumina2", IMAGE, LUMINA),
    "Z-Image": Tiny("ZImage", IMAGE, ZIMAGE),
    "Z-Image in pixels": Tiny("ZImagePixelSpace", PIXELS, ZIMAGE_PIXELS),
    "Qwen-Image": Tiny("QwenImage", FRAME, QWEN),
    "HiDream-I1": Tiny(
        "HiDream", IMAGE, HIDREAM, WITH_POOLED | {"conditioning_llama3": (1, TOKENS, TEXT)}
    ),
    "HiDream-O1": Tiny("HiDreamO1", (3, 64, 64), HIDREAM_O1, TOKEN_IDS),
    "Lens": Tiny("Lens", WIDE, LENS, text=(TOKENS, 2 * TEXT)),
    "OmniGen 2": Tiny("Omnigen2", IMAGE, OMNIGEN, MASK),
    "Boogu-Image": Tiny("Boogu", IMAGE, BOOGU, MASK),
    "Ideogram 4": Tiny("Ideogram4", WIDE, IDEOGRAM),
    "Krea 2": Tiny("Krea2", FRAME, KREA, text=(TOKENS, 32)),
    "Mage-Flow": Tiny("MageFlow", WIDE, QWEN | {"image_model": "mage_flow"}),
    "JoyImage": Tiny("JoyImage", FRAME, JOY),
    "ERNIE-Image": Tiny("ErnieImage", WIDE, ERNIE),
    "PixelDiT": Tiny("PixelDiTT2I", PIXELS, PIXELDIT),
    "PiD": Tiny(
        "PiD", PIXELS, PID, {"lq_latent": (16, 1, 1), "degrade_sigma": torch.tensor([0.0])}
    ),
    "HunyuanImage 2.1": Tiny("HunyuanImage21", (64, 4, 4), HUNYUAN_IMAGE),
    "HunyuanImage 2.1 refiner": Tiny("HunyuanImage21Refiner", (64, 1, 4, 4), HUNYUAN_REFINER),
    "Kandinsky 5 image": Tiny(
        "Kandinsky5Image", IMAGE, KANDINSKY | {"visual_embed_dim": 64}, WITH_POOLED
    ),
    "Anima": Tiny("Anima", FRAME, ANIMA, drop=("llm_adapter",)),
    "Cosmos Predict 2 T2I": Tiny("CosmosT2IPredict2", FRAME, COSMOS),
}
