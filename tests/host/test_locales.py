"""The Chinese texts of the nodes. The page shows the node's own English where one is missing.

A missing text is a warning. What is translated belongs to a text of a node and is Chinese.
"""

import json
import re
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHINESE = re.compile("[\u4e00-\u9fff]")
UNTRANSLATED = {"clip", "alpha", "vae", "sigmas", "Sigmas", "CLIP", "VAE", "Latent"}


def nested(inputs, before=""):
    """(key, spec) of a node's inputs; the front-end writes `a.b` of a DynamicCombo as a_b."""
    for group in ("required", "optional"):
        for name, spec in inputs.get(group, {}).items():
            yield before + name, spec[1] if len(spec) > 1 else {}
            for option in spec[1].get("options", []) if len(spec) > 1 else []:
                if isinstance(option, dict):
                    yield from nested(option["inputs"], f"{before}{name}_")


def english(node, info):
    """The paths of the texts that a node shows, as a locale file names them."""
    yield from ((node, text) for text in ("display_name", "description"))
    for key, options in nested(info["input"]):
        yield node, "inputs", key, "name"
        if "tooltip" in options:
            yield node, "inputs", key, "tooltip"
    tips = info.get("output_tooltips") or [None] * len(info["output_name"])
    for i, tip in enumerate(tips):
        yield node, "outputs", str(i), "name"
        if tip:
            yield node, "outputs", str(i), "tooltip"


def leaves(texts, path=()):
    """(path, text) of all texts."""
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def read(name="nodeDefs"):
    """One file of the Chinese locale; empty where there is none."""
    path = ROOT / "locales" / "zh" / f"{name}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def report_missing(kind, names):
    """List in pytest's summary what a Chinese user reads in English."""
    if names:
        warnings.warn(f"no Chinese {kind} yet, English is shown: {', '.join(names)}", stacklevel=2)


@pytest.fixture(scope="module")
def object_info(host):
    return host.client.get("/object_info")


def test_chinese_belongs_to_what_the_nodes_show(object_info):
    ours = {node: info for node, info in object_info.items() if node.startswith("FlowSearch")}
    shown = {path for node, info in ours.items() for path in english(node, info)}
    translated = dict(leaves(read()))
    assert sorted(translated.keys() - shown) == []
    texts = [text for text in translated.values() if not CHINESE.search(text)]
    assert [text for text in texts if text not in UNTRANSLATED] == []
    report_missing("text", sorted(".".join(path) for path in shown - translated.keys()))


def test_chinese_tooltips_are_short():
    """As long as the English ones: a Chinese character or a Latin word counts as one."""
    tips = {path: text for path, text in leaves(read()) if path[-1] in ("tooltip", "description")}
    part = re.compile(r"[\u4e00-\u9fff]|[\w.-]+", re.ASCII)
    assert {path: text for path, text in tips.items() if len(part.findall(text)) > 50} == {}


def test_a_missing_text_is_a_warning():
    with pytest.warns(UserWarning, match=r"no Chinese text yet, English is shown: A\.x, B\.y"):
        report_missing("text", ["A.x", "B.y"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report_missing("text", [])


def test_categories_are_translated(object_info):
    categories = {part for info in object_info.values() for part in info["category"].split("/")}
    assert set(read("main").get("nodeCategories", {})) <= categories


def test_the_host_serves_chinese(host):
    served = host.client.get("/i18n")["zh"]
    assert served["nodeDefs"].items() >= read().items()
    assert served["settings"].items() >= read("settings").items()


def test_the_settings_are_in_chinese():
    """What web/lib/settings.js declares is English; the front-end looks for `.` written as `_`."""
    entry = (ROOT / "web" / "lib" / "settings.js").read_text("utf-8")
    declared = {key.replace(".", "_") for key in re.findall(r'\bid: "(FlowSearch.+)"', entry)}
    shown = {(key, text) for key in declared for text in ("name", "tooltip")}
    translated = dict(leaves(read("settings")))
    assert declared and translated.keys() <= shown
    assert all(CHINESE.search(text) for text in translated.values())
    report_missing("setting", sorted(".".join(path) for path in shown - translated.keys()))
