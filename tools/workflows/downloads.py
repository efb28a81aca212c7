"""Where the files of the example workflows come from: ComfyUI's page offers to download them."""

from __future__ import annotations

HUB = "https://huggingface.co"
PLACES = {  # folder in ComfyUI's models -> file -> where it is
    "diffusion_models": {
        "flux1-schnell.safetensors": "Comfy-Org/flux1-schnell/resolve/main",
        "flux1-dev.safetensors": "Comfy-Org/flux1-dev/resolve/main",
        "flux1-dev-kontext_fp8_scaled.safetensors": (
            "Comfy-Org/flux1-kontext-dev_ComfyUI/resolve/main/split_files/diffusion_models"
        ),
        "wan2.1_t2v_1.3B_fp16.safetensors": (
            "Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/diffusion_models"
        ),
    },
    "text_encoders": {
        "clip_l.safetensors": "comfyanonymous/flux_text_encoders/resolve/main",
        "t5xxl_fp8_e4m3fn_scaled.safetensors": (
            "Comfy-Org/HiDream-I1_ComfyUI/resolve/main/split_files/text_encoders"
        ),
        "umt5_xxl_fp8_e4m3fn_scaled.safetensors": (
            "Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files/text_encoders"
        ),
    },
    "vae": {
        "ae.safetensors": "Comfy-Org/Lumina_Image_2.0_Repackaged/resolve/main/split_files/vae",
        "wan_2.1_vae.safetensors": (
            "Comfy-Org/Wan_2.2_ComfyUI_Repackaged/resolve/main/split_files/vae"
        ),
    },
}
MODELS = {
    name: {"name": name, "url": f"{HUB}/{place}/{name}", "directory": folder}
    for folder, files in PLACES.items()
    for name, place in files.items()
}


SIZES = {  # GB
    "flux1-schnell.safetensors": 23.8,
    "flux1-dev.safetensors": 23.8,
    "flux1-dev-kontext_fp8_scaled.safetensors": 11.9,
    "wan2.1_t2v_1.3B_fp16.safetensors": 2.8,
    "clip_l.safetensors": 0.2,
    "t5xxl_fp8_e4m3fn_scaled.safetensors": 5.2,
    "umt5_xxl_fp8_e4m3fn_scaled.safetensors": 6.7,
    "ae.safetensors": 0.3,
    "wan_2.1_vae.safetensors": 0.3,
}


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
