"""VQAScore by a CLIP of the host, on a stand-in: tests/host/test_host_vlm.py has the real one."""

import pytest
import torch
from pack.rewards import Scorer
from pack.rewards.question.host_vlm import HostVlmScore

WORDS = ["<bos>", "<image>", "Yes", " Yes", "yes", "No", " No", "no", "other"]


class Speaker(torch.nn.Module):
    """Says yes to bright pictures, and as many "other" as its question has letters."""

    def logits(self, hidden):
        row = torch.zeros(1, 1, len(WORDS))
        row[..., 2:5] = torch.tensor([1.0, 0.5, -0.5]) + hidden[0]
        row[..., 5:8] = torch.tensor([0.2, -0.2, -1.0]) - 0.3 * hidden[0]
        row[..., 8] = 0.01 * hidden[1]
        return row

    def generate(self, hidden):
        return [self.logits(hidden)[0, -1].argmax().item()]


class Clip:
    """What the host's CLIP does: pictures of tokenize() take the place of a token each."""

    def __init__(self, sees=True, wrapped=True, fails=False):
        self.cond_stage_model = torch.nn.ModuleDict({"small": Speaker()})
        self.sees, self.wrapped, self.fails, self.asked = sees, wrapped, fails, []

    def tokenize(self, text, image=None, **options):
        row = [(0, 1.0)]
        if image is None:
            assert options["skip_template"] and options["thinking"]
            row += [(WORDS.index(text) if text in WORDS else 8, 1.0)]
        else:
            assert image.shape[0] == 1 and not (options["skip_template"] or options["thinking"])
            row += [({"type": "image", "data": image} if self.sees else 1, 1.0), (text, 1.0)]
        return {"small": [row]} if self.wrapped else [row]

    def generate(self, tokens, do_sample, max_length):
        assert (do_sample, max_length) == (False, 1)
        rows = tokens["small"] if self.wrapped else tokens
        image, text = rows[0][1][0]["data"], rows[0][2][0]
        self.asked.append(text)
        if self.fails:
            raise RuntimeError("out of memory")
        return self.cond_stage_model["small"].generate(
            [image.nan_to_num().mean(), len(text)]
        )  # 8 bits hide NaN

    def decode(self, token_ids):
        return WORDS[token_ids[0]]


def load(clip=None, **settings):
    return HostVlmScore(clip=clip or Clip(), **settings).load()


def pictures():
    return torch.tensor([0.1, 0.5, 0.9])[:, None, None, None].expand(3, 8, 12, 3).clone()


@pytest.mark.parametrize("wrapped", [True, False])
def test_scores_are_the_logits_own(wrapped):
    clip, images, prompts = Clip(wrapped=wrapped), pictures(), ["a", "bb", "a"]
    wanted = {"relative": [], "probability": [], "log_margin": []}
    for image, prompt in zip(images, prompts, strict=True):
        length = len(f'Does this figure show "{prompt}"? Please answer Yes or No.')
        p = torch.softmax(Speaker().logits([image.mean(), length])[0, 0], 0)
        yes, no = p[2:5].sum(), p[5:8].sum()
        wanted["relative"].append(yes / (yes + no))
        wanted["probability"].append(p[2])
        wanted["log_margin"].append((yes / no).log())
    for form, values in wanted.items():
        scorer = load(clip, form=form)
        assert isinstance(scorer, Scorer) and scorer.module is None
        scores = scorer.score(images, prompts)
        assert scores.dtype == torch.float32
        torch.testing.assert_close(scores, torch.stack(values))
        if form != "probability":  # "bb" takes some from both answers
            assert (scores.diff() > 0).all()
    assert clip.asked[-1] == 'Does this figure show "a"? Please answer Yes or No.'
    assert scorer.score(images[:0], []).shape == (0,)


def test_question_is_the_users():
    clip = Clip()
    load(clip, question="{}: true?").score(pictures()[:1], ["{} a"])
    assert clip.asked == ["{} a: true?"]
    with pytest.raises(ValueError, match="got 'true\\?', expected one {}"):
        load(question="true?")


def test_nan_stays_with_its_picture():
    images = pictures()
    images[1, 0, 0, 0] = float("nan")
    assert load().score(images, ["a"] * 3).isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(fails):
    clip = Clip(fails=fails)
    scorer = load(clip)
    if fails:
        with pytest.raises(RuntimeError, match="out of memory"):
            scorer.score(pictures(), ["a"] * 3)
    else:
        scorer.score(pictures(), ["a"] * 3)
    assert "logits" not in vars(scorer.speaker)


def test_check():
    load().check("a cat")
    with pytest.raises(ValueError, match="needs a prompt"):
        load().check(" ")


def test_what_cannot_see_or_speak_is_refused():
    with pytest.raises(ValueError, match="takes no images"):
        load(Clip(sees=False))
    with pytest.raises(ValueError, match="No CLIP is connected"):
        HostVlmScore().load()
    silent = Clip()
    silent.cond_stage_model = torch.nn.Linear(1, 1)
    for clip in (silent, object()):
        with pytest.raises(ValueError, match="generates no text"):
            load(clip)
