"""A scorer of VQAScore over HTTP, and what a test asks it."""

import pytest
from pack.rewards import REWARDS

from .vlm_server import expected, likeliest

PROMPT = "a red cat"
QUESTION = 'Does this figure show "a red cat"? Please answer Yes or No.'
SECRET = "sk-5ecretKey/of+mine=="


def load(server, **settings):
    url = server if isinstance(server, str) else server.url
    return REWARDS["vqascore_http"](url=url, **settings).load()


def connected(server, **settings):
    scorer = load(server, **settings)
    scorer.check(PROMPT)
    server.requests.clear()
    return scorer


def score(scorer, images, prompts=None):
    return scorer.score(images, prompts or [PROMPT] * len(images))


def close(scores, images):
    return scores.tolist() == pytest.approx([expected(i) for i in images], abs=1e-6)


def after_probe(behave):
    """A hook that leaves alone the probe's GET and its two questions."""
    count = iter(range(10**9))
    return lambda request, handler: behave(request, handler) if next(count) > 2 else None


def error_of(scorer, images):
    with pytest.raises(ValueError) as found:
        score(scorer, images)
    return str(found.value)


def mumble(picture):
    """Yes or no to pictures that are red or blue all over, "<think>" to others."""
    return likeliest(picture) if picture.std((0, 1)).max() == 0.0 else [("<think>", 0.9)]


def seen(server):
    return len(server.requests)
