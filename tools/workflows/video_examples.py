"""The example workflows that draw videos."""

from __future__ import annotations

from .downloads import HUB, UMT5, WAN, WAN_VAE, listed
from .graph import Graph, Output
from .parts import cost, prompt, search


def wan_video_frames(g: Graph) -> None:
    model = g.add("load", "UNETLoader", unet_name=WAN,
                  weight_dtype="default")  # fmt: skip
    clip = g.add("load", "CLIPLoader", clip_name=UMT5,
                 type="wan")  # fmt: skip
    vae = g.add("load", "VAELoader", vae_name=WAN_VAE)
    shifted = g.add("load", "ModelSamplingSD3", model=model, shift=8.0)
    words, cond = prompt(g, clip, "a fox runs through a snowy forest, the camera follows")
    bad = g.add("text", "CLIPTextEncode", title="Negative", box=(340, 120), clip=clip,
                text="blurred, distorted, still picture, text")  # fmt: skip
    guider = g.add("text", "CFGGuider", model=shifted, positive=cond, negative=bad, cfg=6.0)
    noise = g.add("text", "RandomNoise", noise_seed=7)
    latent = g.add("text", "EmptyHunyuanLatentVideo", width=832, height=480, length=33)
    sampler = g.add("set", "FlowSearchVPSDESampler", interpolant="linear", diffusion_norm=0.0,
                    kernel="eta")  # fmt: skip
    sigmas = g.add("set", "BasicScheduler", model=shifted, scheduler="simple", steps=20)
    picture = g.add(
        "set", "FlowSearchRewardLoader", title="Reward of a frame", reward="clip_score",
        reward__checkpoint="PickScore_v1",
    )  # fmt: skip
    reward = g.add("set", "FlowSearchRewardLoader", title="Reward of the video", reward="video",
                   reward__frame_reward=picture, reward__frames=8)  # fmt: skip
    result = search(
        g, "FlowSearchParticles", noise=noise, guider=guider,
        sampler=sampler, sigmas=sigmas, latent_image=latent, vae=vae, reward=reward,
        prompt=words, method="best_of_n", budget=160, finish_steps=0, top_k=1,
    )  # fmt: skip
    clipped = g.add("save", "CreateVideo", images=Output(result.node, 1), fps=16.0)
    g.add("save", "SaveVideo", box=(420, 420), video=clipped,
          filename_prefix="video/flow_search")  # fmt: skip
    images, report = Output(result.node, 1), Output(result.node, 2)
    g.add("save", "FlowSearchReport", box=(420, 420), report=report, images=images)
    g.note("load", (
        "## The best of four videos\n\nWan 2.1 draws four videos of 20 steps. CFG doubles the cost "
        "of a step, so this takes 160 evaluations. PickScore scores eight frames of each video. "
        "For steadier videos, add `temporal_consistency` with Combine Rewards.\n\n**Reward:** "
        "`video` over any reward of images."
        + cost(4, 4, "all of it fits.", "video") + "\n\n**Download**\n"
        + listed(WAN, UMT5, WAN_VAE) + "\n"
        f"- models/rewards: the folder [PickScore_v1]({HUB}/yuvalkirstain/PickScore_v1), 3.9 GB"
    ), height=520)  # fmt: skip
