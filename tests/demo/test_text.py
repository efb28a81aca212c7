"""The closed-vocabulary text encoder."""

import pytest
import torch
from pack.demo import scenes, text


def test_captions_are_read_back():
    for caption in scenes.held_out_prompts(50, 1):
        rows = text.parse(caption)
        assert scenes.caption(rows) == caption


@pytest.mark.parametrize(
    "same", ["Three RED circles", "3 red circles", " three red circle. ", "3 red circles,"]
)
def test_spellings(same: str):
    assert text.parse(same) == [(3, 0, 0)]
    assert text.parse("a blue square and an orange circle") == [(1, 4, 1), (1, 1, 0)]


def test_each_phrase_is_a_token_and_pooled_their_sum():
    tokens, pooled = text.encode(
        ["two red circles and one blue square", "one blue square, two red circles"]
    )
    assert tokens.shape == (2, 3, 64) and pooled.shape == (2, 64)
    assert torch.equal(tokens.sum(1), pooled) and torch.equal(pooled[0], pooled[1])
    assert (tokens[0].sum(1) == torch.tensor([2, 2, 0])).all()


def test_every_triple_has_its_own_token():
    triples = [(n, c, s) for n in range(1, 7) for c in range(6) for s in range(3)]
    tokens, _ = text.embed(torch.tensor(triples)[:, None])
    assert len(tokens[:, 0].unique(dim=0)) == len(triples)


def test_the_empty_text_is_zero():
    tokens, pooled = text.encode([""])
    assert not tokens.any() and not pooled.any() and tokens.shape == (1, 3, 64)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("three crimson circles", '"crimson"'),
        ("three red", '"three red"'),
        ("red three circles", '"red three circles"'),
        ("one red circle, one blue circle, one green circle and one purple circle", "got 4"),
    ],
)
def test_what_cannot_be_read_is_named(wrong: str, named: str):
    with pytest.raises(ValueError, match="The demo model") as error:
        text.parse(wrong)
    assert named in str(error.value) and str(error.value).count("\n") == 0


def test_it_gives_what_clip_text_encode_wants():
    clip = text.WordTableCLIP()
    [[cond, extra]] = clip.encode_from_tokens_scheduled(clip.tokenize("six green triangles"))
    assert cond.shape == (1, 3, 64) and extra["pooled_output"].shape == (1, 64)
