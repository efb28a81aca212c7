"""VQAScore by a local vision-language model: is the picture what the prompt says? Yes or no.

The model is asked about the picture through its own processor and chat template, and the score
is read off the logits of its answer's first token: see ``yes_no``. LLaVA-1.5 is published with an
answer of two tokens, exp(mean log p) = sqrt(p("Yes") p("</s>" | "Yes")): its "probability" is that,
and its pictures are padded to squares, as published; the chat is the folder's own template.
VQAScore is Lin et al., arXiv 2404.01291. Pictures are scored one by one.
Pictures are read in 8 bits, as the model's users do, but where a gradient is asked for: they are
differentiable (SmolVLM2's from transformers 4.53 on).
"""

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.file_filter import FileFilter
from ..likeness.clip_pixels import pad_square
from ..resize import resizable
from ..types import Files, check_batch
from .sharp_logits import sharpen
from .vlm_checkpoint import SOURCE, image_token_of, is_vlm, keeps_gradients, load_model, template_of
from .yes_no import Answers, check_prompt, check_question, find_answers, form_field, question_field

if TYPE_CHECKING:
    from transformers import BatchFeature, PreTrainedModel, ProcessorMixin


@dataclass(frozen=True)
class VlmScorer:
    """A loaded model. Pictures are scored on whatever device ``module`` is."""

    module: "PreTrainedModel"
    processor: "ProcessorMixin"
    answers: Answers
    question: str
    form: str
    differentiable: bool

    def check(self, prompt: str) -> None:
        check_prompt(prompt)
        special = {*self.processor.tokenizer.all_special_tokens, image_token_of(self.processor)}
        if found := sorted(token for token in special if token in prompt):
            raise ValueError(f"the prompt holds {found[0]!r}, which the model reads as a command")

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        scores = [self._score(*pair) for pair in zip(images, prompts, strict=True)]
        if not scores:
            return images.new_zeros(0, dtype=torch.float32)
        return torch.stack(scores).to(images.device)

    def _score(self, image: torch.Tensor, prompt: str) -> torch.Tensor:
        if not torch.isfinite(image).all():  # a processor that goes by 8 bits would hide it
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
        """Logits (>= rows, V), the last ``rows`` among them."""
        takes = inspect.signature(self.module.forward).parameters
        extra = {"logits_to_keep": rows} if "logits_to_keep" in takes else {}
        inputs.pop("labels", None)  # of PaliGemma, for training
        if "mm_token_type_ids" in takes and "mm_token_type_ids" not in inputs:
            # Without them Qwen2.5-VL silently takes the places of a picture's tokens for 1-D.
            image = self.module.config.image_token_id
            extra["mm_token_type_ids"] = (inputs["input_ids"] == image).int()
        return self.module(**inputs, **extra, use_cache=False).logits[0]

    def _inputs(self, image: torch.Tensor, question: str) -> "BatchFeature":
        """What the model takes: the picture (H, W, 3) and the question, in its own format."""
        text = chat(self.processor, question)
        bos = self.processor.tokenizer.bos_token
        picture = image.to(self.module.device, torch.float32)
        if self.module.config.model_type == "llava":  # its processor would crop what is not square
            picture = pad_square(picture[None])[0]
        picture = picture.permute(2, 0, 1)
        smooth = self.differentiable and picture.requires_grad
        if not smooth:  # as published: a resized picture is cut to 0 to 255 and rounded, too
            picture = picture.detach().clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)
        inputs = self.processor(
            text=[text],
            images=[resizable(picture) if self.differentiable else picture.cpu()],
            return_tensors="pt",
            do_rescale=False,  # what is in [0, 1] must not be divided by 255 once more
            **({} if smooth else self._levels()),
            # A template may have written the first token, which the tokenizer would add.
            **({"add_special_tokens": False} if bos and text.startswith(bos) else {}),
        )
        return inputs.to(self.module.device, dtype=self.module.dtype)

    def _levels(self) -> dict[str, list[float]]:
        """Mean and deviation of whole levels: transformers would keep tensors of them for good."""
        images = self.processor.image_processor
        scale = {"image_mean": images.image_mean, "image_std": images.image_std}
        return {
            name: [value / images.rescale_factor for value in own] for name, own in scale.items()
        }


def chat(processor: "ProcessorMixin", question: str) -> str:
    """All that comes before the answer, by the model's own template."""
    template = template_of(processor)
    if template is None:  # PaliGemma, which takes the bare question
        return f"{image_token_of(processor)}{question}"
    content = [{"type": "image"}, {"type": "text", "text": question}]
    # Not the processor's own method, which in 4.50 keeps enable_thinking from the template.
    return processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=template,
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=False,
    )


def answers_of(processor: "ProcessorMixin", kind: str) -> Answers:
    """LLaVA-1.5 is published with "Yes" whatever stands before it."""

    def token(word: str) -> int | None:
        ids = processor.tokenizer(word, add_special_tokens=False)["input_ids"]
        return ids[0] if len(ids) == 1 else None

    goes_on = template_of(processor) is not None and not chat(processor, "?")[-1].isspace()
    return find_answers(token, after_blank=goes_on and kind != "llava")


@dataclass(frozen=True)
class VlmScore:
    """Settings of VQAScore by a local vision-language model."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder of the model, with its processor and safetensors, under "
            "models/rewards. Models that only answer after thinking score badly.",
            "checkpoint": FileFilter(is_vlm, SOURCE),
        },
    )
    form: str = form_field()
    question: str = question_field()

    def load(self, files: Files | None = None) -> VlmScorer:
        """The model is held in bfloat16 where the device computes it well."""
        check_question(self.question)
        files = files or Files()
        model, processor = load_model(files.find(self.checkpoint), files.dtype(torch.bfloat16))
        sharpen(model.get_output_embeddings())
        answers = answers_of(processor, model.config.model_type)
        keeps = keeps_gradients(processor)
        return VlmScorer(model, processor, answers, self.question, self.form, keeps)
