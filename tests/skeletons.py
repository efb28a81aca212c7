"""The skeletons of CONTRIBUTING.md: by the title of a section, its Python."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "CONTRIBUTING.md"
SECTION = re.compile(r"^## (.+)\n(?:.+\n)+```python\n((?:.*\n)*?)```$", re.MULTILINE)


def skeletons():
    return dict(SECTION.findall(PAGE.read_text("utf-8")))
