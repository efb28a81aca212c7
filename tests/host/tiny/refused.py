"""Models that a search refuses. None has a network."""

from .spec import Tiny

UNET = {"in_channels": 4, "adm_in_channels": None}


def refused(config: str, latent: tuple = (4, 8, 8), **more) -> Tiny:
    unet = UNET | more.pop("unet", {})
    return Tiny(config, latent, unet, network=False, **more)


NOT_FROM_NOISE = {
    "Lotus": refused("LotusD"),
    "Wan 2.1 FlowRVS": refused("WAN21_FlowRVS", (16, 3, 4, 4)),
}
NO_PICTURES = {
    "Stable Audio 1": refused(
        "StableAudio",
        (64, 16),
        unet={"audio_model": "dit1.0"},
        clocks=("seconds_start", "seconds_total"),
    ),
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
}
