"""The lines of a checklist, and those that are made from a prompt."""

import pytest
from pack.rewards.question.checklist_lines import Item, read_lines
from pack.rewards.question.prompt_questions import edit_questions, questions_from
from pack.rewards.question.question_writer import written_questions


@pytest.mark.parametrize(
    ("line", "item"),
    [
        ("Is there a cat?", ("Is there a cat?", "yes", 1.0)),
        ("  Is there a cat? = no * 2.5 ", ("Is there a cat?", "no", 2.5)),
        ("Is there a cat? * .5", ("Is there a cat?", "yes", 0.5)),
        ("How many cats? = 3", ("How many cats?", "3", 1.0)),
        ("How many cats? = Three", ("How many cats?", "three", 1.0)),
        ("What colour is it? = Red", ("What colour is it?", "red", 1.0)),
        ("Does it say E = mc2?", ("Does it say E = mc2?", "yes", 1.0)),
        ("Does it say E = mc2? = no * 3", ("Does it say E = mc2?", "no", 3.0)),
        ("Is 2*2 written?*2", ("Is 2*2 written?*2", "yes", 1.0)),
    ],
)
def test_a_line(line, item):
    assert read_lines(f"\n{line}\n\n") == [Item(*item)]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("A?\nB? = ", "Line 2 of the checklist cannot be read: got 'B\\? ='"),
        ("A? * much", "Line 1 of the checklist has no usable weight: got 'much'"),
        ("A? * 0", "got '0', expected a number above 0"),
        ("A? = yes * -1", "got '-1'"),
        ("A? * nan", "got 'nan'"),
        ("= yes", "cannot be read"),
        ("How many? = 12", "got 12, expected at most 9. Ask whether there are 12"),
        ("x" * 501, "cannot be read"),
        ("A?\n" * 65, "got 65 questions, expected 64"),
    ],
)
def test_a_line_that_cannot_be_read(text, error):
    with pytest.raises(ValueError, match=error):
        read_lines(text)


def test_what_a_judge_is_asked():
    yes, no, three, red = (Item("Q?", answer).question for answer in ("yes", "no", "three", "red"))
    assert (yes.text, yes.answer, yes.alternatives) == (
        "Q? Please answer Yes or No.", ("yes",), ("no",)
    )  # fmt: skip
    assert (no.answer, no.alternatives) == (("no",), ("yes",))
    assert three.text.endswith("a number only.") and three.answer == ("3", "three")
    assert Item("Q?", "3").question == three
    assert {"0", "zero", "none", "2", "ten"} <= set(
        three.alternatives
    ) and "3" not in three.alternatives
    assert (red.text, red.answer, red.alternatives) == (
        "Q? Please answer with one word only.",
        ("red",),
        (),
    )


def test_a_line_about_a_prompt():
    assert Item('Is "{}" shown?', weight=2.0).about("a\n cat\u200b {}") == Item(
        'Is "a cat  {}" shown?', "yes", 2.0
    )
    long = Item("{}?").about("a" * 600)
    assert len(long.question.text) > 600 and len(long.shown) == 500


PROMPTS = {
    "six red airplanes flying over a camel": [
        ("How many airplanes are in the image?", "6"), ("Are the airplanes red?", "yes"),
        ("Is there a camel in the image?", "yes"), ("Are the airplanes over the camel?", "yes"),
    ],
    "two cats to the left of a green chair and an orange dog": [
        ("How many cats are in the image?", "2"), ("Is there a chair in the image?", "yes"),
        ("Is the chair green?", "yes"), ("Is there a dog in the image?", "yes"),
        ("Is the dog orange?", "yes"), ("Are the cats to the left of the chair?", "yes"),
    ],
    "3 red circles and 2 blue circles": [
        ("How many red circles are in the image?", "3"),
        ("How many blue circles are in the image?", "2"),
    ],
    'a neon sign that says “Open 24 h”, and "BAR", no people': [
        ('Is the text "Open 24 h" written in the image?', "yes"),
        ('Is the text "BAR" written in the image?', "yes"),
        ("Is there a neon sign in the image?", "yes"),
        ("Are there any people in the image?", "no"),
    ],
    "twelve eggs": [("Are there exactly 12 eggs in the image?", "yes")],
    "it's love, in oil": [],
    "about five dogs": [],  # no exact number: only the whole prompt is asked about
}  # fmt: skip


@pytest.mark.parametrize("prompt", PROMPTS)
def test_questions_are_made_of_what_is_certain(prompt):
    items = questions_from(prompt)
    assert [(item.text, item.answer) for item in items[:-1]] == PROMPTS[prompt]
    assert items[-1].about(prompt).text == f'Does this figure show "{prompt}"?'
    assert all(item.weight == 1.0 for item in items)


def test_an_edit_is_asked_about_in_two_questions():
    done, kept = (item.about("make it red").text for item in edit_questions())
    assert 'done in the second image: "make it red"' in done
    assert "everything in the second image as it is in the first" in kept


class Writer:
    def __init__(self, text):
        self.text, self.asked = text, []

    def tokenize(self, text, **options):
        assert not options["skip_template"] and not options["thinking"]
        self.asked.append(text)
        return [[(0, 1.0)]]

    def generate(self, tokens, do_sample, max_length):
        assert not do_sample and max_length > 100
        return [1, 2]

    def decode(self, ids):
        return self.text


def test_a_model_writes_questions():
    writer = Writer(
        "Here they are:\n1. Is there a cat? = yes\n- How many dogs? = 2\n* Is {} it red?\n"
        "Is there a cat? = yes\nHow many ants? = 400\n"
    )
    items = written_questions(writer, "a cat and two dogs")
    assert items == [Item("Is there a cat?"), Item("How many dogs?", "2"), Item("Is  it red?")]
    assert writer.asked[0].endswith("The description: a cat and two dogs")
    with pytest.raises(ValueError, match="wrote no questions: got 'I cannot.', expected lines"):
        written_questions(Writer("I cannot."), "a cat")
