"""SigLIP's tokens, and SigLIP 2's, on tiny vocabularies."""

import pytest
from pack.rewards.likeness.siglip_text import load_tokenizer

from .tiny_siglip import LENGTHS, LETTERS, gemma_tokenizer, spiece_tokenizer

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")


def test_siglip2_tokens(tmp_path):
    """Lower case, "<eos>" kept when cut, "<pad>" after, whatever padding the file itself asks."""
    gemma_tokenizer(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    a, comma, space = (6 + LETTERS.index("a"), 6 + LETTERS.index(","), 5)
    assert tokenizer("A, a", 8).tolist() == [a, comma, space, a, 1, 0, 0, 0]
    assert tokenizer("aaaaaaaaaa", 4).tolist() == [a, a, a, 1]
    assert tokenizer("aaaa", 4).tolist() == [a, a, a, 1]


def test_siglip_tokens(tmp_path):
    """Lower case, no punctuation, padded with the end token: spiece.model and tokenizer.json."""
    from sentencepiece import SentencePieceProcessor

    spiece_tokenizer(tmp_path)
    pieces = SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    tokenizer = load_tokenizer(tmp_path)
    plain = pieces.encode("two blue dogs running")
    wanted = plain + [1] * (24 - len(plain))
    assert tokenizer(" Two  blue dogs, running!\n", 24).tolist() == wanted
    assert tokenizer("two blue dogs running", 5).tolist() == plain[:4] + [1]
    other = tmp_path / "json"
    other.mkdir()
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<unk>": 2, "</s>": 1, "two": 3}))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    model.save(str(other / "tokenizer.json"))
    assert load_tokenizer(other)("Two, two", 5).tolist() == [3, 3, 1, 1, 1]


def test_siglip_tokens_equal_transformers(tmp_path):
    pytest.importorskip("google.protobuf", reason="SiglipTokenizer needs it")
    spiece_tokenizer(tmp_path)
    theirs = transformers.SiglipTokenizer(str(tmp_path / "spiece.model"))
    tokenizer = load_tokenizer(tmp_path)
    for prompt in ("A red cat", "two  Blue dogs, running!", "cats-dogs? (a red one)", "a " * 30):
        wanted = theirs(prompt, padding="max_length", truncation=True, max_length=LENGTHS)
        assert tokenizer(prompt, LENGTHS).tolist() == wanted["input_ids"]
