"""The checklist, and what judges answer to its questions, on tiny random weights."""

import dataclasses
import math

import pytest
import torch
from pack.rewards import MODES, CombinedScorer, Files, Scorer, asks, itemised, load_scorer
from pack.rewards.clips.video import VideoScorer
from pack.rewards.pixels.image_statistics import Brightness
from pack.rewards.question.checklist import Checklist, mean_of
from pack.rewards.question.checklist_lines import Item
from pack.rewards.question.clip_flant5 import ClipFlanT5Score
from pack.rewards.question.host_vlm import HostVlmScore
from pack.rewards.question.http.vqa_http import VqaHttp
from pack.rewards.question.shared_image import can_share
from pack.rewards.question.vlm import VlmScore
from pack.rewards.types import Question

from . import test_host_vlm, tiny_instructblip
from .over_http.vlm_server import serve
from .test_vlm import HERE, MAIN, pictures
from .tiny_vlm import NEW

LINES = "Is there a cat?\nHow many dogs are there? = 2 * 2\nIs it blue? = no"
QUESTIONS = [Item("Is there a cat?"), Item("How many big dogs?", "2"), Item("Blue?", "no")]
QUESTIONS = [item.question for item in QUESTIONS]


class Judge:
    """A stand-in: the answers depend on the brightness of the picture and on the question."""

    module, asks, compares = None, True, False

    def __init__(self):
        self.asked = []

    def check(self, prompt):
        pass

    def check_questions(self, questions):
        self.asked.append(questions)

    def judge(self, images, questions):
        levels = images.mean((1, 2, 3))[:, None]
        lengths = torch.tensor([len(question.text) / 100 for question in questions])
        return torch.nn.functional.logsigmoid(levels - lengths)


def load(judge=None, questions=LINES, **settings):
    return Checklist(judge=judge or Judge(), questions=questions, **settings).load()


@pytest.mark.parametrize("mean", ["geometric", "arithmetic", "log"])
def test_the_score_is_a_weighted_mean(mean):
    images, judge = pictures(8, 12), Judge()
    scorer = load(judge, mean=mean)
    assert isinstance(scorer, Scorer) and scorer.module is None
    questions = [item.question for item in scorer.lines]
    p = judge.judge(images, questions).double().exp()
    wanted = {
        "geometric": (p[:, 0] * p[:, 1] ** 2 * p[:, 2]) ** 0.25,
        "arithmetic": (p[:, 0] + 2 * p[:, 1] + p[:, 2]) / 4,
    }
    wanted["log"] = wanted["geometric"].log()
    scores = scorer.score(images, ["a", "b", "a"])
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, wanted[mean].float())
    assert scorer.score(images[:0], []).shape == (0,)


def test_no_underflow_hides_an_order():
    far = torch.tensor([[-200.0, -1.0], [-300.0, -1.0]])
    scores = mean_of(far, torch.ones(2), "log")
    assert scores[0] > scores[1]


def test_lines_are_asked_or_made_from_the_prompt():
    images, judge = pictures(8, 12, 1), Judge()
    made = load(judge, "")
    made.check("two red cats")
    texts = [question.text for question in judge.asked[-1]]
    assert [text.rpartition(" Please")[0] for text in texts] == [
        "How many cats are in the image?", "Are the cats red?",
        'Does this figure show "two red cats"?',
    ]  # fmt: skip
    (items,) = made.items(images, ["two red cats"])
    assert [(item["question"], item["answer"]) for item in items][0] == (
        "How many cats are in the image?", "2"
    )  # fmt: skip
    assert all(0.0 < item["p"] < 1.0 for item in items)
    load(judge).check("")  # lines without a prompt need none
    for questions in ("", 'Is this "{}"?'):
        with pytest.raises(ValueError, match="needs a prompt to ask about"):
            load(judge, questions).check(" ")
    with pytest.raises(ValueError, match="half of a character"):
        load(judge).check("\ud800")
    judge.compares = True
    load(judge, "").check("make it red")
    assert len(judge.asked[-1]) == 2 and "second image" in judge.asked[-1][0].text


def test_a_writer_is_asked_once_for_each_prompt():
    clip = test_host_vlm.Clip()
    clip.tokenize = lambda text, **options: {"small": [[(text, 1.0)]]}
    clip.generate = lambda tokens, do_sample, max_length: clip.asked.append(tokens) or [0]
    clip.decode = lambda ids: "Is there a cat? = yes\n"
    scorer = load(questions="", writer=clip)
    for _ in range(2):
        scorer.check("a cat")
        scorer.score(pictures(8, 12), ["a cat"] * 3)
    assert len(clip.asked) == 1
    with pytest.raises(ValueError, match="generates no text: expected a language model"):
        load(questions="", writer=object())


def test_what_answers_no_questions_is_refused():
    for judge, got in ((None, "got nothing"), (Brightness(), "that answers no questions")):
        with pytest.raises(ValueError, match=got):
            Checklist(judge=judge).load()


def test_items_go_through_combinations_and_videos():
    images = pictures(8, 12)
    scorer = load()
    both = CombinedScorer(MODES["weighted_sum"](), {1: scorer, 2: Brightness().load(), 3: scorer})
    assert itemised(both) and itemised(scorer) and not itemised(Brightness().load())
    alone, joined = (own.items(images, ["a"] * 3) for own in (scorer, both))
    assert joined == [items * 2 for items in alone]
    video = VideoScorer(scorer, 0, "mean", 1.0)
    assert video.items(images[None], ["a"]) == alone[1:2]  # of the middle frame


def same(got, wanted):
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", HERE)
def test_a_vision_language_model_answers_as_if_asked_alone(vlm_folders, kind):
    """Yes and no as the form relative; and the image is encoded once where that is possible."""
    judge = VlmScore(checkpoint=str(vlm_folders(kind)), question="{}").load()
    assert (
        asks(judge)
        and not judge.compares
        and can_share(judge.module) == (NEW and kind not in ("paligemma", "qwen3_5"))
    )
    images = pictures(70, 90, 2)
    seen, parts = [], [m for n, m in judge.module.named_modules() if n.endswith("patch_embedding")]
    parts += [m for n, m in judge.module.named_modules() if n.endswith("patch_embed")]
    with parts[0].register_forward_hook(lambda *io: seen.append(1)):
        found = judge.judge(images, QUESTIONS)
    assert found.dtype == torch.float32 and found.shape == (2, 3)
    assert (len(seen) == 2) == can_share(judge.module)
    for column, answer in ((0, "yes"), (2, "no")):
        alone = judge.score(images, [QUESTIONS[column].text] * 2)
        same(found[:, column].exp(), alone if answer == "yes" else 1.0 - alone)
    for column, question in enumerate(QUESTIONS):
        same(found[:, column : column + 1], judge.judge(images, [question]))
    broken = images.clone()
    broken[0, 0, 0, 0] = float("nan")
    assert judge.judge(broken, QUESTIONS).isnan().tolist() == [[True] * 3, [False] * 3]


def test_numbers_and_words_are_read_by_their_first_tokens(vlm_folders):
    judge = VlmScore(checkpoint=str(vlm_folders("qwen2_5_vl")), question="{}").load()
    images, words = pictures(70, 90, 1), judge.processor.tokenizer.get_vocab()
    two, red = Item("How many?", "2").question, Item("Colour?", "red").question
    found = judge.judge(images, [two, red])[0]
    for question, column in ((two, 0), (red, 1)):
        logits = judge._logits(judge._inputs(images[0], question.text), 1)[-1]
        p = torch.softmax(logits.float(), -1)
        if column:  # "red", "Red", "RED" and " red" begin with these, the blank with none of them
            wanted = p[[words["r"], words["R"]]].sum()
        else:  # numbers of one digit are tokens, their names are not
            wanted = p[words["2"]] / p[[words[str(i)] for i in range(10)]].sum()
        same(found[column].exp(), wanted)


@pytest.mark.parametrize("kind", [kind for kind in MAIN if kind in ("qwen2_5_vl", "smolvlm")])
def test_gradients_of_a_shared_image_are_those_of_whole_chats(vlm_folders, kind):
    judge = VlmScore(checkpoint=str(vlm_folders(kind)), question="{}").load()
    if not judge.differentiable:
        pytest.skip("transformers before 4.53 has no such processor of it")
    slopes = []
    for alone in (False, True):
        images = pictures(70, 90, 1).requires_grad_()
        groups = [[question] for question in QUESTIONS] if alone else [QUESTIONS]
        sum(judge.judge(images, group).sum() for group in groups).backward()
        slopes.append(images.grad)
    assert slopes[0].norm() > 0
    torch.testing.assert_close(*slopes, rtol=1e-3, atol=1e-3 * slopes[0].abs().max())


def test_a_score_has_the_gradient_of_its_judge(vlm_folders):
    judge = VlmScore(checkpoint=str(vlm_folders("qwen2_5_vl"))).load()
    scorer = load_scorer(Checklist(judge=judge, questions=LINES, mean="log"))
    images = (0.25 + 0.5 * pictures(70, 90, 2)).requires_grad_()
    scorer.score(images, ["a", "a"]).sum().backward()
    slopes = images.grad.flatten(1).norm(dim=1)
    assert (slopes > 0).all() and slopes.isfinite().all()
    step = images.grad / slopes.view(-1, 1, 1, 1)
    moved = [scorer.score(images + sign * 1e-3 * step, ["a", "a"]) for sign in (1, -1)]
    torch.testing.assert_close((moved[0] - moved[1]).detach() / 2e-3, slopes, rtol=0.1, atol=0)
    with torch.no_grad():  # 8 bits, as the judge reads them without a gradient
        same = scorer.score(images, ["a", "a"])
    torch.testing.assert_close(same, moved[0].detach(), rtol=0, atol=0.05)


def test_half_precision_answers_alike(vlm_folders):
    settings, images = VlmScore(checkpoint=str(vlm_folders("qwen2_5_vl"))), pictures(70, 90)
    half = settings.load(Files(supports=lambda dtype: dtype == torch.bfloat16))
    found, wanted = (judge.judge(images, QUESTIONS) for judge in (half, settings.load()))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.15)


@pytest.mark.parametrize("family", ["vqascore", "vqascore_instructblip"])
def test_a_t5_answers_by_its_first_token(clip_flant5, tmp_path, family):
    if family == "vqascore":
        judge = ClipFlanT5Score(checkpoint=str(clip_flant5)).load()
    else:
        tiny_instructblip.build(tmp_path)
        from pack.rewards.question.instructblip import InstructBlipScore

        judge = InstructBlipScore(checkpoint=str(tmp_path)).load()
    images, questions = pictures(32, 40, 2), [QUESTIONS[0], QUESTIONS[2]]
    seen, see = [], judge.module.see
    judge.module.see = lambda pixels: seen.append(1) or see(pixels)
    found = judge.judge(images, questions)
    assert len(seen) == 1 and found.shape == (2, 2) and found.dtype == torch.float32
    token, t5 = judge.tokenizer.token_to_id, judge.module.t5
    yes, no = ([token(f"▁{word}") for word in words] for words in (("Yes", "yes"), ("No", "no")))
    for column, question in enumerate(questions):
        tokens = [torch.tensor(ids) for ids in judge.ask(question.text)]
        embeds = judge.module.embed(see(judge.module.pixels(images)), *tokens)
        start = torch.zeros(2, 1, dtype=torch.long)
        p = torch.softmax(t5(inputs_embeds=embeds, decoder_input_ids=start).logits[:, 0], -1)
        share = p[:, yes].sum(1) / p[:, yes + no].sum(1)
        same(found[:, column].exp(), share if column == 0 else 1.0 - share)
    images[0, 0, 0, 0] = float("nan")
    assert judge.judge(images, questions).isnan().tolist() == [[True] * 2, [False] * 2]
    images = pictures(32, 40, 2).requires_grad_()
    judge.judge(images, questions).sum().backward()
    assert (images.grad.flatten(1).norm(dim=1) > 0).all()
    judge.check_questions(QUESTIONS)
    with pytest.raises(ValueError, match="cannot spell '猫': got no first token"):
        judge.check_questions([Item("What is it?", "猫").question])


def test_a_model_of_the_host_answers(monkeypatch):
    judge = test_host_vlm.load(question="{}")
    monkeypatch.setattr(test_host_vlm.Clip, "decode", lambda self, ids: "".join(
        test_host_vlm.WORDS[id] for id in ids
    ))  # fmt: skip
    images, (yes, _, no) = test_host_vlm.pictures(), QUESTIONS
    judge.check_questions([yes, no])
    found = judge.judge(images, [yes, no])
    same(found[:, 0].exp(), judge.score(images, [yes.text] * 3))
    same(found[:, 1].exp(), 1.0 - judge.score(images, [no.text] * 3))
    images[1, 0, 0, 0] = float("nan")
    assert judge.judge(images, [yes]).isnan()[:, 0].tolist() == [False, True, False]


def test_a_question_may_hold_no_command(vlm_folders):
    judge = VlmScore(checkpoint=str(vlm_folders("qwen2_5_vl"))).load()
    with pytest.raises(ValueError, match="reads as a command"):
        load(judge, "Is it <|im_end|>?").check("a")
    with pytest.raises(ValueError, match="is empty"):
        judge.check_questions([Question(" ", ("yes",), ("no",))])


YES_OR_NO = [("Yes", 0.7), ("No", 0.2)]
TOKENS = [("Yes", 0.4), ("2", 0.2), ("no", 0.1), ("three", 0.1), ("re", 0.05), ("The", 0.01)]


def rest(picture):
    """A token that is likelier in red pictures, so that the server is seen to look at them."""
    return "x", 0.001 + 0.009 * picture[..., 0].mean() / 255


def test_a_server_answers():
    with serve("vllm", see=lambda picture: [*TOKENS, rest(picture)]) as server:
        judge = VqaHttp(url=server.url, concurrency=3).load()
        scorer = load(judge, LINES + "\nColour? = Red\nColour? = blue")
        scorer.check("")
        before = len(server.asked)
        (items, _) = scorer.items(pictures(8, 12, 2), ["a", "a"])
        asked = server.asked[before:]
    assert len(asked) == 10 and server.most <= 3
    assert "Is there a cat? Please answer Yes or No." in [request["text"] for request in asked]
    p = [item["p"] for item in items]
    assert p[:4] == pytest.approx([0.8, 0.2 / 0.3, 0.2, 0.05], abs=1e-3)
    assert 0 < p[4] <= 0.01  # not listed: at most as likely as the last that is


def test_an_answer_to_another_question_has_no_score():
    with serve("vllm", see=lambda picture: [*YES_OR_NO, rest(picture)]) as server:
        settings = VqaHttp(url=server.url)
        scorer = load(settings.load(), "How many? = 2")
        scorer.check("")
        assert scorer.score(pictures(8, 12, 1), ["a"]).isnan().all()
        (items,) = scorer.items(pictures(8, 12, 1), ["a"])
        assert math.isnan(items[0]["p"])
        failing = load(dataclasses.replace(settings, on_missing="fail").load(), "How many? = 2")
        with pytest.raises(ValueError, match="got 'Yes' as the likeliest .* expected 2 or two"):
            failing.score(pictures(8, 12, 1), ["a"])


def test_a_wired_model_of_the_host_is_no_list():
    with pytest.raises(ValueError, match="No CLIP is connected"):
        HostVlmScore().load()
