"""A saved workflow becomes the prompt that the browser would queue."""

import pytest
from pack.tools.saved_workflow import ComfyError, to_api, widget_values

DYNAMIC = "COMFY_DYNAMICCOMBO_V3"


def option(key, **inputs):
    return {"key": key, "inputs": {"required": inputs}}


REWARDS = [option("sharpness"), option("count", colours=["STRING", {}], weight=["FLOAT", {}])]
OBJECT_INFO = {
    "Load": {"input": {"required": {"name": [["a.st", "b.st"], {}]}}},
    "Reward": {
        "input": {
            "required": {
                "reward": [DYNAMIC, {"options": REWARDS}],
                "scale": ["FLOAT", {"default": 1.0}],
            }
        }
    },
    "Patch": {"input": {"required": {"model": ["MODEL"], "strength": ["FLOAT", {}]}}},
    "FlowSearchRBF": {
        "input": {
            "required": {
                "model": ["MODEL", {}],
                "seed": ["INT", {"default": 0}],
                "reward": ["FLOW_REWARD", {}],
                "budget": ["INT", {"default": 100}],
                "text": ["STRING", {"forceInput": True}],
            },
            "optional": {
                "shape": ["ARRAY", {}],
                "size": ["COMBO", {"options": ["s", "m"], "default": "m"}],
                "time_limit": ["FLOAT", {"default": 0.0}],
            },
        }
    },
}


def slot(name, link=None, kind="MODEL"):
    return {"name": name, "type": kind, "link": link}


def node(number, kind, values=(), inputs=(), outputs=("MODEL",), mode=0):
    return {
        "id": number,
        "type": kind,
        "mode": mode,
        "widgets_values": list(values),
        "inputs": list(inputs),
        "outputs": [{"type": output} for output in outputs],
    }


def workflow(patch_mode=0, reward=("count", "red, blue", 0.5, 2.0)):
    return {
        "nodes": [
            node(1, "Load", ["a.st"]),
            node(2, "Patch", [0.25], [slot("model", 1)], mode=patch_mode),
            node(3, "Reroute", inputs=[slot("", 2, "*")]),
            node(4, "MarkdownNote", ["# hello"]),
            node(5, "Reward", reward, outputs=["FLOW_REWARD"]),
            node(
                6,
                "FlowSearchRBF",
                [42, "randomize", 96, "s"],
                [slot("model", 3), slot("reward", 4, "FLOW_REWARD"), slot("text", None, "STRING")],
            ),
        ],
        "links": [
            [1, 1, 0, 2, 0, "MODEL"],
            [2, 2, 0, 3, 0, "*"],
            {"id": 3, "origin_id": 3, "origin_slot": 0, "target_id": 6, "target_slot": 0},
            [4, 5, 0, 6, 1, "FLOW_REWARD"],
        ],
    }


def test_values_links_and_defaults():
    prompt = to_api(workflow(), OBJECT_INFO)
    assert prompt == {
        "1": {"class_type": "Load", "inputs": {"name": "a.st"}},
        "2": {"class_type": "Patch", "inputs": {"model": ["1", 0], "strength": 0.25}},
        "5": {
            "class_type": "Reward",
            "inputs": {
                "reward": "count",
                "reward.colours": "red, blue",
                "reward.weight": 0.5,
                "scale": 2.0,
            },
        },
        "6": {
            "class_type": "FlowSearchRBF",
            "inputs": {
                "model": ["2", 0],
                "seed": 42,
                "reward": ["5", 0],
                "budget": 96,
                "size": "s",
                "time_limit": 0.0,
            },
        },
    }


def test_the_chosen_option_decides_how_many_values_follow():
    prompt = to_api(workflow(reward=["sharpness", 2.0]), OBJECT_INFO)
    assert prompt["5"]["inputs"] == {"reward": "sharpness", "scale": 2.0}


def test_bypassed_passes_through_and_muted_cuts():
    bypassed = to_api(workflow(patch_mode=4), OBJECT_INFO)
    assert "2" not in bypassed and bypassed["6"]["inputs"]["model"] == ["1", 0]
    muted = to_api(workflow(patch_mode=2), OBJECT_INFO)
    assert "2" not in muted and "model" not in muted["6"]["inputs"]


def test_a_linked_input_of_an_option_wins_over_its_widget():
    graph = workflow()
    graph["nodes"][4]["inputs"] = [slot("reward.colours", 1, "STRING")]
    prompt = to_api(graph, OBJECT_INFO)
    assert prompt["5"]["inputs"]["reward.colours"] == ["1", 0]


def test_lists_are_not_mistaken_for_links():
    schema = {"required": {"points": ["STRING", {}]}}
    values = widget_values({"type": "x", "widgets_values": [[1, 2]]}, schema)
    assert values == {"points": {"__value__": [1, 2]}}


@pytest.mark.parametrize("seed", ["seed", "noise_seed"])
def test_only_a_seed_is_followed_by_its_control(seed):
    schema = {"required": {seed: ["INT", {}], "mode": [["fixed", "free"], {}]}}
    saved = {"type": "x", "widgets_values": [1, "fixed", "free"]}
    assert widget_values(saved, schema) == {seed: 1, "mode": "free"}
    plain = {"required": {"count": ["INT", {}], "mode": [["fixed", "free"], {}]}}
    assert widget_values(saved, plain) == {"count": 1, "mode": "fixed"}


def test_unknown_names_are_errors():
    with pytest.raises(ComfyError, match="no node 'Patch'"):
        to_api(workflow(), {k: v for k, v in OBJECT_INFO.items() if k != "Patch"})
    with pytest.raises(ComfyError, match="no reward 'gone'"):
        to_api(workflow(reward=["gone"]), OBJECT_INFO)
    definitions = {"subgraphs": [{"id": "Patch"}]}
    with pytest.raises(ComfyError, match="subgraph"):
        to_api(workflow() | {"definitions": definitions}, OBJECT_INFO)


def test_an_input_of_several_types_has_the_widget_that_it_names():
    schema = {"required": {
        "frames": ["INT", {"default": 97}],
        "rate": ["FLOAT,INT", {"default": 25.0, "widgetType": "FLOAT"}],
        "any": ["IMAGE,MASK", {}],
    }}  # fmt: skip
    assert widget_values(node(1, "Sound", [9, 24]), schema) == {"frames": 9, "rate": 24}
