"""Tiny vision-language models, each a folder as its makers publish theirs.

Of the host and the pack it knows nothing.
"""

import pytest
import torch

pytest.importorskip("torchvision")
transformers = pytest.importorskip("transformers")

NEW = not transformers.__version__.startswith("4.")
QWEN = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}{% endif %}"
)
LLAVA = (
    "{% for m in messages %}USER: {% for c in m['content'] if c['type'] == 'image' %}<image>\n"
    "{% endfor %}{% for c in m['content'] if c['type'] == 'text' %}{{ c['text'] }} {% endfor %}"
    "{% endfor %}ASSISTANT:"
)
SMOL = (
    "<|im_start|>{% for m in messages %}User:{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}Assistant:"
)
TEXT = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096,
}  # fmt: skip
SIGHT = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
}  # fmt: skip


def build(path, kind="qwen2_5_vl"):
    """Write a tiny folder of the kind to ``path``, as its makers publish theirs."""
    config, processor = BUILDERS[kind]()
    config.vision_config._attn_implementation = config._attn_implementation = "eager"
    torch.manual_seed(0)
    model = transformers.AutoModelForImageTextToText.from_config(config).eval()
    for weights in model.parameters():
        # The default start is so small that pictures hardly matter.
        if weights.ndim > 1:
            weights.data.normal_(0, 0.2)
    model.save_pretrained(path)
    processor.save_pretrained(path)


MERGES = [("Y", "e"), ("Ye", "s"), ("N", "o"), ("y", "e"), ("ye", "s"), ("n", "o")]


def tokenizer(*special, kind="PreTrainedTokenizerFast", first=None, **named):
    """Bytes, and the words yes and no: of the layout of GPT-2 and Qwen; ``first`` is put first."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

    merges = [*MERGES, ("Ġ", "Yes"), ("Ġ", "No")]
    words = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(a + b for a, b in merges)]
    made = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    if first:
        pair = first, made.token_to_id(first)
        made.post_processor = processors.TemplateProcessing(f"{first} $A", special_tokens=[pair])
    named["model_input_names"] = ["input_ids", "attention_mask"]
    return getattr(transformers, kind)(tokenizer_object=made, **named)


def gemma_tokenizer():
    """Letters, bytes for the others, and the words: of the layout of Gemma."""
    from tokenizers import Tokenizer, models, normalizers

    merges = [*MERGES, ("▁", "Yes"), ("▁", "No")]
    words = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{i:02X}>" for i in range(256)), "▁"]
    words += [*map(chr, range(33, 127)), *(a + b for a, b in merges)]
    vocabulary = {word: i for i, word in enumerate(words)}
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.add_special_tokens(words[:4])
    return transformers.GemmaTokenizerFast(
        tokenizer_object=made, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>",
        unk_token="<unk>",
    )  # fmt: skip


def qwen(kind, text, sight):
    tokens = tokenizer(
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
        "<|image_pad|>", "<|video_pad|>", kind="Qwen2TokenizerFast", eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )  # fmt: skip
    patch, of = (16, 0.5) if kind.startswith("Qwen3") else (14, None)
    reader = "Qwen3VL" if kind == "Qwen3_5" else kind
    values = {"image_mean": [of] * 3, "image_std": [of] * 3} if of else {}
    images = getattr(transformers, "Qwen2VLImageProcessor" + ("" if NEW else "Fast"))(
        patch_size=patch, max_pixels=56 * 84, **values
    )
    extra = {"video_processor": getattr(transformers, VIDEO[reader])()} if NEW else {}
    processor = getattr(transformers, reader + "Processor")(
        image_processor=images, tokenizer=tokens, chat_template=QWEN, **extra
    )
    ids = {
        "image_token_id": tokens.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokens.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokens.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokens.convert_tokens_to_ids("<|vision_end|>"),
    }
    text = TEXT | {"vocab_size": len(tokens), "bos_token_id": 0, "eos_token_id": 1} | text
    text = text | {"rope_scaling": {"type": "mrope", "rope_type": "default"} | text["rope_scaling"]}
    made = getattr(transformers, kind + "Config")
    if NEW:
        return made(text_config=text, vision_config=sight, **ids), processor
    return made(**text, vision_config=sight, **ids), processor


VIDEO = {
    "Qwen2VL": "Qwen2VLVideoProcessor",
    "Qwen2_5_VL": "Qwen2VLVideoProcessor",
    "Qwen3VL": "Qwen3VLVideoProcessor",
}


def qwen2_vl():
    sight = {"depth": 2, "embed_dim": 64, "hidden_size": 64, "num_heads": 4, "patch_size": 14}
    return qwen("Qwen2VL", {"rope_scaling": {"mrope_section": [2, 3, 3]}}, sight)


def qwen2_5_vl():
    sight = {
        "depth": 2, "hidden_size": 64, "intermediate_size": 96, "num_heads": 4, "patch_size": 14,
        "out_hidden_size": 64, "window_size": 56, "fullatt_block_indexes": [1],
    }  # fmt: skip
    return qwen("Qwen2_5_VL", {"rope_scaling": {"mrope_section": [2, 3, 3]}}, sight)


def qwen3_vl():
    sight = {
        "depth": 2, "hidden_size": 64, "intermediate_size": 96, "num_heads": 4, "patch_size": 16,
        "out_hidden_size": 64, "deepstack_visual_indexes": [0], "num_position_embeddings": 16,
    }  # fmt: skip
    rope = {"mrope_section": [4, 2, 2], "mrope_interleaved": True}
    return qwen("Qwen3VL", {"rope_scaling": rope, "head_dim": 16}, sight)


def qwen3_5():
    sight = {
        "depth": 2, "hidden_size": 64, "intermediate_size": 96, "num_heads": 4, "patch_size": 16,
        "out_hidden_size": 64, "num_position_embeddings": 16,
    }  # fmt: skip
    linear = {"key_head_dim": 16, "value_head_dim": 16, "num_key_heads": 2, "num_value_heads": 4}
    text = {f"linear_{name}": value for name, value in linear.items()}
    text |= {"head_dim": 16, "layer_types": ["linear_attention", "full_attention"]}
    rope = {"mrope_section": [1, 1, 0], "partial_rotary_factor": 0.25, "rope_theta": 1e4}
    return qwen("Qwen3_5", text | {"rope_scaling": rope | {"mrope_interleaved": True}}, sight)


def llava(kind="Llava", images="CLIP", **grid):
    tokens = tokenizer(
        "<s>", "</s>", "<image>", first="<s>", bos_token="<s>", eos_token="</s>", pad_token="<s>"
    )
    size = {"image_size": 28, "patch_size": 7}
    config = getattr(transformers, f"{kind}Config")(
        vision_config=transformers.CLIPVisionConfig(**SIGHT, **size),
        text_config=transformers.LlamaConfig(**TEXT, vocab_size=len(tokens)),
        image_token_index=tokens.convert_tokens_to_ids("<image>"), **grid,
    )  # fmt: skip
    images = getattr(transformers, f"{images}ImageProcessor" + ("" if NEW else "Fast"))(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, **grid
    )
    processor = getattr(transformers, f"{kind}Processor")(
        image_processor=images, tokenizer=tokens, patch_size=7, chat_template=LLAVA,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
    )  # fmt: skip
    return config, processor


GRID = [[28, 56], [56, 28], [56, 56]]


def llava_next():
    return llava("LlavaNext", "LlavaNext", image_grid_pinpoints=GRID)


def llava_onevision():
    tokens = tokenizer(
        "<|endoftext|>", "<|im_end|>", "<image>", "<video>", kind="Qwen2TokenizerFast",
        eos_token="<|im_end|>", pad_token="<|endoftext|>",
    )  # fmt: skip
    size = {"image_size": 28, "patch_size": 7}
    config = transformers.LlavaOnevisionConfig(
        vision_config=transformers.SiglipVisionConfig(**SIGHT, **size, vision_use_head=False),
        text_config=transformers.Qwen2Config(**TEXT, vocab_size=len(tokens)),
        image_token_index=tokens.convert_tokens_to_ids("<image>"),
        video_token_index=tokens.convert_tokens_to_ids("<video>"), image_grid_pinpoints=GRID,
    )  # fmt: skip
    images = getattr(transformers, "LlavaOnevisionImageProcessor" + ("" if NEW else "Fast"))
    processor = transformers.LlavaOnevisionProcessor(
        image_processor=images(size={"height": 28, "width": 28}, image_grid_pinpoints=GRID),
        tokenizer=tokens, video_processor=transformers.LlavaOnevisionVideoProcessor(),
        num_image_tokens=16, vision_feature_select_strategy="full", chat_template=LLAVA,
    )  # fmt: skip
    return config, processor


def paligemma():
    tokens = gemma_tokenizer()
    images = getattr(transformers, "SiglipImageProcessor" + ("" if NEW else "Fast"))(
        size={"height": 28, "width": 28}, resample=3
    )
    images.image_seq_length = 16
    processor = transformers.PaliGemmaProcessor(image_processor=images, tokenizer=tokens)
    config = transformers.PaliGemmaConfig(
        vision_config=transformers.SiglipVisionConfig(
            **SIGHT, image_size=28, patch_size=7, projection_dim=64, vision_use_head=False
        ),
        text_config=transformers.GemmaConfig(**TEXT, vocab_size=len(tokens), head_dim=16),
        image_token_index=tokens.convert_tokens_to_ids("<image>"), projection_dim=64,
    )  # fmt: skip
    return config, processor


def smolvlm():
    from transformers.models.smolvlm import processing_smolvlm

    tokens = tokenizer(
        "<|im_start|>", "<end_of_utterance>", "<image>", "<fake_token_around_image>",
        "<global-img>", *(f"<row_{y}_col_{x}>" for y in range(1, 5) for x in range(1, 5)),
        bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_start|>",
    )  # fmt: skip
    images = transformers.SmolVLMImageProcessor(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    images.video_sampling = {"video_size": {"longest_edge": 32}, "fps": 1, "max_frames": 4}
    extra = {"video_processor": transformers.SmolVLMVideoProcessor()} if NEW else {}
    with pytest.MonkeyPatch.context() as patch:
        # It asks for num2words, a package that only its videos need.
        patch.setattr(processing_smolvlm, "num2words", str)
        processor = transformers.SmolVLMProcessor(
            image_processor=images, tokenizer=tokens, image_seq_len=4, chat_template=SMOL, **extra
        )
    # Some transformers (5.20) want tokens by the patch size, as the published sizes give.
    config = transformers.SmolVLMConfig(
        vision_config=SIGHT | {"image_size": 32, "patch_size": 4},
        text_config=transformers.LlamaConfig(**TEXT, vocab_size=len(tokens), pad_token_id=0),
        image_token_id=tokens.convert_tokens_to_ids("<image>"), scale_factor=4, pad_token_id=0,
    )  # fmt: skip
    return config, processor


BUILDERS = {
    made.__name__: made
    for made in (llava, llava_next, llava_onevision, paligemma, qwen2_vl, qwen2_5_vl)
    + (qwen3_vl, qwen3_5, smolvlm)
}
