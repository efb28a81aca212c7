"""A workflow as the script that an exporter makes of it: nodes called one after the other.

Arguments: ComfyUI's folder, a prompt as JSON, a folder for outputs, and "server" where
there is one that is made and never run, as some exporters do; these give hidden inputs, too.
Prints what the nodes gave, by class: texts, and shapes of tensors.
"""

import asyncio
import json
import random

import host_in_process as process  # isort: skip

import folder_paths
import server
import torch

import nodes

text, place, *options = process.ARGUMENTS
graph = json.loads(text)
folder_paths.set_output_directory(place + "/output")
folder_paths.set_temp_directory(place + "/temp")
loop = asyncio.new_event_loop()
if options:
    import execution

    server.PromptServer(loop).prompt_queue = None
    execution.PromptQueue(server.PromptServer.instance)
assert hasattr(server.PromptServer, "instance") == bool(options)
loop.run_until_complete(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
assert loop.run_until_complete(nodes.load_custom_node(str(process.ROOT)))
workflow = {"id": "an id", "nodes": [{"id": int(i)} for i in graph]}
extra = {"workflow": workflow}
answers, shown = {}, {}


def run(name):
    """A node, after those it has its inputs from."""
    if name in answers:
        return answers[name]
    each = graph[name]
    made = nodes.NODE_CLASS_MAPPINGS[each["class_type"]]()
    inputs = {}
    for key, value in each["inputs"].items():
        if isinstance(value, list):
            value = run(value[0])[value[1]]
        inputs[key] = value
    hidden = made.INPUT_TYPES().get("hidden", {})
    told = {"unique_id": random.randint(1, 2**64), "extra_pnginfo": extra, "prompt": graph}
    if options:
        inputs |= {key: value for key, value in told.items() if key in hidden}
    answers[name] = getattr(made, made.FUNCTION)(**inputs)
    if isinstance(answers[name], dict):
        answers[name] = answers[name].get("result", ())
    shown[each["class_type"]] = [
        list(value.shape) if isinstance(value, torch.Tensor) else value
        for value in (answers[name][i] for i in range(len(made.RETURN_TYPES)))
        if isinstance(value, (torch.Tensor, str))
    ]
    return answers[name]


with torch.inference_mode():
    for name in graph:
        run(name)
print(json.dumps(shown))  # noqa: T201
