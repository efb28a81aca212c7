"""Where the files of the example workflows come from: ComfyUI's page offers to download them."""

from __future__ import annotations

HUB = "https://huggingface.co"
KLEIN, FLUX2_VAE = "flux-2-klein-4b.safetensors", "flux2-vae.safetensors"
ZIMAGE, QWEN_3 = "z_image_turbo_bf16.safetensors", "qwen_3_4b.safetensors"
QWEN_IMAGE, QWEN_VAE = "qwen_image_fp8_e4m3fn.safetensors", "qwen_image_vae.safetensors"
QWEN_TEXT, QWEN_VL = "qwen_2.5_vl_7b_fp8_scaled.safetensors", "qwen3vl_4b_fp8_scaled.safetensors"
LIGHTNING = "Qwen-Image-Lightning-4steps-V1.0.safetensors"
SCHNELL, DEV = "flux1-schnell.safetensors", "flux1-dev.safetensors"
KONTEXT = "flux1-dev-kontext_fp8_scaled.safetensors"
CLIP_L, T5 = "clip_l.safetensors", "t5xxl_fp8_e4m3fn_scaled.safetensors"
AE = "ae.safetensors"
WAN, WAN_VAE = "wan2.1_t2v_1.3B_fp16.safetensors", "wan_2.1_vae.safetensors"
WAN22_HIGH, WAN22_LOW = (
    f"wan2.2_t2v_{noise}_noise_14B_fp8_scaled.safetensors" for noise in ("high", "low")
)
FOUR_STEPS_HIGH, FOUR_STEPS_LOW = (
    f"wan2.2_t2v_lightx2v_4steps_lora_v1.1_{noise}_noise.safetensors" for noise in ("high", "low")
)
UMT5 = "umt5_xxl_fp8_e4m3fn_scaled.safetensors"
LTX2, GEMMA = "ltx-2-19b-distilled.safetensors", "gemma_3_12B_it_fp4_mixed.safetensors"
SDXL, HPS = "sd_xl_base_1.0.safetensors", "HPS_v2.1_compressed.pt"

WAN22 = "Comfy-Org/Wan_2.2_ComfyUI_Repackaged/resolve/main/split_files"
PLACES = {  # folder in ComfyUI's models -> file -> where it is
    "diffusion_models": {
        SCHNELL: "Comfy-Org/flux1-schnell/resolve/main",
        DEV: "Comfy-Org/flux1-dev/resolve/main",
        KONTEXT: "Comfy-Org/flux1-kontext-dev_ComfyUI/resolve/main/split_files/diffusion_models",
        KLEIN: "Comfy-Org/flux2-klein/resolve/main/split_files/diffusion_models",
        ZIMAGE: "Comfy-Org/z_image_turbo/resolve/main/split_files/diffusion_models",
        QWEN_IMAGE: "Comfy-Org/Qwen-Image_ComfyUI/resolve/main/split_files/diffusion_models",
        WAN: "Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/diffusion_models",
        WAN22_HIGH: f"{WAN22}/diffusion_models",
        WAN22_LOW: f"{WAN22}/diffusion_models",
    },
    "checkpoints": {
        SDXL: "stabilityai/stable-diffusion-xl-base-1.0/resolve/main",
        LTX2: "Lightricks/LTX-2/resolve/main",
    },
    "loras": {
        LIGHTNING: "lightx2v/Qwen-Image-Lightning/resolve/main",
        FOUR_STEPS_HIGH: f"{WAN22}/loras",
        FOUR_STEPS_LOW: f"{WAN22}/loras",
    },
    "text_encoders": {
        CLIP_L: "comfyanonymous/flux_text_encoders/resolve/main",
        T5: "Comfy-Org/HiDream-I1_ComfyUI/resolve/main/split_files/text_encoders",
        QWEN_3: "Comfy-Org/z_image_turbo/resolve/main/split_files/text_encoders",
        QWEN_TEXT: "Comfy-Org/Qwen-Image_ComfyUI/resolve/main/split_files/text_encoders",
        QWEN_VL: "Comfy-Org/Qwen3-VL/resolve/main/text_encoders",
        GEMMA: "Comfy-Org/ltx-2/resolve/main/split_files/text_encoders",
        UMT5: "Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/text_encoders",
    },
    "vae": {
        AE: "Comfy-Org/Lumina_Image_2.0_Repackaged/resolve/main/split_files/vae",
        FLUX2_VAE: "Comfy-Org/flux2-dev/resolve/main/split_files/vae",
        QWEN_VAE: "Comfy-Org/Qwen-Image_ComfyUI/resolve/main/split_files/vae",
        WAN_VAE: f"{WAN22}/vae",
    },
    "rewards": {HPS: "xswu/HPSv2/resolve/main"},
}
MODELS = {
    name: {"name": name, "url": f"{HUB}/{place}/{name}", "directory": folder}
    for folder, files in PLACES.items()
    for name, place in files.items()
}
SIZES = {  # GB
    SCHNELL: 23.8, DEV: 23.8, KONTEXT: 11.9, KLEIN: 7.8, ZIMAGE: 12.3, QWEN_IMAGE: 20.4, WAN: 2.8,
    SDXL: 6.9, LIGHTNING: 1.7, CLIP_L: 0.2, T5: 5.2, QWEN_3: 8.0, QWEN_TEXT: 9.4, QWEN_VL: 5.2,
    UMT5: 6.7, LTX2: 43.3, GEMMA: 9.4, AE: 0.3, FLUX2_VAE: 0.3, QWEN_VAE: 0.3, WAN_VAE: 0.3,
    HPS: 2.0, WAN22_HIGH: 14.3, WAN22_LOW: 14.3, FOUR_STEPS_HIGH: 1.2, FOUR_STEPS_LOW: 1.2,
}  # fmt: skip


def listed(*files: str) -> str:
    """The lines of a note with links to files, their folders and sizes."""
    models = [MODELS[file] for file in files]
    return "\n".join(
        f"- models/{m['directory']}: [{m['name']}]({m['url']}), {SIZES[m['name']]:g} GB"
        for m in models
    )


def models_of(values: dict[str, object]) -> list[dict[str, str]]:
    """What the page needs to download the files that a node loads.

    Args:
        values: of the node's inputs.
    """
    return [MODELS[v] for v in values.values() if isinstance(v, str) and v in MODELS]
