"""Judges that see a source image before the one to score."""

import numpy as np
import pytest
import torch
import transformers
from pack.rewards.question.checklist import Checklist
from pack.rewards.question.edits import EDIT_QUESTION
from pack.rewards.question.http.vqa_http import VqaHttp
from pack.rewards.question.vlm import VlmScore
from pack.rewards.question.vlm_checkpoint import PAIRS, _fast, _no_num2words
from PIL import Image

from . import test_host_vlm
from .over_http import vlm_server
from .test_vlm import CHAT, HERE, pictures, spelt

ASKED = EDIT_QUESTION.replace("{}", "make it red")


def source(seed=3):
    return pictures(64, 64).roll(seed, 2)[:1]


def oracle(path, kind, images):
    """P(yes) / (P(yes) + P(no)) by transformers' own generate(), of a source and an image."""
    with _no_num2words():
        processor = transformers.AutoProcessor.from_pretrained(path, **_fast())
    model = transformers.AutoModelForImageTextToText.from_pretrained(path)
    shown = CHAT.get(kind, CHAT["qwen"])
    for one in ("<|vision_start|><|image_pad|><|vision_end|>", "<image>\n", "<image>"):
        if one in shown:
            shown = shown.replace(one, one * 2)
            break
    if kind == "llava_onevision":  # the template has a line for each image
        shown = "USER: <image>\n<image>\n{} ASSISTANT:"
    levels = [(image.numpy() * 255).round().astype(np.uint8) for image in images]
    inputs = processor(
        text=[shown.replace("{}", ASKED)], return_tensors="pt",
        images=[[Image.fromarray(own) for own in levels]],
    )  # fmt: skip
    seen = model.generate(
        **inputs, max_new_tokens=1, do_sample=False, output_logits=True,
        return_dict_in_generate=True,
    )  # fmt: skip
    p = torch.softmax(seen.logits[0][0].float(), -1)
    yes, no = spelt(path, kind)
    return p[yes].sum() / p[yes + no].sum()


@pytest.mark.parametrize("kind", [kind for kind in HERE if kind in PAIRS and kind != "qwen3_5"])
def test_a_model_sees_the_source_and_then_the_image(vlm_folders, kind):
    path, images = vlm_folders(kind), pictures(64, 64, 1)
    judge = VlmScore(checkpoint=str(path), source=source()).load()
    assert judge.compares
    score = judge.score(images, ["make it red"])
    torch.testing.assert_close(
        score[0], oracle(path, kind, [source()[0], images[0]]), rtol=1e-4, atol=1e-5
    )
    other = VlmScore(checkpoint=str(path), source=source(9)).load()
    assert abs(float(other.score(images, ["make it red"]) - score)) > 1e-4
    # The checklist asks about both images, and computes both once.
    checklist = Checklist(judge=judge).load()
    checklist.check("make it red")
    (items,) = checklist.items(images, ["make it red"])
    assert [item["question"].partition(":")[0] for item in items] == [
        "Was exactly this done in the second image", "Apart from this edit",
    ]  # fmt: skip
    texts = [item.about("make it red").question.text for item in checklist._items("make it red")]
    own = VlmScore(checkpoint=str(path), source=source(), question="{}").load()
    alone = torch.cat([own.score(images, [text]) for text in texts])
    torch.testing.assert_close(
        torch.tensor([item["p"] for item in items]), alone, rtol=0, atol=2e-4
    )


def test_a_gradient_reaches_the_image(vlm_folders):
    judge = VlmScore(checkpoint=str(vlm_folders("qwen2_5_vl")), source=source()).load()
    images = pictures(64, 64, 1).requires_grad_()
    judge.score(images, ["make it red"]).sum().backward()
    assert images.grad.isfinite().all() and images.grad.norm() > 0


def test_the_question_is_the_users_or_about_the_edit(vlm_folders):
    path = str(vlm_folders("qwen2_5_vl"))
    assert VlmScore(checkpoint=path, source=source()).load().question == EDIT_QUESTION
    own = VlmScore(checkpoint=path, source=source(), question="{}: alike?").load()
    assert own.question == "{}: alike?"


@pytest.mark.parametrize("kind", ["llava", "paligemma"])
def test_a_model_of_one_image_is_refused(vlm_folders, kind):
    with pytest.raises(ValueError, match=f"does not compare two images: got {kind}, expected"):
        VlmScore(checkpoint=str(vlm_folders(kind)), source=source()).load()


def test_a_source_that_is_not_one_image_is_refused(vlm_folders):
    path = str(vlm_folders("qwen2_5_vl"))
    for images, got in ((pictures(8, 8, 2), "got 2 images"), (source() / 0, "single finite one")):
        with pytest.raises(ValueError, match=got):
            VlmScore(checkpoint=path, source=images).load()
    clear = torch.cat([source(), torch.ones(1, 64, 64, 1)], -1)  # alpha is dropped
    judge = VlmScore(checkpoint=path, source=clear).load()
    assert torch.equal(judge.source, source())


class OneEye(test_host_vlm.Clip):
    """A CLIP of the host that takes the first image."""

    def tokenize(self, text, image=None, **options):
        return super().tokenize(text, None if image is None else image[:1], **options)


class TwoEyes(test_host_vlm.Clip):
    """A CLIP of the host that takes several images."""

    def tokenize(self, text, image=None, **options):
        if image is None or len(image) == 1:
            return super().tokenize(text, image, **options)
        row = [(0, 1.0), *(({"type": "image", "data": one[None]}, 1.0) for one in image)]
        return {"small": [[*row, (text, 1.0)]]}

    def generate(self, tokens, do_sample, max_length):
        row = tokens["small"][0]
        if len(row) == 3:
            return super().generate(tokens, do_sample, max_length)
        first, second = (token[0]["data"] for token in row[1:3])
        assert first.shape == second.shape
        self.asked.append(row[3][0])
        return self.cond_stage_model["small"].generate([(second - first).mean(), 1.0])


def test_a_model_of_the_host_sees_the_source():
    clip, images = TwoEyes(), test_host_vlm.pictures()
    scorer = test_host_vlm.load(clip, source=source())
    scores = scorer.score(images, ["make it red"] * 3)
    assert clip.asked == [ASKED] * 3 and (scores.diff() > 0).all()
    with pytest.raises(ValueError, match="takes one image at a time: expected"):
        test_host_vlm.load(OneEye(), source=source())


@pytest.mark.parametrize("kind", ["vllm", "old_ollama", "lm_studio"])
def test_a_server_gets_the_source_first(kind, monkeypatch):
    seen = []

    def question(path, body):
        """As `vlm_server.question`, of two images."""
        message = (body["input"] if path.endswith("/responses") else body["messages"])[0]
        if path.endswith("/api/chat"):
            parts, key = [{"images": [png]} for png in message["images"]], "messages"
        else:
            first, second, said = message["content"]
            key = "input" if path.endswith("/responses") else "messages"
            parts = [{"content": [one, said]} for one in (first, second)]
        split = [{**body, key: [message | part]} for part in parts]
        (_, before), (text, after) = (one_image(path, part) for part in split)
        seen.append((text, before))
        return text, after

    one_image = vlm_server.question
    monkeypatch.setattr(vlm_server, "question", question)
    images = pictures(16, 16, 1)
    with vlm_server.serve(kind) as server:
        scorer = VqaHttp(url=server.url, source=source()).load()
        scorer.check("make it red")
        scores = scorer.score(images, ["make it red"])
    text, before = seen[-1]
    assert text == ASKED and scorer.compares
    assert np.array_equal(before, (source()[0].numpy() * 255).round().astype(np.uint8))
    assert scores[0].item() == pytest.approx(vlm_server.expected(images[0].numpy()), abs=1e-6)
