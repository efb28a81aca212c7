"""Tiny SigLIP and SigLIP 2 folders, as they are published: of the host and the pack they know
nothing."""

from pathlib import Path

import pytest
import torch

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.!"
LENGTHS = 16
SIZE = 32


def gemma_tokenizer(path: Path) -> None:
    """Write SigLIP 2's kind of tokenizer.json: Gemma's special tokens, one letter a piece."""
    from tokenizers import models, normalizers, processors

    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    # Gemma has "</s>" as mark-up, and tells capitals from small letters.
    pieces = [*special, "</s>", "▁", *LETTERS, *LETTERS.upper()[:26]]
    words = {piece: number for number, piece in enumerate(pieces)}
    model = tokenizers.Tokenizer(models.BPE(words, [], unk_token="<unk>", fuse_unk=True))
    model.normalizer = normalizers.Replace(" ", "▁")
    model.add_special_tokens(special)
    model.post_processor = processors.TemplateProcessing("$A <eos>", special_tokens=[("<eos>", 1)])
    model.enable_padding(length=3)
    model.enable_truncation(3)
    model.save(str(path / "tokenizer.json"))


def spiece_tokenizer(path: Path) -> None:
    """Write SigLIP's kind of spiece.model: <pad> 0, </s> 1, <unk> 2."""
    from sentencepiece import SentencePieceTrainer

    lines = ["a red cat", "two blue dogs running", "a red dog and a blue cat", "cats run"]
    SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 20), model_prefix=str(path / "spiece"), vocab_size=40,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, num_threads=1,
        hard_vocab_limit=False,
    )  # fmt: skip


def build(path: Path, new: bool = True, resample: int = 2, layers: int = 2) -> torch.nn.Module:
    """Write a tiny SigLIP 2 folder to ``path``, or SigLIP's with its tokenizer -> the model."""
    config = transformers.SiglipConfig(
        text_config={
            "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
            "num_attention_heads": 1, "vocab_size": 80 if new else 40,
            "max_position_embeddings": LENGTHS, "projection_size": 128,
        },
        vision_config={
            "hidden_size": 128, "intermediate_size": 160, "num_hidden_layers": layers,
            "num_attention_heads": 2, "image_size": SIZE, "patch_size": 8,
        },
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.SiglipModel(config).eval()
    for weights in model.parameters():
        # The default start is so small that every activation looks linear.
        if weights.ndim > 1:
            weights.data.normal_(0, 0.2)
    model.logit_scale.data.fill_(2.0)
    model.logit_bias.data.fill_(-3.0)
    model.save_pretrained(path)
    size = {"height": SIZE, "width": SIZE}
    transformers.SiglipImageProcessor(size=size, resample=resample).save_pretrained(path)
    (gemma_tokenizer if new else spiece_tokenizer)(path)
    return model


def save(state, path):
    from safetensors.torch import save_file

    save_file(state, path)


def read(path):
    from safetensors.torch import load_file

    return load_file(path)
