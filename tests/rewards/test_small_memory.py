"""Weights in 8 bits and in parts: the same model, in less memory."""

import copy
import dataclasses

import pytest
import torch
from pack.rewards import Files, load_scorer
from pack.rewards.files.small_memory import CastLinear, round_rows, shrink

from . import tiny_hps_v3, tiny_vlm
from .families import made
from .tiny_clip import pictures, shown

PROMPTS = ["three red circles and a blue dog", "two blue dogs"]


def layers(module, kind=torch.nn.Linear):
    return [layer for layer in module.modules() if isinstance(layer, kind)]


def held(module):
    return sum(weights.nbytes for weights in module.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
def test_rows_keep_eight_bits(dtype, bias):
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 48, bias=bias).to(dtype).requires_grad_(False)
    layer.weight[3] *= 100.0  # a large row does not coarsen the others
    layer.weight[5] = 0.0
    small = torch.nn.Sequential(copy.deepcopy(layer))
    shrink(small, "eight_bits", None)
    assert small[0].weight.dtype == torch.int8 and isinstance(small[0], CastLinear)
    rows = small[0].weight.float() * small[0].row_scale[:, None]
    largest = layer.weight.float().abs().amax(1, keepdim=True)
    assert ((rows - layer.weight.float()).abs() <= largest / 254 + 1e-12).all()
    inputs = torch.randn(7, 64, dtype=dtype)
    wanted, got = (each(inputs).float() for each in (layer, small))
    assert got.dtype == torch.float32 and small(inputs).dtype == dtype
    exact = inputs.float() @ rows.T + (layer.bias.float() if bias else 0.0)
    within = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(got, exact, rtol=within, atol=within)
    assert 0 < (got - wanted).norm() < 0.02 * wanted.norm()


def test_gradients_pass():
    torch.manual_seed(0)
    layer = torch.nn.Linear(8, 4).requires_grad_(False)
    inputs = torch.randn(3, 8, requires_grad=True)
    round_rows(layer)
    rows = layer.weight.float() * layer.row_scale[:, None]
    shrink(layer, "parts", None)
    layer(inputs).sum().backward()
    torch.testing.assert_close(inputs.grad, rows.sum(0).expand(3, -1))


@pytest.mark.parametrize("name", ["edit_reward", "hps_v3", "video_reward", "vqascore_vlm"])
def test_a_family_keeps_its_scores(name, tmp_path):
    reward, files = made(name, tmp_path)
    scorers = {
        memory: load_scorer(dataclasses.replace(reward, memory=memory), files)
        for memory in ("whole", "parts", "eight_bits")
    }
    images = shown(pictures(70, 90))[:2]
    with torch.inference_mode():
        scores = {memory: each.score(images, PROMPTS) for memory, each in scorers.items()}
    torch.testing.assert_close(scores["parts"], scores["whole"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(scores["eight_bits"], scores["whole"], rtol=0.05, atol=0.2)
    assert not torch.equal(scores["eight_bits"], scores["whole"])
    kinds = {memory: len(layers(each.module, CastLinear)) for memory, each in scorers.items()}
    assert kinds["whole"] == 0 < kinds["parts"] == kinds["eight_bits"]
    assert held(scorers["parts"].module) == held(scorers["whole"].module)
    assert held(scorers["eight_bits"].module) < 0.6 * held(scorers["whole"].module)
    smooth = (0.25 + 0.5 * images).requires_grad_()
    slopes = [
        torch.autograd.grad(scorers[memory].score(smooth, PROMPTS).sum(), smooth)[0].flatten(1)
        for memory in ("whole", "eight_bits")
    ]
    assert (torch.nn.functional.cosine_similarity(*slopes) > 0.8).all()


@pytest.mark.parametrize("kind", ["llava", "qwen3_vl", "smolvlm"])
def test_the_head_of_any_model_stays_as_it_is(kind, tmp_path):
    from pack.rewards.question.vlm import VlmScore

    tiny_vlm.build(tmp_path, kind)
    settings = {"checkpoint": str(tmp_path), "form": "log_margin"}
    whole, small = (
        VlmScore(**settings, memory=memory).load(Files()) for memory in ("whole", "eight_bits")
    )
    assert type(small.module.get_output_embeddings()) is torch.nn.Linear
    images = shown(pictures(40, 32))[:1]
    with torch.inference_mode():
        scores = [each.score(images, PROMPTS[:1]) for each in (whole, small)]
    torch.testing.assert_close(*scores, rtol=0.2, atol=0.5)


def test_the_reward_head_stays_as_it_is(tmp_path):
    tiny_hps_v3.build(tmp_path)
    from pack.rewards.preference.hps_v3 import HpsV3

    files = Files(tokenizers={"qwen": tmp_path / "qwen"})
    reward = HpsV3(checkpoint=str(tmp_path / "HPSv3.safetensors"), memory="eight_bits")
    module = reward.load(files).module
    assert {type(layer) for layer in layers(module.rm_head)} == {torch.nn.Linear}
    kinds = {weights.dtype for weights in module.model.parameters()}
    assert kinds == {torch.float32, torch.int8}
