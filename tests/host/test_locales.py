"""Titles and inputs in English and Chinese: generated from the nodes, complete, never stale.

`FLOW_SEARCH_WRITE=1` writes locales/en/nodeDefs.json anew.
"""

import json
import os
import re
from pathlib import Path

import pytest

from .test_pack import NODES

ROOT = Path(__file__).resolve().parents[2]
CHINESE = re.compile("[\u4e00-\u9fff]")
UNTRANSLATED = {"clip", "alpha", "vae", "sigmas", "Sigmas", "CLIP", "VAE", "Latent"}


def nested(inputs, before=""):
    """(key, name, spec) of a node's inputs; the front-end writes `a.b` of a DynamicCombo as a_b."""
    for group in ("required", "optional"):
        for name, spec in inputs.get(group, {}).items():
            yield before + name, name, spec[1] if len(spec) > 1 else {}
            for option in spec[1].get("options", []) if len(spec) > 1 else []:
                if isinstance(option, dict):
                    yield from nested(option["inputs"], f"{before}{name}_")


def english(info):
    """One node's texts. A tooltip that depends on a choice is left to the node itself."""
    tooltips, inputs = {}, {}
    for key, name, options in nested(info["input"]):
        tooltips.setdefault(key, set()).add(options.get("tooltip"))
        inputs[key] = {"name": name}
    for key, told in tooltips.items():
        if len(told) == 1:
            inputs[key]["tooltip"] = told.pop()
    outputs = {}
    tips = info.get("output_tooltips") or [None] * len(info["output_name"])
    for i, (name, tip) in enumerate(zip(info["output_name"], tips, strict=True)):
        outputs[str(i)] = {"name": name} | ({"tooltip": tip} if tip else {})
    texts = {"display_name": info["display_name"], "description": info["description"]}
    return texts | {"inputs": inputs, "outputs": outputs}


def leaves(texts, path=()):
    """(path, text) of all texts."""
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


@pytest.fixture(scope="module")
def object_info(host):
    return host.client.get("/object_info")


def read(language, name="nodeDefs"):
    return json.loads((ROOT / "locales" / language / f"{name}.json").read_text("utf-8"))


def test_english_is_what_the_nodes_say(object_info):
    made = {node: english(info) for node, info in object_info.items() if "FlowSearch" in node}
    path = ROOT / "locales" / "en" / "nodeDefs.json"
    if os.environ.get("FLOW_SEARCH_WRITE"):
        text = json.dumps(made, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", "utf-8", newline="\n")
    assert read("en") == made, "run once with FLOW_SEARCH_WRITE=1, and translate what is new"


def test_chinese_has_every_text():
    wanted = dict(leaves(read("en")))
    for node, texts in read("en").items():
        for key in texts["inputs"]:
            wanted.setdefault((node, "inputs", key, "tooltip"), "")
    told = dict(leaves(read("zh")))
    assert sorted(wanted.keys() - told.keys()) == []
    assert sorted(told.keys() - wanted.keys()) == []
    english = [path for path, text in told.items() if not CHINESE.search(text)]
    assert [path for path in english if told[path] not in UNTRANSLATED] == []


def test_categories_are_translated():
    assert set(read("zh", "main")["nodeCategories"]) == {"flow search"}


def test_the_host_serves_both(host):
    served = host.client.get("/i18n")
    for language in ("en", "zh"):
        found = served[language]["nodeDefs"]
        assert {node: found[node] for node in NODES} == read(language)


def test_the_settings_are_in_both_languages(host):
    """What web/flow_search.js declares is English; the front-end looks for `.` written as `_`."""
    entry = (ROOT / "web" / "flow_search.js").read_text("utf-8")
    for language in ("en", "zh"):
        texts = read(language, "settings")
        declared = re.findall(r'\bid: "(FlowSearch.+)"', entry)
        assert set(texts) == {key.replace(".", "_") for key in declared} and declared
        assert all(set(each) == {"name", "tooltip"} for each in texts.values())
        assert host.client.get("/i18n")[language]["settings"].items() >= texts.items()
    for text in (text for each in read("en", "settings").values() for text in each.values()):
        assert f'"{text}"' in entry
    assert all(CHINESE.search(text) for _, text in leaves(read("zh", "settings")))
