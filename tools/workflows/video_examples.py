"""The example workflows that draw videos."""

from __future__ import annotations

from .downloads import (
    FOUR_STEPS_HIGH,
    FOUR_STEPS_LOW,
    GEMMA,
    HUB,
    LTX2,
    UMT5,
    WAN,
    WAN22_HIGH,
    WAN22_LOW,
    WAN_VAE,
    listed,
)
from .graph import Graph, Output
from .parts import SAVED, cost, prompt, search

# Those of ComfyUI's own template for the distilled model.
LTX2_SIGMAS = "1., 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0"


def pickscore_of_frames(g: Graph) -> Output:
    """The loaders of PickScore and of the reward that scores eight frames with it."""
    frame = g.add("set", "FlowSearchRewardLoader", title="Reward of a frame", reward="clip_score",
                  reward__checkpoint="PickScore_v1")  # fmt: skip
    return g.add("set", "FlowSearchRewardLoader", title="Reward of the video", reward="video",
                 reward__frame_reward=frame, reward__frames=8)  # fmt: skip


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
    g.add("save", "SaveVideo", box=(SAVED, 420), video=clipped,
          filename_prefix="video/flow_search")  # fmt: skip
    images, report = Output(result.node, 1), Output(result.node, 2)
    g.add("save", "FlowSearchReport", box=(SAVED, 420), report=report, images=images)
    g.note("load", (
        "## The best of four videos\n\nWan 2.1 draws four videos of 20 steps. CFG doubles the cost "
        "of a step, so this takes 160 evaluations. PickScore scores eight frames of each video. "
        "For steadier videos, add `temporal_consistency` with Combine Rewards.\n\n**Reward:** "
        "`video` over any reward of images."
        + cost(4, 4, "all of it fits.", "video") + "\n\n**Download**\n"
        + listed(WAN, UMT5, WAN_VAE) + "\n"
        f"- models/rewards: the folder [PickScore_v1]({HUB}/yuvalkirstain/PickScore_v1), 3.9 GB"
    ), height=520)  # fmt: skip


def ltx2_sound(g: Graph) -> None:
    loader = g.add("load", "CheckpointLoaderSimple", ckpt_name=LTX2)
    model, vae = Output(loader.node, 0), Output(loader.node, 2)
    clip = g.add("load", "LTXAVTextEncoderLoader", text_encoder=GEMMA, ckpt_name=LTX2)
    sound_vae = g.add("load", "LTXVAudioVAELoader", ckpt_name=LTX2)
    words, cond = prompt(
        g, clip,
        "a street musician plays the violin in the rain, passers-by under umbrellas stop to "
        "listen, a warm melody over the sound of raindrops",
    )  # fmt: skip
    bad = g.add("text", "CLIPTextEncode", title="Negative", box=(340, 120), clip=clip, text="")
    timed = g.add("text", "LTXVConditioning", positive=cond, negative=bad, frame_rate=25.0)
    guider = g.add("text", "CFGGuider", model=model, positive=timed,
                   negative=Output(timed.node, 1), cfg=1.0)  # fmt: skip
    noise = g.add("text", "RandomNoise", noise_seed=7)
    video = g.add("set", "EmptyLTXVLatentVideo", width=768, height=512, length=97)
    sound = g.add("set", "LTXVEmptyLatentAudio", frames_number=97, frame_rate=25,
                  audio_vae=sound_vae)  # fmt: skip
    both = g.add("set", "LTXVConcatAVLatent", video_latent=video, audio_latent=sound)
    sampler = g.add("set", "KSamplerSelect", sampler_name="euler_ancestral")
    sigmas = g.add("set", "ManualSigmas", sigmas=LTX2_SIGMAS)
    reward = pickscore_of_frames(g)
    result = search(
        g, "FlowSearchParticles", noise=noise, guider=guider, sampler=sampler, sigmas=sigmas,
        latent_image=both, vae=vae, reward=reward, prompt=words, method="best_of_n", budget=32,
        finish_steps=0, top_k=1,
    )  # fmt: skip
    apart = g.add("save", "LTXVSeparateAVLatent", av_latent=result)
    heard = g.add("save", "LTXVAudioVAEDecode", samples=Output(apart.node, 1), audio_vae=sound_vae)
    images, report = Output(result.node, 1), Output(result.node, 2)
    clipped = g.add("save", "CreateVideo", images=images, audio=heard, fps=25.0)
    g.add("save", "SaveVideo", box=(420, 420), video=clipped,
          filename_prefix="video/flow_search")  # fmt: skip
    g.add("save", "FlowSearchReport", box=(420, 420), report=report, images=images)
    g.note("load", (
        "## The best of four videos, with its sound\n\nLTX-2 draws video and sound together. This "
        "makes four of 8 steps and keeps one. PickScore scores eight frames of each video. It does "
        "not hear the sound, which comes along.\n\nTry the method `regional`, too. It draws one "
        "part of the best video anew and keeps its sound's noise.\n\n"
        "**Reward:** `video` over any reward of images."
        + cost(4, 4, "use `ltx-2-19b-distilled-fp8`. ComfyUI keeps in memory what the card "
               "cannot hold.", "video") + "\n\n**Download**\n"
        + listed(LTX2, GEMMA) + "\n"
        f"- models/rewards: the folder [PickScore_v1]({HUB}/yuvalkirstain/PickScore_v1), 3.9 GB"
    ), height=560)  # fmt: skip


def wan22_expert(g: Graph, file: str, lora: str, noise: str) -> Output:
    """One expert of Wan 2.2 14B with its LoRA for four steps, shifted.

    Args:
        g: the graph.
        file: the expert's weights.
        lora: the file of its LoRA.
        noise: High or Low.
    """
    model = g.add("load", "UNETLoader", title=f"{noise} noise", unet_name=file,
                  weight_dtype="default")  # fmt: skip
    quick = g.add("load", "LoraLoaderModelOnly", title=f"{noise} noise, 4 steps", model=model,
                  lora_name=lora, strength_model=1.0)  # fmt: skip
    return g.add("load", "ModelSamplingSD3", title=f"{noise} noise, shift", model=quick, shift=5.0)


def wan22_experts(g: Graph) -> None:
    high = wan22_expert(g, WAN22_HIGH, FOUR_STEPS_HIGH, "High")
    low = wan22_expert(g, WAN22_LOW, FOUR_STEPS_LOW, "Low")
    clip = g.add("load", "CLIPLoader", clip_name=UMT5, type="wan")
    vae = g.add("load", "VAELoader", vae_name=WAN_VAE)
    words, cond = prompt(g, clip, "a red tram climbs a steep street in fog, two people step aside")
    guider = g.add("text", "BasicGuider", model=high, conditioning=cond)
    noise = g.add("text", "RandomNoise", noise_seed=7)
    latent = g.add("text", "EmptyHunyuanLatentVideo", width=640, height=640, length=49)
    sampler = g.add("set", "FlowSearchVPSDESampler", interpolant="linear", diffusion_norm=0.0,
                    kernel="eta")  # fmt: skip
    sigmas = g.add("set", "BasicScheduler", model=high, scheduler="simple", steps=4)
    reward = pickscore_of_frames(g)
    result = search(
        g, "FlowSearchParticles", noise=noise, guider=guider, sampler=sampler, sigmas=sigmas,
        latent_image=latent, vae=vae, reward=reward, prompt=words, method="best_of_n", budget=24,
        finish_steps=0, top_k=1, model_low=low, boundary=0.875,
    )  # fmt: skip
    images, report = Output(result.node, 1), Output(result.node, 2)
    clipped = g.add("save", "CreateVideo", images=images, fps=16.0)
    g.add("save", "SaveVideo", box=(420, 420), video=clipped,
          filename_prefix="video/flow_search")  # fmt: skip
    g.add("save", "FlowSearchReport", box=(420, 420), report=report, images=images)
    g.note("load", (
        "## Both experts of Wan 2.2 in one search\n\nThe guider has the expert for high noise. "
        "**model_low** has the other one, for sigmas below **boundary**. The search draws six "
        "videos of 4 steps together, so that it changes the expert once for all of them. Each "
        "expert has its own LoRA.\n\n**Reward:** `video` over any reward of images."
        + cost(6, 6, "one expert is loaded at a time. ComfyUI keeps in memory what the card "
               "cannot hold.", "video") + "\n\n**Download**\n"
        + listed(WAN22_HIGH, WAN22_LOW, FOUR_STEPS_HIGH, FOUR_STEPS_LOW, UMT5, WAN_VAE) + "\n"
        f"- models/rewards: the folder [PickScore_v1]({HUB}/yuvalkirstain/PickScore_v1), 3.9 GB"
    ), height=640)  # fmt: skip
