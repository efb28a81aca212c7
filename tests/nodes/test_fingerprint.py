"""Field 26: what a search was made with is recognised, whatever it is made of."""

import uuid

import pytest
import torch


@pytest.fixture
def fingerprint(parts):
    return parts.fingerprint.fingerprint


def conditioning(value=1.0, **more):
    cond = {"cross_attn": torch.full((1, 4, 8), value), "uuid": uuid.uuid4(), "guidance": 3.5}
    return {"positive": [cond | more], "negative": []}


def test_equal_values_have_one_and_ids_of_a_run_do_not_matter(fingerprint):
    one, other = (conditioning(control=object()) for _ in range(2))
    assert fingerprint(one) == fingerprint(other) != fingerprint(conditioning())
    assert len(fingerprint(conditioning())) == 16


@pytest.mark.parametrize(
    "other",
    [
        conditioning(1.0 + 1e-6),
        conditioning(guidance=4.0),
        conditioning(pooled_output=torch.zeros(1, 2)),
        conditioning(reference_latents=[torch.zeros(1, 4)]),
        conditioning(cross_attn=torch.ones(1, 8, 4)),
        conditioning(cross_attn=torch.ones(1, 4, 8, dtype=torch.bfloat16)),
        conditioning() | {"negative": [{}]},
    ],
    ids=range(7),
)
def test_another_value_anywhere_is_another(fingerprint, other):
    assert fingerprint(other) != fingerprint(conditioning())


def test_what_has_no_bits_is_left_out_and_said(parts, caplog):
    assert parts.fingerprint._fingerprint_entry("latent", torch.empty(2, device="meta")) == {}
    assert "has no fingerprint of latent" in caplog.text


def test_it_does_not_go_on_for_ever(fingerprint):
    endless = {"cross_attn": torch.ones(2)}
    endless["again"] = endless
    assert len(fingerprint(endless)) == 16
