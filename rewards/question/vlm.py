"""VQAScore by a local vision-language model: does the image show the prompt? Yes or no.

The question goes through the model's own processor and chat template. The logits of the answer's
first token give the score: see `yes_no`. VQAScore is Lin et al., arXiv 2404.01291. With LLaVA-1.5
they score an answer of two tokens: exp(mean log p) = sqrt(p("Yes") p("</s>" | "Yes")). That is its
"probability" here too, and its images are padded to squares as published. Its chat follows the
folder's own template. Images are scored one by one, rounded to 8 bits as is usual for these models.
Only for gradients they are not rounded; SmolVLM2 has gradients from transformers 4.53 on.

As a judge of a checklist it computes an image once for all questions where it can: see
`shared_image`. With a source image, the chat shows that first: see `edits`.
"""

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.file_filter import FileFilter
from ..files.small_memory import memory_field, shrink
from ..likeness.clip_pixels import pad_square
from ..pixels.resize import resizable
from ..types import Files, Question, check_batch
from .asking import Pick, check_commands, check_questions, pick
from .edits import checked_source, question_for, source_field
from .shared_image import can_share, shared_logits
from .sharp_logits import sharpen
from .vlm_checkpoint import (
    SOURCE,
    check_pairs,
    image_token_of,
    is_vlm,
    keeps_gradients,
    load_model,
    template_of,
)
from .yes_no import Answers, check_prompt, check_question, find_answers, form_field, question_field

if TYPE_CHECKING:
    from transformers import BatchFeature, PreTrainedModel, ProcessorMixin


@dataclass(frozen=True)
class VlmScorer:
    """A loaded model. Images are scored on the device of `module`.

    Args:
        module: the model.
        processor: its processor.
        answers: the tokens that spell yes and no.
        question: with {} for the prompt.
        form: of the score, as in `yes_no`.
        differentiable: whether the processor passes gradients.
        source: (1, H, W, 3) in [0, 1], which the image is an edit of; None without one.
    """

    asks: ClassVar[bool] = True

    module: "PreTrainedModel"
    processor: "ProcessorMixin"
    answers: Answers
    question: str
    form: str
    differentiable: bool
    source: torch.Tensor | None = None

    @property
    def compares(self) -> bool:
        return self.source is not None

    @property
    def commands(self) -> set[str]:
        """The tokens that the model reads as commands."""
        return {*self.processor.tokenizer.all_special_tokens, image_token_of(self.processor)}

    def check(self, prompt: str) -> None:
        check_prompt(prompt)
        check_commands(prompt, self.commands)

    def check_questions(self, questions: list[Question]) -> None:
        check_questions(questions, self.commands)
        self._picks(questions)

    def judge(self, images: torch.Tensor, questions: list[Question]) -> torch.Tensor:
        check_batch(images, [""] * len(images))
        picks = self._picks(questions)
        rows = [images.new_zeros(0, len(questions), dtype=torch.float32)]
        for image in images:
            if not (questions and torch.isfinite(image).all()):
                rows.append(torch.full((1, len(questions)), float("nan")).to(images.device))
                continue
            logits = self._all_logits(image, [question.text for question in questions])
            row = [pick.log_p(row) for pick, row in zip(picks, logits, strict=True)]
            rows.append(torch.stack(row)[None].to(images.device))
        return torch.cat(rows)

    def _picks(self, questions: list[Question]) -> list[Pick]:
        words = self.processor.tokenizer

        def encode(text: str) -> list[int]:
            return words(text, add_special_tokens=False)["input_ids"]

        return [
            pick(question, encode, lambda token: words.decode([token])) for question in questions
        ]

    def _all_logits(self, image: torch.Tensor, texts: list[str]) -> list[torch.Tensor]:
        """Logits (V,) of the answer's first token, for each question about one image (H, W, 3)."""
        if len(texts) == 1 or not can_share(self.module):
            return [self._logits(self._inputs(image, text), 1)[-1] for text in texts]
        return shared_logits(
            self.module, self._with_places(self._inputs(image, texts[0])), self._tails(texts)
        )

    def _tails(self, texts: list[str]) -> list[list[int]]:
        """The tokens after the image, of each question."""
        words, image = self.processor.tokenizer, image_token_of(self.processor)
        chats = [chat(self.processor, text, 1 + self.compares) for text in texts]
        return [
            words(whole.rpartition(image)[2], add_special_tokens=False)["input_ids"]
            for whole in chats
        ]

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        scores = [self._score(*pair) for pair in zip(images, prompts, strict=True)]
        if not scores:
            return images.new_zeros(0, dtype=torch.float32)
        return torch.stack(scores).to(images.device)

    def _score(self, image: torch.Tensor, prompt: str) -> torch.Tensor:
        if not torch.isfinite(image).all():  # an 8-bit processor would hide a NaN
            return torch.full((), float("nan"), device=self.module.device)
        inputs = self._inputs(image, self.question.replace("{}", prompt))
        if self.form != "probability" or self.module.config.model_type != "llava":
            return self.answers.score(self._logits(inputs, 1)[-1], self.form)
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        inputs["input_ids"] = torch.cat([ids, ids.new_tensor([self.answers.yes[:1]])], 1)
        inputs["attention_mask"] = torch.cat([mask, mask.new_ones(1, 1)], 1)
        first, second = self._logits(inputs, 2)[-2:]
        end = torch.softmax(second.float(), -1)[self.processor.tokenizer.eos_token_id]
        return (self.answers.score(first, self.form) * end).sqrt()

    def _logits(self, inputs: "BatchFeature", rows: int) -> torch.Tensor:
        """Logits (at least `rows`, V) of the last tokens."""
        takes = inspect.signature(self.module.forward).parameters
        extra = {"logits_to_keep": rows} if "logits_to_keep" in takes else {}
        return self.module(**self._with_places(inputs), **extra, use_cache=False).logits[0]

    def _with_places(self, inputs: "BatchFeature") -> "BatchFeature":
        """The inputs without labels, and with the places of the image's tokens."""
        takes = inspect.signature(self.module.forward).parameters
        inputs.pop("labels", None)  # PaliGemma's, for training
        if "mm_token_type_ids" in takes and "mm_token_type_ids" not in inputs:
            # Without them Qwen2.5-VL silently gives the tokens of an image 1-D positions.
            image = self.module.config.image_token_id
            inputs["mm_token_type_ids"] = (inputs["input_ids"] == image).int()
        return inputs

    def _inputs(self, image: torch.Tensor, question: str) -> "BatchFeature":
        """The model's inputs for an image (H, W, 3) and a question."""
        text = chat(self.processor, question, 1 + self.compares)
        bos = self.processor.tokenizer.bos_token
        smooth = self.differentiable and image.requires_grad
        shown = [image] if self.source is None else [self.source[0], image]
        pictures = [self._picture(picture, smooth) for picture in shown]
        inputs = self.processor(
            text=[text],
            images=pictures if len(pictures) == 1 else [pictures],
            return_tensors="pt",
            do_rescale=False,  # the values are in [0, 1] already
            **({} if smooth else self._levels()),
            # The template may already start with the token that the tokenizer would add.
            **({"add_special_tokens": False} if bos and text.startswith(bos) else {}),
        )
        return inputs.to(self.module.device, dtype=self.module.dtype)

    def _picture(self, image: torch.Tensor, smooth: bool) -> torch.Tensor:
        """An image (H, W, 3) as the processor takes it: planes, of 8 bits unless `smooth`."""
        picture = image.to(self.module.device, torch.float32)
        if self.module.config.model_type == "llava":  # its processor would crop what is not square
            picture = pad_square(picture[None])[0]
        picture = picture.permute(2, 0, 1)
        if not smooth:  # as published: the processor rounds its resized image as well
            picture = picture.detach().clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)
        return resizable(picture) if self.differentiable else picture.cpu()

    def _levels(self) -> dict[str, list[float]]:
        """Mean and deviation for levels of 0 to 255. transformers would cache its own for ever."""
        images = self.processor.image_processor
        scale = {"image_mean": images.image_mean, "image_std": images.image_std}
        return {
            name: [value / images.rescale_factor for value in values]
            for name, values in scale.items()
        }


def chat(processor: "ProcessorMixin", question: str, images: int = 1) -> str:
    """The text before the answer, by the model's own template.

    Args:
        processor: of the model.
        question: about the images.
        images: how many stand before it.
    """
    template = template_of(processor)
    if template is None:  # PaliGemma takes the question alone
        return f"{image_token_of(processor)}{question}"
    content = [*[{"type": "image"}] * images, {"type": "text", "text": question}]
    # The processor's own method does not pass enable_thinking on in transformers 4.50.
    return processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=template,
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
    )


def answers_of(processor: "ProcessorMixin", kind: str) -> Answers:
    """The tokens that spell yes and no in this chat. LLaVA-1.5 is published with "Yes" always."""

    def token(word: str) -> int | None:
        ids = processor.tokenizer(word, add_special_tokens=False)["input_ids"]
        return ids[0] if len(ids) == 1 else None

    same_line = template_of(processor) is not None and not chat(processor, "?")[-1].isspace()
    return find_answers(token, after_blank=same_line and kind != "llava")


@dataclass(frozen=True)
class VlmScore:
    """Settings of VQAScore by a local vision-language model.

    Args:
        checkpoint: a folder, as `Files.find` takes it.
        form: of the score, as in `yes_no`.
        question: with {} for the prompt.
        source: (1, H, W, C) in [0, 1], which the image is an edit of; None without one.
        memory: "whole", "parts" or "eight_bits", as in `small_memory`.
    """

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder of the model with its processor and safetensors, in models/rewards. "
            "Models that think before they answer score badly.",
            "checkpoint": FileFilter(is_vlm, SOURCE),
        },
    )
    form: str = form_field()
    question: str = question_field()
    source: "torch.Tensor | None" = source_field()
    memory: str = memory_field()

    def load(self, files: Files | None = None) -> VlmScorer:
        """Load in bfloat16 if the device computes that well, else in float32."""
        check_question(self.question)
        source, files = checked_source(self.source), files or Files()
        path = files.find(self.checkpoint)
        if source is not None:
            check_pairs(path)
        model, processor = load_model(path, files.dtype(torch.bfloat16))
        sharpen(model.get_output_embeddings())
        shrink(model, self.memory, files.streamed, [model.get_output_embeddings()])
        answers = answers_of(processor, model.config.model_type)
        keeps = keeps_gradients(processor)
        question = question_for(self.question, source)
        return VlmScorer(model, processor, answers, question, self.form, keeps, source)
