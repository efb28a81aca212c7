"""VQAScore by CLIP-FlanT5 against the package that published it, on tiny random weights.

``fixtures/clip_flant5.json`` holds that package's scores; ``fixtures/make_clip_flant5.py`` made it.
"""

import json
import math
import os
from pathlib import Path

import pytest
import torch
from pack.rewards import REWARDS, Files, Scorer
from pack.rewards.likeness.clip_pixels import pad_square
from pack.rewards.question.clip_flant5 import AFTER, BEFORE
from pack.rewards.question.t5_answers import load_tokenizer, prepare

from . import tiny_t5

transformers = pytest.importorskip("transformers")

CASES = json.loads((Path(__file__).parent / "fixtures" / "clip_flant5.json").read_text())
PROMPTS = ["a red cat", "two blue dogs, running", "a red cat"]


def load(path, bf16=False, **settings):
    files = Files(supports=lambda dtype: bf16)
    return REWARDS["vqascore"](checkpoint=str(path), **settings).load(files)


def images(*shape, count=3):
    return torch.tensor(tiny_t5.pictures(shape, count)).float() / 255


@pytest.fixture(scope="module")
def scorer(clip_flant5):
    return load(clip_flant5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['answer']}-{case['shape']}")
def test_equals_the_package(clip_flant5, scorer, case):
    own = {k: case[k] for k in ("question", "answer") if case[k]}
    scorer = load(clip_flant5, **own) if own else scorer
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    scores = scorer.score(images(*case["shape"]), case["prompts"])
    assert scores.dtype == torch.float32 and scores.shape == (3,)
    wanted = torch.tensor(case["scores"])
    # The package rounds a picture that it resizes to whole levels.
    close = 3e-6 if max(case["shape"]) == tiny_t5.SIZE else 2e-3
    torch.testing.assert_close(scores, wanted, rtol=close, atol=0)
    assert wanted.max() > 1.015 * wanted.min()


def test_the_end_of_the_answer_counts(clip_flant5, scorer):
    """sqrt(p(Yes) p(</s> | Yes)): neither p(Yes), nor their product."""
    t5, picture = scorer.module.t5, images(32, 32, count=1)
    seen = {}
    taken = t5.lm_head.register_forward_hook(lambda *io: seen.update(logits=io[2]))
    score = scorer.score(picture, PROMPTS[:1])
    taken.remove()
    yes = scorer.tokenizer.token_to_id("▁Yes")
    p = seen["logits"].double().softmax(-1)[0]
    assert p.shape == (2, len(tiny_t5.PIECES))
    wanted = math.sqrt(p[0, yes] * p[1, 1])
    assert float(score) == pytest.approx(wanted, rel=1e-5)
    assert abs(float(p[0, yes]) / wanted - 1) > 0.2


def test_forms(clip_flant5, scorer):
    picture = images(32, 20)
    probability = scorer.score(picture, PROMPTS)
    no = load(clip_flant5, answer="No").score(picture, PROMPTS)
    log = load(clip_flant5, score="log").score(picture, PROMPTS)
    margin = load(clip_flant5, score="log_margin").score(picture, PROMPTS)
    torch.testing.assert_close(log, probability.log())
    torch.testing.assert_close(margin, probability.log() - no.log(), rtol=1e-4, atol=1e-5)
    assert (probability > 0).all() and (probability < 1).all() and (log < 0).all()
    assert margin.abs().min() > 1e-2
    other = load(clip_flant5, score="log_margin", opposite="no").score(picture, PROMPTS)
    assert not torch.allclose(other, margin, atol=1e-2)


def test_higher_is_likelier(clip_flant5, scorer):
    """A bias that lets T5 say yes to everything must raise the score, and the margin."""
    picture = images(32, 32)
    yes = scorer.tokenizer.token_to_id("▁Yes")
    for form in ("probability", "log", "log_margin"):
        eager = load(clip_flant5, score=form)
        before = eager.score(picture, PROMPTS)
        more = 5 * (torch.arange(len(tiny_t5.PIECES)) == yes)
        hook = eager.module.t5.lm_head.register_forward_hook(lambda m, i, o, more=more: o + more)
        assert (eager.score(picture, PROMPTS) > before).all()
        hook.remove()


def test_the_output_is_not_scaled(scorer):
    """What is right for tied embeddings only, and one version of transformers does regardless."""
    assert not scorer.module.t5.config.tie_word_embeddings
    assert not scorer.module.t5.config.scale_decoder_outputs
    picture, states = images(32, 32, count=1), []
    head = scorer.module.t5.lm_head
    taken = head.register_forward_hook(lambda m, i, o: states.append(i[0]))
    norm = scorer.module.t5.decoder.final_layer_norm
    last = norm.register_forward_hook(lambda m, i, o: states.append(o))
    scorer.score(picture, PROMPTS[:1])
    taken.remove(), last.remove()
    assert torch.equal(states[0], states[1])


def test_the_output_is_not_scaled_even_if_transformers_means_to(clip_flant5, scorer):
    other, picture = load(clip_flant5), images(32, 32)
    t5 = other.module.t5
    for config in (t5.config, t5.decoder.config):
        config.tie_word_embeddings = config.scale_decoder_outputs = True
    wanted, wrong = (s.score(picture, PROMPTS) for s in (scorer, other))
    assert (wrong / wanted - 1).abs().min() > 1e-3
    prepare(t5)
    assert torch.equal(other.score(picture, PROMPTS), wanted)


def test_bfloat16(clip_flant5, scorer):
    half = load(clip_flant5, bf16=True)
    assert {weights.dtype for weights in half.module.parameters()} == {torch.bfloat16}
    got, wanted = (s.score(images(32, 20), PROMPTS) for s in (half, scorer))
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.log(), wanted.log(), rtol=0, atol=0.15)
    logits = []
    hook = half.module.t5.lm_head.register_forward_hook(lambda m, i, o: logits.append(o))
    score = half.score(images(32, 20, count=1), PROMPTS[:1])
    hook.remove()
    assert logits[0].dtype == torch.float32
    assert (logits[0] != logits[0].bfloat16()).float().mean() > 0.9  # finer than the weights
    p = logits[0][0].double().softmax(-1)
    yes = half.tokenizer.token_to_id("▁Yes")
    assert float(score) == pytest.approx(math.sqrt(p[0, yes] * p[1, 1]), rel=1e-5)


def test_batch_and_order(scorer):
    four, prompts = images(32, 20, count=4), [*PROMPTS[:2], "a bird", PROMPTS[0]]
    together = scorer.score(four, prompts)
    alone = [scorer.score(four[i : i + 1], prompts[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=0)
    picture, together = four[:3], scorer.score(four[:3], PROMPTS)
    turned = scorer.score(picture.flip(0), PROMPTS[::-1])
    torch.testing.assert_close(turned.flip(0), together, rtol=1e-5, atol=0)
    swapped = scorer.score(picture, [PROMPTS[1], *PROMPTS[:2]])
    assert (together - swapped).abs().min() > 1e-3 * together.max()
    assert scorer.score(picture[:0], []).shape == (0,)
    assert torch.equal(scorer.score(picture, PROMPTS), together)


def test_one_run_for_the_pictures_of_a_prompt(scorer):
    rows, texts = [], []
    hook = scorer.module.vision.register_forward_hook(lambda m, i, o: rows.append(len(o[0])))
    encode = scorer.ask
    object.__setattr__(scorer, "ask", lambda text: texts.append(text) or encode(text))
    for _ in range(2):
        scorer.score(images(32, 20), ["a cat", "a dog", "a cat"])
    hook.remove()
    object.__setattr__(scorer, "ask", encode)
    assert rows == [2, 1, 2, 1]
    asked = 'Does this figure show "a {}"? Please answer yes or no.'
    assert texts == [asked.format(animal) for animal in ("cat", "dog")]


@pytest.mark.parametrize("form", ["probability", "log", "log_margin"])
def test_gradient_reaches_the_picture(clip_flant5, form):
    scorer = load(clip_flant5, score=form)
    picture = images(20, 32).requires_grad_()
    scorer.score(picture, PROMPTS).sum().backward()
    slope = picture.grad
    assert torch.isfinite(slope).all() and (slope.flatten(1).abs().sum(1) > 0).all()
    step = 1e-3 * slope / slope.norm()
    with torch.no_grad():
        ahead, behind = (scorer.score(picture + s, PROMPTS).sum() for s in (step, -step))
    assert float(ahead - behind) == pytest.approx(2e-3 * float(slope.norm()), rel=0.05)


@pytest.mark.parametrize("shape", [(21, 32), (32, 20), (32, 32), (7, 96)])
def test_square_equals_the_paste_of_the_package(shape):
    import numpy as np
    from PIL import Image

    for picture in tiny_t5.pictures(shape):
        edge = max(shape)
        square = Image.new("RGB", (edge, edge), (122, 116, 104))
        height, width = shape
        square.paste(Image.fromarray(picture), ((edge - width) // 2, (edge - height) // 2))
        got = pad_square(torch.tensor(picture)[None].float() / 255)
        assert np.array_equal((got[0] * 255).round().byte().numpy(), np.asarray(square))


def test_pixels_equal_the_processor(scorer):
    shown = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    picture = images(50, 50)
    wanted = shown(list((picture * 255).byte().numpy()), return_tensors="pt")["pixel_values"]
    levels = (scorer.module.pixels(picture) - wanted).abs() * 255 * 0.27
    assert levels.mean() < 0.5 and levels.max() < 3


def test_tokenizer(clip_flant5, tmp_path):
    """That of the host serves where there is none, or one that is not T5's."""
    tiny_t5.clip_flant5(tmp_path / "bare")
    with pytest.raises(ValueError, match="has no T5 tokenizer: "):
        load(tmp_path / "bare")
    other = json.loads((clip_flant5 / "tokenizer.json").read_text())
    other["model"]["vocab"][1][0] = "<|end|>"
    other["added_tokens"] = []
    other["post_processor"] = None
    (tmp_path / "bare" / "tokenizer.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match="has no T5 tokenizer: "):
        load(tmp_path / "bare")
    files = Files(tokenizers={"t5": clip_flant5})
    scorer = REWARDS["vqascore"](checkpoint=str(tmp_path / "bare")).load(files)
    wanted = load(clip_flant5).score(images(32, 32), PROMPTS)
    assert torch.equal(scorer.score(images(32, 32), PROMPTS), wanted)


def test_tokens(clip_flant5, tmp_path):
    """Each half of the chat ends with </s>, whatever a tokenizer.json was last used for."""
    kept = json.loads((clip_flant5 / "tokenizer.json").read_text())
    kept["truncation"] = {
        "direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0
    }  # fmt: skip
    kept["padding"] = {
        "strategy": {"Fixed": 200}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>",
    }  # fmt: skip
    tiny_t5.clip_flant5(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(kept))
    before, after = load(tmp_path).ask("a {} b")
    assert before[-1] == after[-1] == 1 and 0 not in before + after
    assert len(before) > 100 and before.count(1) == after.count(1) == 1


def test_tokens_with_the_tokenizer_of_the_host():
    """Those of the published tokenizer, checked against its sentencepiece model once."""
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("COMFYUI_PATH is not set")
    host = Path(os.environ["COMFYUI_PATH"]) / "comfy" / "text_encoders" / "t5_tokenizer"
    words = load_tokenizer(host, None)
    assert [words.encode(x).ids for x in ("Yes", "No", "yes", "no")] == [
        [2163, 1], [465, 1], [4273, 1], [150, 1]
    ]  # fmt: skip
    question = 'Does this figure show "a red cat"? Please answer yes or no.'
    before, after = (words.encode(text).ids for text in (BEFORE, AFTER.format(question)))
    assert len(before) == 35 and before[-4:] == [837, 3316, 10, 1]
    assert after == [
        3520, 48, 2320, 504, 96, 9, 1131, 1712, 121, 58, 863, 1525, 4273, 42, 150, 5,
        71, 4256, 13582, 9156, 10, 1,
    ]  # fmt: skip


def test_settings_are_checked(clip_flant5):
    with pytest.raises(ValueError, match="place for the prompt: got .*, expected one {}"):
        load(clip_flant5, question="Is it nice?")
    with pytest.raises(ValueError, match="An answer is empty: got .*, expected text in each"):
        load(clip_flant5, answer=" ")
    scorer = load(clip_flant5)
    scorer.check("a cat")
    scorer.check('odd: {} {0} "<image>" %s')
    scorer.score(images(32, 32, count=1), ['odd: {} {0} "<image>" %s'])
    with pytest.raises(ValueError, match="needs a prompt"):
        scorer.check("  ")
