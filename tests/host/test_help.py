"""The help pages: one for each node, with pictures and a workflow to try, most in Chinese, too.

The page shows the English help where there is no Chinese one: that is a warning. A picture named
after the node carries its smallest workflow: dropped on the canvas, it opens.
"""

import io
import json
import re

import pytest
from pack.tools import writing
from pack.tools.probing.server import NEWEST
from pack.tools.saved_workflow import to_api
from pack.tools.workflows.smallest import build
from PIL import Image

from .test_locales import CHINESE, ROOT, read, report_missing
from .test_pack import NODES

DOCS = "/extensions/weird.name-1/docs"


def picture(host, name):
    return host.client.read(f"{DOCS}/{name}")


def carried(host, node):
    return json.loads(Image.open(io.BytesIO(picture(host, f"{node}.png"))).text["workflow"])


CHINESE_HELP = [node for node in NODES if (ROOT / "web" / "docs" / node / "zh.md").exists()]


def check_help(host, node, page, title, section):
    """A page's title, its section of the smallest workflow, and its pictures; the text."""
    text = host.client.read(f"{DOCS}/{page}").decode()
    assert text.startswith(f"# {title}\n")
    assert f"\n## {section}\n" in text
    shown = re.findall(r"!\[.+\]\((.+)\)", text)  # the front-end looks for all in docs/
    assert f"{node}.png" in shown
    assert all(0 < len(picture(host, name)) < 60000 for name in shown)
    return text


@pytest.mark.parametrize("node", NODES)
def test_the_help_is_there(host, node):
    check_help(host, node, f"{node}.md", NODES[node], "Smallest workflow")
    report_missing("help page", [node] if node not in CHINESE_HELP else [])


@pytest.mark.parametrize("node", CHINESE_HELP)
def test_the_chinese_help_is_there(host, node):
    title = read().get(node, {}).get("display_name", NODES[node])
    assert CHINESE.search(check_help(host, node, f"{node}/zh.md", title, "最小工作流"))


@pytest.mark.parametrize("node", CHINESE_HELP)
def test_the_languages_keep_in_step(host, node):
    def outline(page):  # its paragraphs, sections and table rows, in order
        text = host.client.read(f"{DOCS}/{page}").decode()
        return re.findall(r"\n\n|^## |^\|", text, re.MULTILINE)

    assert outline(f"{node}/zh.md") == outline(f"{node}.md")


@pytest.mark.parametrize("node", NODES)
def test_the_picture_carries_the_smallest_workflow(host, node):
    version = host.client.get("/system_stats")["system"]["comfyui_version"]
    if version != NEWEST:
        pytest.skip(f"it is made of what ComfyUI {NEWEST} says of its nodes, this is {version}")
    made = build(node, host.object_info)
    assert carried(host, node) == made, f"{node}.png differs: {writing.COMMAND}"


@pytest.mark.parametrize("node", NODES)
def test_the_smallest_workflow_runs(host, node):
    prompt = to_api(carried(host, node), host.object_info)
    assert node in {each["class_type"] for each in prompt.values()}
    pictures = [image for o in host.run(prompt).values() for image in o.get("images", [])]
    assert pictures
    for image in pictures:
        with Image.open(io.BytesIO(host.client.image(image))) as drawn:
            assert len(drawn.convert("RGB").getcolors(1 << 24)) > 50
