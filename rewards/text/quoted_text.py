"""The texts to read in an image: of a setting, or those in quotes in the prompt."""

from ..count.quotes import quoted_texts
from .line_reader import LETTERS

MOST = 8  # texts
EXAMPLE = 'a sign that says "OPEN"'
PLAIN = str.maketrans("‘’ʼ“”„«»–—‐‑−…×\xa0", '\'\'\'"""""-----.x ')


def texts_in(prompt: str, setting: str) -> list[str]:
    """The texts of the setting, one a line, or else those in quotes in the prompt.

    Raises:
        ValueError: there is none, or too many, or the reader does not know a letter.
    """
    texts = setting.splitlines() if setting.strip() else quoted_texts(prompt)
    texts = [plain for text in texts if (plain := " ".join(text.translate(PLAIN).split()))]
    if not texts:
        raise ValueError(
            f"The prompt has no text in quotes: got {_brief(prompt)}, expected one such as "
            f"{EXAMPLE}. Put the text in quotes, or fill in `text`."
        )
    if len(texts) > MOST:
        raise ValueError(f"There are too many texts to read: got {len(texts)}, expected {MOST}.")
    unknown = sorted(set("".join(texts)) - set(LETTERS))
    if unknown:
        raise ValueError(
            f"The reader does not know some letters: got {' '.join(unknown)!r}, expected English "
            "letters, digits and signs."
        )
    return texts


def _brief(prompt: str) -> str:
    return repr(prompt if len(prompt) < 60 else f"{prompt[:60]}…")
