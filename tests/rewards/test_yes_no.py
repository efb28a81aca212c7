"""Scores of yes and no against the formulas."""

import pytest
import torch
from pack.rewards.question.yes_no import Answers, check_question, find_answers

TOKENS = {"Yes": 5, " Yes": 3, "yes": 5, "No": 1, "no": 0, "YES": None}


def test_answers_are_single_tokens_each_once():
    answers = find_answers(TOKENS.get)
    assert answers == Answers((5, 3), (1, 0))
    for word in ("Yes", "No"):
        with pytest.raises(ValueError, match=f"spell '{word}': got no single token, expected"):
            find_answers({**TOKENS, word: None}.get)


def test_forms():
    logits, answers = torch.tensor([0.5, 2.0, 7.0, -1.0, 0.0, 1.5]), Answers((5, 3), (1, 0))
    p = logits.softmax(0)
    relative, probability, margin = (
        answers.score(logits, form) for form in ("relative", "probability", "log_margin")
    )
    torch.testing.assert_close(probability, p[5])
    torch.testing.assert_close(margin, ((p[5] + p[3]) / (p[1] + p[0])).log())
    torch.testing.assert_close(relative, (p[5] + p[3]) / (p[5] + p[3] + p[1] + p[0]))
    assert answers.score(logits.half(), "relative").dtype == torch.float32


def test_a_margin_does_not_saturate():
    logits = torch.tensor([0.0, 60.0]).requires_grad_()
    answers = Answers((1,), (0,))
    assert answers.score(logits, "relative") == 1.0
    margin = answers.score(logits, "log_margin")
    margin.backward()
    assert margin.item() == pytest.approx(60.0) and logits.grad.tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("question", ["Is it?", "{} or {}?", ""])
def test_a_question_has_one_place_for_the_prompt(question):
    check_question("Is it {}?")
    with pytest.raises(ValueError, match="place for the prompt: got .*, expected one {}"):
        check_question(question)
