"""VQAScore over HTTP, against servers on local ports that answer as those people run do."""

import logging
import math
import threading
import time

import numpy as np
import pytest
import torch
from pack.rewards import Scorer
from pack.rewards.question.http.dialects import CHAT, probability
from PIL import Image

from .asking import PROMPT, QUESTION, after_probe, close, connected, error_of, load, mumble, score
from .vlm_server import MODEL, openai, serve

YES, NO = frozenset({"yes"}), frozenset({"no"})


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("vllm", "/v1/chat/completions"),
        ("llama_cpp", "/v1/chat/completions"),
        ("ollama", "/v1/chat/completions"),
        ("old_ollama", "/api/chat"),
        ("lm_studio", "/v1/responses"),
    ],
)
def test_every_server_gives_the_score_of_its_likelihoods(kind, path, images):
    with serve(kind) as server:
        scorer = connected(server)
        assert isinstance(scorer, Scorer) and scorer.module is None
        scores = score(scorer, images)
    assert scores.dtype == torch.float32 and scores.shape == (8,)
    assert close(scores, images) and scores.std() > 0.05
    assert {r["path"] for r in server.requests} == {path} and len(server.requests) == 8
    for asked in server.requests:
        assert asked["body"]["model"] == MODEL and asked["text"] == QUESTION
        assert asked["body"]["top_logprobs"] == 20
        assert any((asked["picture"] == np.rint(i.numpy() * 255)).all() for i in images)


def test_the_request_is_openais(images):
    with serve() as server:
        score(connected(server), images[:1])
        body = dict(server.asked[0]["body"])
    messages = body.pop("messages")
    assert body == {
        "model": MODEL, "max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": 20,
    }  # fmt: skip
    assert [part["type"] for part in messages[0]["content"]] == ["image_url", "text"]
    assert messages[0]["role"] == "user"


def test_scores_are_keyed_by_picture_when_answers_come_out_of_order(images):
    means, ended = [float(i.mean()) * 255 for i in images], [threading.Event() for _ in images]

    def late(request, handler):
        mean = request["picture"].mean()
        rank = min(range(8), key=lambda i: abs(means[i] - mean))
        assert rank == 7 or ended[rank + 1].wait(10)
        order.append(rank)
        threading.Timer(0.01, ended[rank].set).start()

    order = []
    with serve(hook=after_probe(late)) as server:
        scores = score(connected(server, concurrency=8), images)
    assert order == list(range(7, -1, -1)) and close(scores, images)


def test_no_more_requests_at_a_time_than_asked(images):
    barrier = threading.Barrier(3)

    def meet(request, handler):
        barrier.wait(10)
        time.sleep(0.05)

    with serve(hook=after_probe(meet)) as server:
        scores = score(connected(server, concurrency=3), images[:6])
    assert server.most == 3 and close(scores, images[:6])


def test_a_batch_is_its_pictures_one_by_one(images):
    with serve() as server:
        scorer = connected(server)
        alone = torch.cat([score(scorer, i[None]) for i in images])
        assert torch.equal(score(scorer, images), alone)
        assert torch.equal(score(scorer, images.flip(0)), alone.flip(0))
        server.requests.clear()
        assert score(scorer, images[:0], []).shape == (0,) and not server.requests


def test_nan_stays_with_its_picture_and_is_not_sent(images):
    spoilt = images.clone()
    spoilt[2, 0, 0, 1], spoilt[5, 3, 3, 0] = math.nan, math.inf
    with serve() as server:
        scores = score(connected(server), spoilt)
        assert scores.isnan().nonzero()[:, 0].tolist() == [2, 5] and len(server.asked) == 6
        kept = [0, 1, 3, 4, 6, 7]
        assert close(scores[kept], images[kept])


def test_each_picture_is_asked_its_own_prompt(images):
    prompts = [f'{{{i}}} "pots" of café{{}}' for i in range(8)]
    with serve() as server:
        scorer = connected(server, question="{} {0}? %s", concurrency=1)
        score(scorer, images, prompts)
        assert [r["text"] for r in server.asked] == [f"{p} {{0}}? %s" for p in prompts]


@pytest.mark.parametrize(
    ("side", "size"), [(0, (40, 60)), (60, (40, 60)), (30, (20, 30)), (100, (40, 60))]
)
def test_pictures_are_sent_as_8_bit_png_no_larger_than_asked(side, size):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    off = levels + rng.uniform(-0.4, 0.4, levels.shape)  # rounded, neither up nor down
    off[levels == 0], off[levels == 255] = -99.0, 299.0  # cut, not wrapped around
    off = torch.tensor(off).float() / 255
    with serve() as server:
        score(connected(server, max_side=side), off[None])
        sent = server.asked[0]["picture"]
    assert sent.shape == (*size, 3)
    if size == (40, 60):
        assert (sent == levels).all()
    else:
        resized = Image.fromarray(levels).resize((30, 20), Image.Resampling.LANCZOS)
        assert (sent == np.asarray(resized)).all()


def test_probability_sums_spellings():
    top = [("No", 0.3), (" YES\n", 0.2), ("▁yes", 0.1), ("Ġno", 0.1), ("Yes.", 0.1), ("not", 0.1)]
    found = [(token, math.log(p)) for token, p in top]
    assert probability(found, YES, NO) == pytest.approx(0.3 / 0.7)
    assert probability(found, NO, YES) == pytest.approx(0.4 / 0.7)
    assert probability(found[:1], YES, NO) == 0.0 and probability(found[1:2], YES, NO) == 1.0
    assert math.isnan(probability(found[4:], YES, NO))
    assert math.isnan(probability([("yes", -math.inf), ("no", -9999.0)], YES, NO))


def test_minus_infinity_is_no_likelihood():
    top = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -math.inf}]
    assert probability(CHAT.top(openai(top)), YES, NO) == 1.0


def test_other_answers(images):
    def see(picture):
        return [
            ("Ja", 0.5),
            ("oui", 0.1),
            ("Nein", 0.2),
            ("yes", picture[..., 0].mean() / 1e4 + 1e-9),
        ]

    with serve(see=see) as server:
        scores = score(connected(server, yes="ja, Oui", no="NEIN,"), images)
    assert scores.tolist() == pytest.approx([0.75] * 8)


def test_an_answer_without_yes_or_no_is_nan_and_told_once_a_run(images, caplog):
    with serve(see=mumble) as server, caplog.at_level(logging.WARNING, "flow_search"):
        scorer = load(server, on_missing="nan")
        for _ in range(2):
            scorer.check(PROMPT)
            score(scorer, images)
            assert score(scorer, images).isnan().all()
    assert len(caplog.messages) == 2
    assert "got '<think>' as the likeliest first token, expected yes or no" in caplog.messages[0]


def test_an_answer_without_yes_or_no_may_end_the_run(images):
    with serve(see=mumble) as server:
        message = error_of(connected(server, on_missing="fail"), images)
    assert "expected yes or no among the likeliest" in message and "'<think>'" in message
