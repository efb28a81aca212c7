"""Questions that check an image against its prompt, written by a language model of the host."""

import re

from .checklist_lines import MOST, Item, read_line
from .host_vlm import HostClip

TOKENS = 512
REQUEST = """Write short questions that check, one by one, whether an image shows this description.
Ask about each thing, each number of things, each colour, each place and each written text.
Write one question a line, then = and the right answer: yes, no or a number. Example:
How many cats are there? = 2
Is the table round? = yes
Write nothing else. The description: """


def written_questions(clip: HostClip, prompt: str) -> list[Item]:
    """The items that the model writes for `prompt`, with its likeliest words.

    Raises:
        ValueError: it wrote no question.
    """
    tokens = clip.tokenize(f"{REQUEST}{prompt}", skip_template=False, min_length=1, thinking=False)
    text = clip.decode(clip.generate(tokens, do_sample=False, max_length=TOKENS))
    items = [item for line in text.splitlines() if (item := _item(line)) is not None]
    if not items:
        raise ValueError(
            f"The writer wrote no questions: got {text.strip()[:80]!r}, expected lines such as "
            "`Is the table round? = yes`. Disconnect `writer`, or choose another model."
        )
    return list(dict.fromkeys(items))[:MOST]


def _item(line: str) -> Item | None:
    """The item of a line, without its number or dash; None if the line is no question."""
    plain = re.sub(r"^\s*(?:[-*•]|\d+[.)])\s*", "", line).replace("{}", "").strip()
    if "?" not in plain:
        return None
    try:
        return read_line(plain, "A written line")
    except ValueError:  # models write more than they are asked for
        return None
