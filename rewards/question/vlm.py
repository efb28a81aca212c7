"""VQAScore by a local vision-language model: does the image show the prompt? Yes or no.

The question goes through the model's own processor and chat template. The logits of the answer's
first token give the score: see `yes_no`. VQAScore is Lin et al., arXiv 2404.01291. With LLaVA-1.5
they score an answer of two tokens: exp(mean log p) = sqrt(p("Yes") p("</s>" | "Yes")). That is its
"probability" here too, and its images are padded to squares as published. Its chat follows the
folder's own template. Images are scored one by one, rounded to 8 bits as is usual for these models.
Only for gradients they are not rounded; SmolVLM2 has gradients from transformers 4.53 on.
"""

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.file_filter import FileFilter
from ..likeness.clip_pixels import pad_square
from ..pixels.resize import resizable
from ..types import Files, check_batch
from .sharp_logits import sharpen
from .vlm_checkpoint import SOURCE, image_token_of, is_vlm, keeps_gradients, load_model, template_of
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
    """

    module: "PreTrainedModel"
    processor: "ProcessorMixin"
    answers: Answers
    question: str
    form: str
    differentiable: bool

    def check(self, prompt: str) -> None:
        check_prompt(prompt)
        special = {*self.processor.tokenizer.all_special_tokens, image_token_of(self.processor)}
        if commands := sorted(token for token in special if token in prompt):
            raise ValueError(
                f"The prompt holds text that the model reads as a command: got {commands[0]!r}, "
                "expected plain text."
            )

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
        inputs.pop("labels", None)  # PaliGemma's, for training
        if "mm_token_type_ids" in takes and "mm_token_type_ids" not in inputs:
            # Without them Qwen2.5-VL silently gives the tokens of an image 1-D positions.
            image = self.module.config.image_token_id
            extra["mm_token_type_ids"] = (inputs["input_ids"] == image).int()
        return self.module(**inputs, **extra, use_cache=False).logits[0]

    def _inputs(self, image: torch.Tensor, question: str) -> "BatchFeature":
        """The model's inputs for an image (H, W, 3) and a question."""
        text = chat(self.processor, question)
        bos = self.processor.tokenizer.bos_token
        picture = image.to(self.module.device, torch.float32)
        if self.module.config.model_type == "llava":  # its processor would crop what is not square
            picture = pad_square(picture[None])[0]
        picture = picture.permute(2, 0, 1)
        smooth = self.differentiable and picture.requires_grad
        if not smooth:  # as published: the processor rounds its resized image as well
            picture = picture.detach().clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)
        inputs = self.processor(
            text=[text],
            images=[resizable(picture) if self.differentiable else picture.cpu()],
            return_tensors="pt",
            do_rescale=False,  # the values are in [0, 1] already
            **({} if smooth else self._levels()),
            # The template may already start with the token that the tokenizer would add.
            **({"add_special_tokens": False} if bos and text.startswith(bos) else {}),
        )
        return inputs.to(self.module.device, dtype=self.module.dtype)

    def _levels(self) -> dict[str, list[float]]:
        """Mean and deviation for levels of 0 to 255. transformers would cache its own for ever."""
        images = self.processor.image_processor
        scale = {"image_mean": images.image_mean, "image_std": images.image_std}
        return {
            name: [value / images.rescale_factor for value in values]
            for name, values in scale.items()
        }


def chat(processor: "ProcessorMixin", question: str) -> str:
    """The text before the answer, by the model's own template."""
    template = template_of(processor)
    if template is None:  # PaliGemma takes the question alone
        return f"{image_token_of(processor)}{question}"
    content = [{"type": "image"}, {"type": "text", "text": question}]
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

    def load(self, files: Files | None = None) -> VlmScorer:
        """Load in bfloat16 if the device computes that well, else in float32."""
        check_question(self.question)
        files = files or Files()
        model, processor = load_model(files.find(self.checkpoint), files.dtype(torch.bfloat16))
        sharpen(model.get_output_embeddings())
        answers = answers_of(processor, model.config.model_type)
        keeps = keeps_gradients(processor)
        return VlmScorer(model, processor, answers, self.question, self.form, keeps)
