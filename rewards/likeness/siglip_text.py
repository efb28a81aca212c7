"""SigLIP's tokenizers: a prompt becomes token ids of a fixed length.

SigLIP reads lower case without punctuation. It ends a text with "</s>" and also pads with it. Its
pieces are in spiece.model or tokenizer.json. SigLIP 2 reads lower case, ends a text with "<eos>"
and pads with "<pad>"; its pieces are Gemma's, in tokenizer.json. A text that is too long keeps its
end token. There is no attention mask, because the model was trained with the padding visible. The
ids equal those of transformers, whose SigLIP tokenizer needs protobuf; ComfyUI does not install it.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..files.source import reading
from ..files.weights import Source

SOURCE = Source(
    "spiece.model or tokenizer.json of SigLIP, or tokenizer.json of SigLIP 2",
    "https://huggingface.co/google/siglip2-so400m-patch14-384",
)
PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class SiglipTokenizer:
    """Turns prompts into token ids.

    Args:
        pieces: a prepared text -> its token ids, without end and padding.
        end: id of the end token.
        padding: id of the padding; for SigLIP the same as `end`.
    """

    pieces: Callable[[str], list[int]]
    end: int
    padding: int

    def ids(self, prompt: str) -> list[int]:
        """Token ids of the whole prompt, without end and padding."""
        text = prompt.lower()
        if self.end == self.padding:  # SigLIP, not SigLIP 2
            text = " ".join(text.translate(PUNCTUATION).split())
        return self.pieces(text)

    def __call__(self, prompt: str, length: int) -> torch.Tensor:
        """Token ids (length,), with end and padding."""
        ids = [*self.ids(prompt)[: length - 1], self.end]
        return torch.tensor(ids + [self.padding] * (length - len(ids)))


def load_tokenizer(folder: Path) -> SiglipTokenizer:
    """The tokenizer in `folder`; ValueError if there is none."""
    if (folder / "spiece.model").is_file():
        return _sentencepiece(folder / "spiece.model")
    if (folder / "tokenizer.json").is_file():
        return _tokenizers(folder / "tokenizer.json")
    raise SOURCE.error(folder, "has no tokenizer")


def _sentencepiece(file: Path) -> SiglipTokenizer:
    from sentencepiece import SentencePieceProcessor

    with reading(file, SOURCE):
        model = SentencePieceProcessor(model_file=str(file))
    return SiglipTokenizer(model.encode, model.eos_id(), model.eos_id())


def _tokenizers(file: Path) -> SiglipTokenizer:
    from tokenizers import Tokenizer

    with reading(file, SOURCE):
        model = Tokenizer.from_file(str(file))
    model.no_padding()
    model.no_truncation()
    # Gemma also has a token "</s>", the end of a mark-up element.
    end, padding = model.token_to_id("<eos>"), model.token_to_id("<pad>")
    if end is None:
        end = padding = model.token_to_id("</s>")
    if end is None or padding is None:
        raise SOURCE.error(file, "lacks the tokens that end a text")
    return SiglipTokenizer(
        lambda text: model.encode(text, add_special_tokens=False).ids, end, padding
    )
