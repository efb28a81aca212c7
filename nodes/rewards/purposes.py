"""What rewards are for: one group for each room, named and explained as the menu shows it."""

from __future__ import annotations

PURPOSES = {  # by room, in the order of the menu: name and sentence
    "pixels": ("no file", "Measures the image itself. Needs no file and reads no prompt."),
    "question": ("agreement", "Asks a model whether the image shows the prompt."),
    "count": ("counts", "Counts the objects or shapes of the prompt in the image."),
    "preference": ("looks", "Predicts which image people like. taste learns what you like."),
    "text": ("text", "Reads the words in the image, and compares them with those in quotes."),
    "likeness": ("likeness", "Compares the image with the prompt, or with an image of yours."),
    "clips": ("video", "Scores videos: by their frames, or by how steady they are."),
}


def purpose(family: type) -> str:
    """The name of the group that a reward belongs to; empty if it is in no room."""
    _, _, place = family.__module__.partition(".rewards.")
    room, *_ = place.split(".")
    name, _ = PURPOSES.get(room, ("", ""))
    return name
