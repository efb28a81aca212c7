"""The example workflows. Each function fills a graph; its name is the file's."""

from __future__ import annotations

from collections.abc import Callable

from .graph import Graph, Output
from .parts import COLUMNS, DEV, HUB, SCHNELL, few_steps, flux, flux_files, prompt, search, shown

EXAMPLES: dict[str, Callable[[Graph], None]] = {}
INTRICATE = (
    "three ceramic owls on a shelf, the middle one wearing glasses, none of them blue, a cat "
    "asleep under the shelf"
)


def example(fill: Callable[[Graph], None]) -> Callable[[Graph], None]:
    EXAMPLES[fill.__name__] = fill
    return fill


def build(name: str, object_info: dict) -> dict:
    """The workflow of that name."""
    graph = Graph(object_info, COLUMNS)
    EXAMPLES[name](graph)
    return graph.workflow()


def schnell(
    g: Graph, text: str, reward: Callable[[], Output], budget: int, note: str, name: str
) -> None:
    """A search on FLUX.1-schnell with one reward."""
    model, clip, vae = flux(g, "flux1-schnell.safetensors")
    words, cond = prompt(g, clip, text)
    guider = g.add("text", "BasicGuider", model=model, conditioning=cond)
    noise = g.add("text", "RandomNoise", noise_seed=7)
    latent = g.add("text", "EmptySD3LatentImage", width=1024, height=1024)
    sampler, sigmas = few_steps(g)
    found = search(
        g, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent,
        vae=vae, reward=reward(), prompt=words, budget=budget, init_particles=budget // 4,
        finish_steps=2, top_k=3,
    )  # fmt: skip
    shown(g, found, name)
    g.note("load", note, height=420)


@example
def flux_schnell_rbf_vqascore(g: Graph) -> None:
    def reward() -> Output:
        return g.add("set", "FlowSearchRewardLoader", reward="vqascore",
                     reward__checkpoint="clip-flant5-xl")  # fmt: skip

    note = (
        "## FLUX.1-schnell, RBF, VQAScore\n\nThe paper's model, method and reward, with the "
        "settings that found most on a few-step model: a question-answering model says how well "
        "each candidate shows the prompt, and Rollover Budget Forcing goes on from the best."
        "\n\nDownload\n" + flux_files(SCHNELL) + "\n- models/rewards: the folder "
        f"[clip-flant5-xl]({HUB}/zhiqiulin/clip-flant5-xl)\n\nRaise **budget** for harder "
        "prompts: time grows in proportion. Short of memory: a TAEF1 as preview_vae "
        "(taef1_encoder and taef1_decoder in models/vae_approx, `taef1` in a second Load VAE)."
    )
    schnell(g, INTRICATE, reward, 100, note, "flux_schnell_rbf_vqascore")


@example
def counting_grounding_dino(g: Graph) -> None:
    def reward() -> Output:
        return g.add("set", "FlowSearchRewardLoader", reward="object_count",
                     reward__checkpoint="grounding-dino-base")  # fmt: skip

    note = (
        "## Counts that are right\n\nGrounding DINO finds the things that the prompt counts; the "
        "reward is 0 when every number is right and falls by the squared errors. Numbers are read "
        "from the prompt, or given as `airplanes: 6, camels: 7` in **counts**.\n\nDownload\n"
        + flux_files(SCHNELL) + "\n- models/rewards: the folder "
        f"[grounding-dino-base]({HUB}/IDEA-Research/grounding-dino-base)"
    )  # fmt: skip
    schnell(g, "six airplanes flying over seven camels", reward, 100, note, "counting")


@example
def vlm_judge_over_http(g: Graph) -> None:
    def reward() -> Output:
        return g.add("set", "FlowSearchRewardLoader", reward="vqascore_http",
                     reward__url="http://127.0.0.1:8000")  # fmt: skip

    note = (
        "## A judge on another computer\n\nAny server that speaks the OpenAI protocol and gives "
        "log probabilities (vLLM, llama.cpp, Ollama 0.12.11 or newer, LM Studio) answers whether a "
        "candidate shows the prompt. Put its address into **url**. Allow another computer's "
        "host first, in ComfyUI's settings under Flow Search. A key is read from the "
        "environment variable named in **api_key_env** (its name begins with FLOW_SEARCH_), "
        "never from the workflow, and goes to another computer only if a second variable, that "
        "name with _URL behind it, holds the same address.\n\nDownload\n"
        + flux_files(SCHNELL) + "\n- on the server: a vision model, for example "
        f"[Qwen3-VL-8B-Instruct]({HUB}/Qwen/Qwen3-VL-8B-Instruct)"
    )  # fmt: skip
    schnell(g, INTRICATE, reward, 60, note, "vlm_judge")


@example
def flux_dev_rbf_pickscore(g: Graph) -> None:
    model, clip, vae = flux(g, "flux1-dev.safetensors")
    words, cond = prompt(g, clip, "portrait of an old sailor with a parrot, oil on canvas")
    strong = g.add("text", "FluxGuidance", conditioning=cond, guidance=3.5)
    guider = g.add("text", "BasicGuider", model=model, conditioning=strong)
    noise = g.add("text", "RandomNoise", noise_seed=7)
    latent = g.add("text", "EmptySD3LatentImage", width=1024, height=1024)
    sampler = g.add("set", "FlowSearchVPSDESampler")
    sigmas = g.add("set", "FlowSearchScheduler", steps=10)
    reward = g.add(
        "set", "FlowSearchRewardLoader", reward="clip_score", reward__checkpoint="PickScore_v1"
    )
    found = search(
        g, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent,
        vae=vae, reward=reward, prompt=words, budget=120, init_particles=8, finish_steps=10,
        top_k=2,
    )  # fmt: skip
    shown(g, found, "flux_dev_rbf_pickscore")
    g.note("load", (
        "## FLUX.1-dev, RBF, PickScore\n\nA model of many steps: its early predictions are "
        "blurred, so every candidate is judged four plain steps ahead (**lookahead** -1 finds "
        "out), and the two best are carried on by **finish_steps** and judged again. PickScore "
        "tells what people prefer.\n\nDownload\n" + flux_files(DEV)
        + f"\n- models/rewards: the folder [PickScore_v1]({HUB}/yuvalkirstain/PickScore_v1)"
    ), height=380)  # fmt: skip


@example
def inpaint_search(g: Graph) -> None:
    model, clip, vae = flux(g, "flux1-dev.safetensors")
    picture = g.add("load", "LoadImage", image="example.png", box=(320, 360))
    words, cond = prompt(g, clip, "a red paper boat on the water")
    strong = g.add("text", "FluxGuidance", conditioning=cond, guidance=3.5)
    guider = g.add("text", "BasicGuider", model=model, conditioning=strong)
    noise = g.add("text", "RandomNoise", noise_seed=7)
    latent = g.add("text", "VAEEncode", pixels=picture, vae=vae)
    masked = g.add("text", "SetLatentNoiseMask", samples=latent, mask=Output(picture.node, 1))
    sampler = g.add("set", "FlowSearchVPSDESampler")
    sigmas = g.add("set", "FlowSearchScheduler", steps=10, denoise=0.9)
    reward = g.add(
        "set", "FlowSearchRewardLoader", reward="vqascore", reward__checkpoint="clip-flant5-xl"
    )
    found = search(
        g, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=masked,
        vae=vae, reward=reward, prompt=words, budget=100, init_particles=8, finish_steps=10,
        top_k=1,
    )  # fmt: skip
    shown(g, found, "inpaint_search")
    g.note("load", (
        "## Search inside a mask\n\nPaint a mask on the picture (right click, Open in "
        "MaskEditor) and write into the prompt what it should show: only what is masked is drawn "
        "anew, and the search finds the filling that shows the prompt best. "
        "For image to image bypass Set Latent Noise Mask and set **denoise** to about 0.6.\n\n"
        "Download\n" + flux_files(DEV)
        + f"\n- models/rewards: the folder [clip-flant5-xl]({HUB}/zhiqiulin/clip-flant5-xl)"
    ), height=400)  # fmt: skip


@example
def kontext_edit_search(g: Graph) -> None:
    file = "flux1-dev-kontext_fp8_scaled.safetensors"
    model, clip, vae = flux(g, file)
    picture = g.add("load", "LoadImage", image="example.png", box=(320, 360))
    words, cond = prompt(g, clip, "give the cat a yellow hat and nothing else")
    scaled = g.add("text", "FluxKontextImageScale", image=picture)
    latent = g.add("text", "VAEEncode", pixels=scaled, vae=vae)
    reference = g.add("text", "ReferenceLatent", conditioning=cond, latent=latent)
    strong = g.add("text", "FluxGuidance", conditioning=reference, guidance=2.5)
    guider = g.add("text", "BasicGuider", model=model, conditioning=strong)
    noise = g.add("text", "RandomNoise", noise_seed=7)
    sampler = g.add("set", "FlowSearchVPSDESampler")
    sigmas = g.add("set", "FlowSearchScheduler", steps=10)
    asked = g.add(
        "set", "PrimitiveStringMultiline", title="What the result should show", box=(320, 140),
        value="a cat with a yellow hat",
    )  # fmt: skip
    reward = g.add(
        "set", "FlowSearchRewardLoader", reward="vqascore", reward__checkpoint="clip-flant5-xl"
    )
    found = search(
        g, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent,
        vae=vae, reward=reward, prompt=asked, budget=100, init_particles=6, finish_steps=10,
        top_k=2,
    )  # fmt: skip
    shown(g, found, "kontext_edit_search")
    link = f"[{file}]({HUB}/Comfy-Org/flux1-kontext-dev_ComfyUI)"
    g.note("load", (
        "## Search for an edit\n\nFLUX.1 Kontext follows an instruction; the reward is asked "
        "whether the **result** shows what was wanted, so it has a text of its own. "
        "Load a picture of a cat, or one of your own and change both texts.\n\nDownload\n"
        + flux_files(link)
        + f"\n- models/rewards: the folder [clip-flant5-xl]({HUB}/zhiqiulin/clip-flant5-xl)"
    ), height=360)  # fmt: skip


@example
def best_of_n_against_rbf(g: Graph) -> None:
    loader = g.add("load", "FlowSearchDemoLoader", checkpoint="fast")
    model, clip, vae = (Output(loader.node, i) for i in range(3))
    words, cond = prompt(g, clip, "six red circles, four blue squares and two green triangles")
    guider = g.add("text", "BasicGuider", model=model, conditioning=cond)
    noise = g.add("text", "RandomNoise", noise_seed=7)
    latent = g.add("text", "EmptySD3LatentImage", width=128, height=128)
    sampler, sigmas = few_steps(g)
    reward = g.add("set", "FlowSearchRewardLoader", reward="colour_count")
    plain = g.add("set", "FlowSearchVPSDESampler", title="Plain ODE steps",
                  interpolant="linear", diffusion_norm=0.0, kernel="eta")  # fmt: skip
    steps = g.add("set", "BasicScheduler", model=model, scheduler="simple", steps=4)
    same = {
        "noise": noise, "guider": guider, "latent_image": latent, "vae": vae, "reward": reward,
        "prompt": words, "budget": 40,
    }  # fmt: skip
    rbf = search(g, sampler=sampler, sigmas=sigmas, init_particles=10, finish_steps=2,
                 top_k=2, **same)  # fmt: skip
    best = search(g, "FlowSearchParticles", sampler=plain,
                 sigmas=steps, method="best_of_n", finish_steps=0, top_k=2, **same)  # fmt: skip
    shown(g, rbf, "rbf")
    shown(g, best, "best_of_n")
    g.note("load", (
        "## Best of N against RBF, no downloads\n\nThe same model, prompt, seed and number of "
        "network evaluations: above Rollover Budget Forcing, below ten whole pictures of four "
        "steps and the best of them. A reward of 0 or a little less means that every count is "
        "right. Change the seed a few times: on one prompt luck decides, on sixty the tables in "
        "the README do."
    ), height=300)  # fmt: skip


@example
def wan_video_frames(g: Graph) -> None:
    model = g.add("load", "UNETLoader", unet_name="wan2.1_t2v_1.3B_fp16.safetensors",
                  weight_dtype="default")  # fmt: skip
    clip = g.add("load", "CLIPLoader", clip_name="umt5_xxl_fp8_e4m3fn_scaled.safetensors",
                 type="wan")  # fmt: skip
    vae = g.add("load", "VAELoader", vae_name="wan_2.1_vae.safetensors")
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
    reward = g.add("set", "FlowSearchRewardLoader", title="Reward of the clip", reward="video",
                   reward__frame_reward=picture, reward__frames=8)  # fmt: skip
    found = search(
        g, "FlowSearchParticles", noise=noise, guider=guider,
        sampler=sampler, sigmas=sigmas, latent_image=latent, vae=vae, reward=reward,
        prompt=words, method="best_of_n", budget=160, finish_steps=0, top_k=1,
    )  # fmt: skip
    clipped = g.add("save", "CreateVideo", images=Output(found.node, 1), fps=16.0)
    g.add("save", "SaveVideo", box=(420, 420), video=clipped,
          filename_prefix="video/flow_search")  # fmt: skip
    pictures, told = Output(found.node, 1), Output(found.node, 2)
    g.add("save", "FlowSearchReport", box=(420, 420), report=told, images=pictures)
    repackaged = f"{HUB}/Comfy-Org/Wan_2.1_ComfyUI_repackaged"
    g.note("load", (
        "## The best of four clips\n\nWan 2.1 draws four clips of 20 steps (CFG counts each twice, "
        "so 160 evaluations), and PickScore judges eight frames of each. Put "
        "`temporal_consistency` beside it with Combine Rewards for steadier clips.\n\nDownload\n"
        f"- models/diffusion_models: [wan2.1_t2v_1.3B_fp16.safetensors]({repackaged})\n"
        f"- models/text_encoders: [umt5_xxl_fp8_e4m3fn_scaled.safetensors]({repackaged})\n"
        f"- models/vae: [wan_2.1_vae.safetensors]({repackaged})\n"
        f"- models/rewards: the folder [PickScore_v1]({HUB}/yuvalkirstain/PickScore_v1)"
    ), height=420)  # fmt: skip
