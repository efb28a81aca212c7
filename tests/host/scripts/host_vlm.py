"""Run by test_host_vlm.py in a process of its own: VQAScore by a small Qwen3-VL of the host's.

Argument: ComfyUI's folder. Prints one JSON object.
"""

import json
from types import SimpleNamespace

import host_in_process  # noqa: F401  isort: skip

import comfy.text_encoders.qwen_image
import torch
import transformers
from pack.rewards.question.host_vlm import HostVlmScore
from pack.tests.host.probe.vlm import SIGHT, TEXT, build

PROMPTS = ["a red cat", "two blue dogs"]


def oracle(clip, images):
    """log p(yes words) - log p(no words) by transformers' own Qwen3-VL of the same weights."""
    rope = {"mrope_section": [4, 2, 2], "mrope_interleaved": True, "rope_type": "default"}
    words = clip.cond_stage_model.qwen3vl_4b.transformer.model.vocab_size
    config = transformers.Qwen3VLConfig(
        text_config=TEXT | {"rope_parameters": rope | {"rope_theta": 5e6}, "vocab_size": words},
        vision_config=SIGHT | {"num_heads": 16, "patch_size": 16, "out_hidden_size": 64},
        tie_word_embeddings=True,
    )
    model = transformers.Qwen3VLForConditionalGeneration(config).eval()
    weights = {
        key.replace("visual.", "model.visual.").replace("model.", "model.language_model.")
        if key.startswith("model.")
        else f"model.{key}": value
        for key, value in clip.cond_stage_model.qwen3vl_4b.transformer.state_dict().items()
    }
    lost = model.load_state_dict(weights, strict=False)
    assert not lost.unexpected_keys and set(lost.missing_keys) <= {"lm_head.weight"}, lost
    model.tie_weights()
    processor = transformers.Qwen2VLImageProcessor(
        patch_size=16, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    tokenizer, margins = clip.tokenizer.qwen3vl_4b.tokenizer, []
    for image, prompt in zip(images, PROMPTS, strict=True):
        seen = processor(image.permute(2, 0, 1), do_rescale=False, return_tensors="pt")
        count = seen["image_grid_thw"].prod() // 4
        text = (
            "<|im_start|>user\n<|vision_start|>" + "<|image_pad|>" * count + "<|vision_end|>"
            f'Does this figure show "{prompt}"? Please answer Yes or No.<|im_end|>\n'
            "<|im_start|>assistant\n<think>\n\n</think>\n\n"
        )  # fmt: skip
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = model(
                input_ids=ids, mm_token_type_ids=(ids == config.image_token_id).int(), **seen
            ).logits[0, -1]
        yes, no = (
            logits[[tokenizer(w)["input_ids"][0] for w in words]].logsumexp(0)
            for words in (
                ("Yes", " Yes", "yes", " yes", "YES", " YES"),
                ("No", " No", "no", " no", "NO", " NO"),
            )
        )
        margins.append((yes - no).item())
    return margins


def refusal(clip):
    try:
        HostVlmScore(clip=clip).load()
    except ValueError as error:
        return str(error)


with torch.inference_mode():
    clip = build()
    torch.manual_seed(1)
    images = torch.rand(2, 64, 96, 3)
    scorer = HostVlmScore(clip=clip, form="log_margin").load()
    margins = scorer.score(images, PROMPTS)
    hidden = images.clone()
    hidden[0, 0, 0, 0] = float("nan")
    told = {
        "margins": margins.tolist(),
        "alone": [scorer.score(images[i : i + 1], PROMPTS[i : i + 1]).item() for i in (0, 1)],
        "nan": scorer.score(hidden, PROMPTS).isnan().tolist(),
        "text": clip.generate(clip.tokenize("Hello", thinking=False), max_length=2, do_sample=False)
        is not None,
        "left": "logits" in vars(scorer.speaker),
        "oracle": oracle(clip, images),
    }
    blind = SimpleNamespace(**{name: getattr(clip, name) for name in ("generate", "decode")})
    blind.cond_stage_model = clip.cond_stage_model
    blind.tokenize = comfy.text_encoders.qwen_image.QwenImageTokenizer().tokenize_with_weights
    silent = SimpleNamespace(tokenize=clip.tokenize, cond_stage_model=torch.nn.Linear(1, 1))
    told["refused"] = [refusal(one) for one in (blind, silent, None)]
print(json.dumps(told))  # noqa: T201
