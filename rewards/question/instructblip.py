"""VQAScore by InstructBLIP-FlanT5: how likely is "yes" if asked whether the image shows the prompt?

The score is sqrt(p("yes") p(</s> | "yes")), in [0, 1], higher is better, or a logarithm of it: see
`t5_answers`. In InstructBLIP (Dai et al., arXiv 2305.06500) a Q-Former reads the question and the
image. Its 32 tokens stand before the question to FLAN-T5. Question and answer are those of the
package of VQAScore (Lin et al., arXiv 2404.01291). As there, the image is cropped to its middle
square, and only the last 128 tokens of a question count. Differentiable in the images. We call the
parts ourselves: in some folders image_token_index is null, which transformers' class cannot handle.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.config_sizes import check_all_used, check_config, check_size
from ..files.file_filter import FileFilter
from ..files.pretrained import pretrained
from ..files.shards import preloaded_state, shapes_of, weight_files
from ..files.source import reading
from ..files.state_dict import check_complete
from ..files.weights import Peek, Source, look
from ..likeness.clip_pixels import clip_pixels
from ..types import Files
from .t5_answers import (
    ImageReader,
    T5Scorer,
    answer_field,
    check_answers,
    form_field,
    load_tokenizer,
    opposite_field,
    prepare,
    question_field,
    read_tokenizer,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import InstructBlipForConditionalGeneration, T5ForConditionalGeneration

log = logging.getLogger("flow_search")

SOURCE = Source(
    "a folder with InstructBLIP-FlanT5 in Hugging Face layout",
    "https://huggingface.co/Salesforce/instructblip-flan-t5-xl",
    ("Salesforce/instructblip-flan-t5-xl", "Salesforce/instructblip-flan-t5-xxl"),
)
LIMIT = 128  # tokens of a question: max_txt_len in the authors' package LAVIS


def is_instructblip(peek: Peek) -> bool:
    """Whether `load_model` can load it. Some InstructBLIP have no T5."""
    text = peek.config.get("text_config")
    return peek.kind == "instructblip" and isinstance(text, dict) and text.get("model_type") == "t5"


class InstructBlip(ImageReader):
    """transformers' model, called part by part."""

    def __init__(self, model: "InstructBlipForConditionalGeneration") -> None:
        super().__init__()
        self.model = model

    @property
    def t5(self) -> "T5ForConditionalGeneration":
        return self.model.language_model

    def pixels(self, images: torch.Tensor) -> torch.Tensor:
        return clip_pixels(images, self.model.config.vision_config.image_size)

    def see(self, pixels: torch.Tensor) -> torch.Tensor:
        """The states (B, P, W) of the vision tower."""
        return self.model.vision_model(pixel_values=pixels).last_hidden_state

    def embed(
        self, features: torch.Tensor, question: torch.Tensor, instruction: torch.Tensor
    ) -> torch.Tensor:
        """The input (B, Q + L, D) of T5.

        Args:
            features: states (B, P, W) of the vision tower.
            question: its tokens (L,) for T5.
            instruction: its tokens (M,) for the Q-Former.
        """
        batch, model = len(features), self.model
        queries = model.query_tokens.expand(batch, -1, -1)
        count = queries.shape[1]
        states = model.qformer(
            input_ids=instruction.expand(batch, -1),
            attention_mask=instruction.new_ones(batch, count + len(instruction)),
            query_embeds=queries,
            encoder_hidden_states=features,
        ).last_hidden_state
        text = self.t5.shared(question).expand(batch, -1, -1)
        return torch.cat([model.language_projection(states[:, :count]), text], dim=1)


def check_folder(path: Path) -> Peek:
    """What the folder `path` holds.

    Raises:
        ValueError: it is no InstructBLIP-FlanT5, lacks files, or its config.json does not fit.
    """
    peek = look(path, SOURCE)
    if not is_instructblip(peek):
        raise SOURCE.error(path, f"looks like {peek.looks_like()}")
    weight_files(path, SOURCE)
    check_config(path, peek.config, SOURCE, peek)
    return peek


def load_model(path: Path, dtype: torch.dtype) -> InstructBlip:
    """The model in the folder `path`, frozen, in evaluation mode."""
    import transformers

    peek, model_class = check_folder(path), transformers.InstructBlipForConditionalGeneration
    with reading(path / "config.json", SOURCE):
        config = transformers.InstructBlipConfig.from_dict(peek.config_copy())
    check_size(path, SOURCE, lambda: model_class(config), shapes_of(path, SOURCE, peek))
    state = preloaded_state(path, SOURCE, peek)
    model, report = pretrained(model_class, path, SOURCE, config, state, dtype)
    check_tensors(path, model, report)
    prepare(model.language_model)
    # transformers 4.50 keeps some tensors in float32.
    return InstructBlip(model.to(dtype)).eval().requires_grad_(False)


def check_tensors(
    path: Path, model: "InstructBlipForConditionalGeneration", report: Mapping[str, list[str]]
) -> None:
    """Raise ValueError if tensors are missing or have no place in the model.

    Args:
        path: the folder.
        model: the loaded model.
        report: keys under "missing_keys" and "unexpected_keys", as transformers reports them.
    """
    check_all_used(path, SOURCE, model, report["unexpected_keys"])
    # If the output layer is missing, transformers 5 uses the embeddings in its place.
    t5 = model.language_model
    tied = {"language_model.lm_head.weight"} if t5.lm_head.weight is t5.shared.weight else set()
    check_complete(path, tied | set(report["missing_keys"]), SOURCE)


def load_qformer_tokenizer(folder: Path) -> "Tokenizer":
    """The Q-Former's tokenizer, BERT's, from qformer_tokenizer: tokenizer.json or vocab.txt."""
    from tokenizers import BertWordPieceTokenizer

    whole, words = (folder / "qformer_tokenizer" / n for n in ("tokenizer.json", "vocab.txt"))
    if whole.is_file():
        return read_tokenizer(whole, SOURCE)
    if words.is_file():
        with reading(words, SOURCE):
            return BertWordPieceTokenizer(str(words), lowercase=True)
    raise SOURCE.error(folder, "has no qformer_tokenizer/vocab.txt")


def asker(t5: "Tokenizer", qformer: "Tokenizer") -> Callable[[str], list[list[int]]]:
    """A function from a question to its tokens, for `InstructBlip.embed`."""

    def ask(question: str) -> list[list[int]]:
        return [cut(t5.encode(question).ids), cut(qformer.encode(question).ids, 1)]

    return ask


def cut(ids: list[int], first: int = 0) -> list[int]:
    """At most `LIMIT` tokens: the `first` ones, which mark the beginning, and the last ones."""
    if len(ids) <= LIMIT:
        return ids
    log.warning("InstructBLIP reads only the last %d tokens of a question.", LIMIT)
    return ids[:first] + ids[first - LIMIT :]


@dataclass(frozen=True)
class InstructBlipScore:
    """Settings of VQAScore by InstructBLIP-FlanT5.

    Args:
        checkpoint: a folder, as `Files.find` takes it.
        score: the form of the score, as in `t5_answers`.
        question: with {} for the prompt.
        answer: the answer whose probability is the score.
        opposite: the answer that log_margin compares with.
    """

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder of InstructBLIP-FlanT5 xl or xxl, in models/rewards.",
            "checkpoint": FileFilter(is_instructblip, SOURCE),
        },
    )
    score: str = form_field()
    question: str = question_field('Question: Does this figure show "{}"? Please answer yes or no.')
    answer: str = answer_field("yes")
    opposite: str = opposite_field("no")

    def load(self, files: Files | None = None) -> T5Scorer:
        """Load in bfloat16 if the device computes that well, else in float32."""
        answers = (self.answer, self.opposite)
        check_answers(self.question, answers)
        files = files or Files()
        path = files.find(self.checkpoint)
        check_folder(path)
        words = load_tokenizer(path, files.tokenizers.get("t5"))
        ask = asker(words, load_qformer_tokenizer(path))
        module = load_model(path, files.dtype(torch.bfloat16))
        return T5Scorer(module, ask, words, self.question, answers, self.score)
