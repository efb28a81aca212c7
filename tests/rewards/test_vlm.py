"""VQAScore by local models against transformers' own classes, on tiny random weights."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
import transformers
from pack.rewards import Files, Scorer
from pack.rewards.question.vlm import VlmScore
from pack.rewards.question.vlm_checkpoint import _fast, _no_num2words, keeps_gradients
from PIL import Image

from .test_resize import OnCpu, OnMps
from .tiny_vlm import BUILDERS, NEW

PROMPTS = ["a red cat", "two blue dogs, running", "a red cat"]
KNOWN = transformers.CONFIG_MAPPING  # by kind
HERE = [kind for kind in BUILDERS if (NEW and kind in KNOWN) or not kind.startswith("qwen3")]
LATER = {"llava_next", "llava_onevision", "qwen3_5"}  # much as those before them
MAIN = [kind for kind in HERE if kind not in LATER]


def pictures(height=56, width=84, count=3):
    """Smooth pictures of 8 bits."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 5, 7, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(a).resize((width, height), Image.BICUBIC)) for a in coarse]
    return torch.tensor(np.stack(large)).float() / 255


def load(path, form="log_margin", **settings):
    return VlmScore(checkpoint=str(path), form=form, **settings).load()


@pytest.fixture(scope="module")
def scorers(vlm_folders):
    """Loads each kind once, for tests that leave it as it is."""
    return functools.cache(lambda kind: load(vlm_folders(kind)))


def same(got, wanted, tolerance=1e-4):
    torch.testing.assert_close(got, torch.as_tensor(wanted), rtol=tolerance, atol=1e-5)


CHAT = {
    "llava": "USER: <image>\n{} ASSISTANT:",
    "paligemma": "<image>{}",
    "smolvlm": "<|im_start|>User:<image>{}<end_of_utterance>\nAssistant:",
    "qwen": "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{}<|im_end|>\n"
    "<|im_start|>assistant\n",
}
CHAT["llava_next"] = CHAT["llava_onevision"] = CHAT["llava"]
# Sizes that no processor changes, but for a thumbnail.
SIZES = {
    "llava": (28, 28), "llava_next": (28, 56), "llava_onevision": (28, 56), "paligemma": (28, 28),
    "smolvlm": (64, 64), "qwen3_vl": (64, 64), "qwen3_5": (64, 64),
}  # fmt: skip


def oracle(path, kind, images):
    """What transformers' own generate() chooses the first token by: log probabilities (3, V).

    With image processors of torchvision: PIL resizes a little otherwise, and SmolVLM's by Lanczos.
    """
    with _no_num2words():
        processor = transformers.AutoProcessor.from_pretrained(path, **_fast())
    model = transformers.AutoModelForImageTextToText.from_pretrained(path)
    rows = []
    for image, prompt in zip(images, PROMPTS, strict=True):
        question = f'Does this figure show "{prompt}"? Please answer Yes or No.'
        inputs = processor(
            text=[CHAT.get(kind, CHAT["qwen"]).replace("{}", question)], return_tensors="pt",
            images=[Image.fromarray((image.numpy() * 255).round().astype(np.uint8))],
        )  # fmt: skip
        inputs.pop("labels", None)
        seen = model.generate(
            **inputs, max_new_tokens=1, do_sample=False, output_logits=True,
            return_dict_in_generate=True,
        )  # fmt: skip
        rows.append(torch.log_softmax(seen.logits[0][0].float(), -1))
    return torch.stack(rows)


def spelt(path, kind):
    """Ids of the words that mean yes, the answer first, and of those that mean no."""
    words = transformers.AutoTokenizer.from_pretrained(path).get_vocab()
    space = "▁" if kind == "paligemma" else "Ġ"
    goes_on = CHAT.get(kind, CHAT["qwen"]).endswith(":")  # "Assistant: Yes"
    answers = ("Yes", "yes", space + "Yes")[:: -1 if goes_on else 1]
    return [words[w] for w in answers], [words[w] for w in ("No", "no", space + "No")]


@pytest.mark.parametrize("resized", [False, True])
@pytest.mark.parametrize("kind", HERE)
def test_equals_what_generate_sees(vlm_folders, scorers, kind, resized):
    size = (70, 70) if kind == "llava" else (70, 90)  # which is made square as its authors do
    images = pictures(*(size if resized else SIZES.get(kind, (56, 84))))
    path = vlm_folders(kind)
    scorer = scorers(kind)
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    assert not any(weights.requires_grad for weights in scorer.module.parameters())
    margins, shares, chances = (
        dataclasses.replace(scorer, form=form).score(images, PROMPTS)
        for form in ("log_margin", "relative", "probability")
    )
    assert margins.dtype == torch.float32 and margins.shape == (3,)
    logp, (yes, no) = oracle(path, kind, images), spelt(path, kind)
    p_yes, p_no = logp[:, yes].exp().sum(1), logp[:, no].exp().sum(1)
    same(margins, (p_yes / p_no).log())
    same(shares, p_yes / (p_yes + p_no))
    if kind != "llava":
        torch.testing.assert_close(chances, logp[:, yes[0]].exp(), rtol=1e-4, atol=0.0)
    assert margins.std() > 0.005
    assert (shares > 0).all() and (shares < 1).all()


@pytest.mark.parametrize("width", [28, 20])
def test_llava_probability_is_that_of_the_whole_answer(vlm_folders, width):
    """Of a picture in the middle of a square, where it is none."""
    path, image = vlm_folders("llava"), pictures(28, width, 1)
    processor = transformers.AutoProcessor.from_pretrained(path)
    model = transformers.AutoModelForImageTextToText.from_pretrained(path)
    question = f'Does this figure show "{PROMPTS[0]}"? Please answer Yes or No.'
    square = Image.new("RGB", (28, 28), (122, 116, 104))
    own = Image.fromarray((image[0].numpy() * 255).round().astype(np.uint8))
    square.paste(own, ((28 - width) // 2, 0))
    inputs = processor(
        text=[CHAT["llava"].replace("{}", question) + "Yes</s>"], return_tensors="pt",
        images=[square],
    )  # fmt: skip
    labels = inputs["input_ids"].clone()
    assert processor.tokenizer.convert_ids_to_tokens(labels[0, -2:].tolist()) == ["Yes", "</s>"]
    labels[:, :-2] = -100
    with torch.no_grad():
        loss = model(**inputs, labels=labels).loss
    got = load(path, "probability").score(image, PROMPTS[:1])
    torch.testing.assert_close(got, (-loss).exp()[None], rtol=1e-4, atol=0.0)


@pytest.mark.parametrize("kind", MAIN)
def test_batch_equals_one_by_one(scorers, kind):
    scorer, images = scorers(kind), pictures(70, 90)
    together = scorer.score(images, PROMPTS)
    alone = [scorer.score(images[i : i + 1], PROMPTS[i : i + 1]) for i in (2, 1, 0)]
    torch.testing.assert_close(together, torch.cat(alone[::-1]), rtol=0, atol=1e-5)
    others = scorer.score(images, ["two blue dogs", *PROMPTS[:2]])
    assert not torch.isclose(together, others, atol=0.01).any()
    assert scorer.score(images[:0], []).shape == (0,)


@pytest.mark.parametrize("kind", MAIN)
def test_gradient_reaches_every_picture(scorers, kind):
    scorer = scorers(kind)
    if kind == "smolvlm" and not (NEW or scorer.differentiable):
        pytest.skip("transformers before 4.53 has no such processor of it")
    images = pictures(70, 90).requires_grad_()
    scorer.score(images, PROMPTS).sum().backward()
    assert torch.isfinite(images.grad).all() and (images.grad.flatten(1).abs().sum(1) > 0).all()
    found, step = images.grad[0], 1e-3
    moved = images[:1] + step * found / found.norm()
    pair = [scorer.score(own, PROMPTS[:1]).item() for own in (images[:1], moved)]
    rise = pair[1] - pair[0]
    assert rise == pytest.approx(step * found.norm().item(), rel=0.2)


def test_an_image_processor_without_gradients_still_sees_the_picture(vlm_folders, scorers):
    path, images = vlm_folders("qwen2_5_vl"), pictures()
    assert scorers("qwen2_5_vl").differentiable
    assert keeps_gradients(scorers("qwen2_5_vl").processor)
    wanted = scorers("qwen2_5_vl").score(images, PROMPTS)
    option = {"backend": "pil"} if _fast() == {"backend": "torchvision"} else {"use_fast": False}
    slow = load(path)
    slow.processor.image_processor = transformers.AutoImageProcessor.from_pretrained(path, **option)
    assert not keeps_gradients(slow.processor)
    slow = dataclasses.replace(slow, differentiable=False)
    same(slow.score(images, PROMPTS), wanted)


def test_places_of_the_picture_are_told_where_the_processor_does_not(scorers):
    scorer, images = scorers("qwen2_5_vl"), pictures()
    wanted = scorer.score(images, PROMPTS)

    class Forgetful:
        def __getattr__(self, name):
            return getattr(scorer.processor, name)

        def __call__(self, **kwargs):
            inputs = scorer.processor(**kwargs)
            inputs.pop("mm_token_type_ids", None)
            return inputs

    got = dataclasses.replace(scorer, processor=Forgetful()).score(images, PROMPTS)
    same(got, wanted)


def test_only_the_last_logits_are_computed(vlm_folders):
    scorer, rows = load(vlm_folders("llava"), "probability"), []
    head = scorer.module.get_output_embeddings()
    head.register_forward_hook(lambda module, given, made: rows.append(made.shape[1]))
    scorer.score(pictures(28, 28, 1), PROMPTS[:1])
    assert rows == [2]


def test_a_first_token_of_the_template_is_not_doubled(vlm_folders):
    scorer, images = load(vlm_folders("llava")), pictures(28, 28)
    wanted = scorer.score(images, PROMPTS)
    scorer.processor.chat_template = "<s>" + scorer.processor.chat_template
    same(scorer.score(images, PROMPTS), wanted)


def test_nan_stays_with_its_picture(scorers):
    for kind in ("llava", "qwen2_5_vl"):  # llava crops
        images = pictures(28, 84)
        images[1, 0, 0, 0] = float("nan")
        scores = scorers(kind).score(images, PROMPTS)
        assert scores.isnan().tolist() == [False, True, False]


def test_question_is_the_users(vlm_folders):
    path, images = vlm_folders("qwen2_5_vl"), pictures()
    asked = load(path, question="{}: true? {Yes or No}").score(images, ["{}", "a", "b"])
    wanted = load(path, question="b: true? {}").score(images, ["{Yes or No}"] * 3)
    assert torch.isclose(asked, wanted, atol=1e-5).tolist() == [False, False, True]
    for question in ("Is it good?", "{} or {}?"):
        with pytest.raises(ValueError, match="place for the prompt: got .*, expected one {}"):
            load(path, question=question)


def test_check(scorers):
    scorer = scorers("qwen2_5_vl")
    scorer.check("a cat")
    with pytest.raises(ValueError, match="needs a prompt"):
        scorer.check("  ")
    for token in ("<|image_pad|>", "<|im_end|>"):
        with pytest.raises(ValueError, match="reads as a command"):
            scorer.check(f"a {token} cat")


class Handed:
    """A processor that keeps of what kind its picture was."""

    def __init__(self, processor):
        self.processor = processor

    def __getattr__(self, name):
        return getattr(self.processor, name)

    def __call__(self, images, **options):
        self.kind = type(images[0])
        return self.processor(images=[images[0].as_subclass(torch.Tensor)], **options)


@pytest.mark.parametrize("guided", [False, True])
def test_the_processor_resizes_on_the_cpu_for_mps(scorers, guided):
    scorer = scorers("qwen2_vl")
    scorer = dataclasses.replace(scorer, processor=Handed(scorer.processor))
    scorer._inputs(pictures()[0].requires_grad_(guided).as_subclass(OnMps), "?")
    assert scorer.processor.kind is OnCpu


def test_weights_are_held_in_what_the_device_computes_well(vlm_folders):
    files = Files(supports=lambda dtype: dtype == torch.bfloat16)
    scorer = VlmScore(checkpoint=str(vlm_folders("qwen2_5_vl"))).load(files)
    assert {weights.dtype for weights in scorer.module.parameters()} == {torch.bfloat16}
    scores = scorer.score(pictures(), PROMPTS)
    assert scores.dtype == torch.float32
    same(scores, load(vlm_folders("qwen2_5_vl"), "relative").score(pictures(), PROMPTS), 0.1)


def test_logits_of_half_precision_are_sharp(vlm_folders):
    """As of the hidden states in float32; with a gradient as the model gives them."""
    files = Files(supports=lambda dtype: dtype == torch.bfloat16)
    settings = VlmScore(checkpoint=str(vlm_folders("qwen2_5_vl")), form="log_margin")
    scorer, hidden = settings.load(files), []
    head = scorer.module.lm_head
    with head.register_forward_pre_hook(lambda _, asked: hidden.append(asked[0])):
        (found,) = scorer.score(pictures(count=1), PROMPTS[:1])
        (steep,) = scorer.score(pictures(count=1).requires_grad_(), PROMPTS[:1])
    logits = hidden[0][0, -1].double() @ head.weight.double().T
    yes, no = (logits[list(ids)].logsumexp(0) for ids in (scorer.answers.yes, scorer.answers.no))
    assert float(found) == pytest.approx(float(yes - no), abs=1e-5)
    assert steep.requires_grad and float(steep) == pytest.approx(float(found), abs=0.05)
