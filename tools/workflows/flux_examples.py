"""The example workflows on FLUX.1."""

from __future__ import annotations

from collections.abc import Callable

from .downloads import DEV, HUB, KONTEXT, SCHNELL
from .graph import Graph, Output
from .parts import GGUF, cost, few_steps, flux, flux_files, prompt, search, shown

HARD_PROMPT = (
    "three ceramic owls on a shelf, the middle one wearing glasses, none of them blue, a cat "
    "asleep under the shelf"
)


def schnell(
    g: Graph, text: str, reward: Callable[[], Output], budget: int, note: str, name: str
) -> None:
    """A search on FLUX.1-schnell with one reward.

    Args:
        g: gets the nodes.
        text: the prompt.
        reward: adds the reward.
        budget: NFE.
        note: what the note says, in Markdown.
        name: prefix of saved images.
    """
    model, clip, vae = flux(g, SCHNELL)
    words, cond = prompt(g, clip, text)
    guider = g.add("text", "BasicGuider", model=model, conditioning=cond)
    noise = g.add("text", "RandomNoise", noise_seed=7)
    latent = g.add("text", "EmptySD3LatentImage", width=1024, height=1024)
    sampler, sigmas = few_steps(g)
    result = search(
        g, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent,
        vae=vae, reward=reward(), prompt=words, budget=budget,
        finish_steps=2, top_k=3,
    )  # fmt: skip
    shown(g, result, name)
    g.note("load", note, height=560)


def guided(g: Graph, model: Output, cond: Output, guidance: float) -> tuple[Output, Output]:
    """The guider of a model with FLUX's guidance, and the noise.

    Args:
        g: gets the nodes.
        model: of FLUX.
        cond: the text.
        guidance: strength of FLUX's guidance.
    """
    strong = g.add("text", "FluxGuidance", conditioning=cond, guidance=guidance)
    guider = g.add("text", "BasicGuider", model=model, conditioning=strong)
    return guider, g.add("text", "RandomNoise", noise_seed=7)


def ten_steps(g: Graph, denoise: float = 1.0) -> tuple[Output, Output]:
    """Sampler and sigmas of a model that needs many steps."""
    sampler = g.add("set", "FlowSearchVPSDESampler")
    return sampler, g.add("set", "FlowSearchScheduler", steps=10, denoise=denoise)


def vqascore(g: Graph) -> Output:
    return g.add(
        "set", "FlowSearchRewardLoader", reward="vqascore", reward__checkpoint="clip-flant5-xl"
    )


def flux_schnell_rbf_vqascore(g: Graph) -> None:
    note = (
        "## FLUX.1-schnell, RBF, VQAScore\n\nThis is the paper's model, method and reward, with "
        "settings for few-step models. A question-answering model scores how well each particle "
        "shows the prompt. Rollover Budget Forcing continues from the best."
        "\n\nRaise **budget** for harder prompts. The time grows in proportion.\n\n**Reward:** "
        "`vqascore` for relations, attributes and logic."
        + cost(25, 100, GGUF + " clip-flant5-xl does not fit beside it, so they take turns.")
        + "\n\nA TAEF1 as preview_vae decodes faster: put taef1_encoder and taef1_decoder into "
        "models/vae_approx, and choose `taef1` in a second Load VAE."
        "\n\n**Download**\n" + flux_files(SCHNELL) + "\n- models/rewards: the folder "
        f"[clip-flant5-xl]({HUB}/zhiqiulin/clip-flant5-xl), 6.3 GB"
    )
    schnell(g, HARD_PROMPT, lambda: vqascore(g), 100, note, "flux_schnell_rbf_vqascore")


def counting_grounding_dino(g: Graph) -> None:
    def reward() -> Output:
        return g.add("set", "FlowSearchRewardLoader", reward="object_count",
                     reward__checkpoint="grounding-dino-base")  # fmt: skip

    note = (
        "## Correct counts\n\nGrounding DINO counts the objects of the prompt in each image. The "
        "reward is 0 if every count is right, and falls with the squared errors. The counts come "
        "from the prompt, or from **counts**, for example `airplanes: 6, camels: 7`."
        "\n\n**Reward:** `object_count` for exact counts. As a watchdog, take `object_count_owl`."
        + cost(25, 100, GGUF + " The detector fits beside it.") + "\n\n**Download**\n"
        + flux_files(SCHNELL) + "\n- models/rewards: the folder "
        f"[grounding-dino-base]({HUB}/IDEA-Research/grounding-dino-base), 0.9 GB"
    )  # fmt: skip
    schnell(g, "six airplanes flying over seven camels", reward, 100, note, "counting")


def vlm_judge_over_http(g: Graph) -> None:
    def reward() -> Output:
        return g.add("set", "FlowSearchRewardLoader", reward="vqascore_http",
                     reward__url="http://127.0.0.1:8000")  # fmt: skip

    note = (
        "## A judge on another computer\n\nA server answers whether an image shows the prompt. It "
        "must use the OpenAI protocol and return log probabilities: vLLM, llama.cpp, LM Studio, or "
        "Ollama 0.12.11 or newer. Put its address into **url**.\n\nTo use another computer, first "
        "allow its host in ComfyUI's settings, under Flow Search.\n\nIf the server needs a key, "
        "put it into an environment variable and write its name into **api_key_env**. The name "
        "must begin with FLOW_SEARCH_. The key goes to another computer only if a second variable "
        "has the same address. The name of that variable ends with _URL.\n\n**Reward:** "
        "`vqascore_http` if the card of this computer has no room for a judge."
        + cost(15, 60, GGUF + " The judge takes nothing of it.") + "\n\n**Download**\n"
        + flux_files(SCHNELL) + "\n- on the server: a vision model, for example "
        f"[Qwen3-VL-8B-Instruct]({HUB}/Qwen/Qwen3-VL-8B-Instruct), 17.5 GB"
    )  # fmt: skip
    schnell(g, HARD_PROMPT, reward, 60, note, "vlm_judge")


def flux_dev_rbf_pickscore(g: Graph) -> None:
    model, clip, vae = flux(g, DEV)
    words, cond = prompt(g, clip, "portrait of an old sailor with a parrot, oil on canvas")
    guider, noise = guided(g, model, cond, 3.5)
    latent = g.add("text", "EmptySD3LatentImage", width=1024, height=1024)
    sampler, sigmas = ten_steps(g)
    reward = g.add(
        "set", "FlowSearchRewardLoader", reward="clip_score", reward__checkpoint="PickScore_v1"
    )
    result = search(
        g, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent,
        vae=vae, reward=reward, prompt=words, budget=120, init_particles=8, finish_steps=10,
        top_k=2,
    )  # fmt: skip
    shown(g, result, "flux_dev_rbf_pickscore")
    g.note("load", (
        "## FLUX.1-dev, RBF, PickScore\n\nFLUX.1-dev needs many steps, and its early predictions "
        "are blurred. So every particle is scored after some plain steps ahead; **lookahead** -1 "
        "chooses how many. The two best particles are finished with **finish_steps** and scored "
        "again.\n\nWith FLUX.1-schnell on **lookahead_model** a look takes 1 evaluation in place "
        "of 4.\n\n**Reward:** PickScore (`clip_score`) for looks. It predicts which image people "
        "prefer."
        + cost(6, 30, GGUF + " PickScore fits beside it.") + "\n\n**Download**\n"
        + flux_files(DEV)
        + f"\n- models/rewards: the folder [PickScore_v1]({HUB}/yuvalkirstain/PickScore_v1), 3.9 GB"
    ), height=560)  # fmt: skip


def inpaint_search(g: Graph) -> None:
    model, clip, vae = flux(g, DEV)
    picture = g.add("load", "LoadImage", image="example.png", box=(320, 350))
    words, cond = prompt(g, clip, "a red paper boat on the water")
    guider, noise = guided(g, model, cond, 3.5)
    latent = g.add("text", "VAEEncode", pixels=picture, vae=vae)
    masked = g.add("text", "SetLatentNoiseMask", samples=latent, mask=Output(picture.node, 1))
    sampler, sigmas = ten_steps(g, 0.9)
    reward = vqascore(g)
    result = search(
        g, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=masked,
        vae=vae, reward=reward, prompt=words, budget=100, init_particles=8, finish_steps=10,
        top_k=1,
    )  # fmt: skip
    shown(g, result, "inpaint_search")
    g.note("load", (
        "## Search inside a mask\n\nPaint a mask on the image: right click, Open in MaskEditor. "
        "Write into the prompt what the masked part should show. Only this part is drawn again, "
        "and the search chooses the result that shows the prompt best.\n\n"
        "For image to image, bypass Set Latent Noise Mask and set **denoise** to about 0.6.\n\n"
        "**Reward:** `vqascore` for what the masked part should show."
        + cost(5, 25, GGUF + " clip-flant5-xl does not fit beside it, so they take turns.")
        + "\n\n**Download**\n" + flux_files(DEV)
        + f"\n- models/rewards: the folder [clip-flant5-xl]({HUB}/zhiqiulin/clip-flant5-xl), 6.3 GB"
    ), height=440)  # fmt: skip


def kontext_edit_search(g: Graph) -> None:
    model, clip, vae = flux(g, KONTEXT)
    picture = g.add("load", "LoadImage", image="example.png", box=(320, 350))
    words, cond = prompt(g, clip, "give the cat a yellow hat and nothing else")
    scaled = g.add("text", "FluxKontextImageScale", image=picture)
    latent = g.add("text", "VAEEncode", pixels=scaled, vae=vae)
    reference = g.add("text", "ReferenceLatent", conditioning=cond, latent=latent)
    guider, noise = guided(g, model, reference, 2.5)
    sampler, sigmas = ten_steps(g)
    result_text = g.add(
        "set", "PrimitiveStringMultiline", title="What the result should show", box=(320, 140),
        value="a cat with a yellow hat",
    )  # fmt: skip
    reward = vqascore(g)
    result = search(
        g, noise=noise, guider=guider, sampler=sampler, sigmas=sigmas, latent_image=latent,
        vae=vae, reward=reward, prompt=result_text, budget=100, init_particles=6, finish_steps=10,
        top_k=2,
    )  # fmt: skip
    shown(g, result, "kontext_edit_search")
    g.note("load", (
        "## Search for an edit\n\nFLUX.1 Kontext follows an instruction. The reward needs another "
        "text: what the **result** should show. Load an image of a cat, or another image, and "
        "change both texts.\n\n**Reward:** `vqascore` for the text of the result. To keep a face "
        "or a product, add `clip_reference` with Combine Rewards."
        + cost(5, 25, "use a Q4 GGUF of Kontext. clip-flant5-xl does not fit beside it, so they "
               "take turns.")
        + "\n\n**Download**\n" + flux_files(KONTEXT)
        + f"\n- models/rewards: the folder [clip-flant5-xl]({HUB}/zhiqiulin/clip-flant5-xl), 6.3 GB"
    ), height=440)  # fmt: skip
