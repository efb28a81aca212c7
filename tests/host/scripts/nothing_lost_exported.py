"""A workflow as the script that an exporter makes of it: nodes called one after the other.

Arguments: ComfyUI's folder, a prompt as JSON, a folder for outputs. Runs it without a server, and
with one that is made and never run, as some exporters do; these give hidden inputs, too. Prints for
both what the nodes gave, by class: texts, and shapes of tensors.
"""

import asyncio
import json
import random

import host_in_process as process  # isort: skip

import folder_paths
import server
import torch

import nodes

text, place = process.ARGUMENTS
graph = json.loads(text)
loop = asyncio.new_event_loop()
assert not hasattr(server.PromptServer, "instance")
loop.run_until_complete(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
assert loop.run_until_complete(nodes.load_custom_node(str(process.ROOT)))
workflow = {"id": "an id", "nodes": [{"id": int(i)} for i in graph]}
extra = {"workflow": workflow}


class Script:
    """Runs each node after those it has its inputs from."""

    def __init__(self, hidden):
        self.hidden, self.answers, self.shown = hidden, {}, {}

    def run(self, name):
        if name in self.answers:
            return self.answers[name]
        each = graph[name]
        made = nodes.NODE_CLASS_MAPPINGS[each["class_type"]]()
        inputs = {}
        for key, value in each["inputs"].items():
            if isinstance(value, list):
                value = self.run(value[0])[value[1]]
            inputs[key] = value
        hidden = made.INPUT_TYPES().get("hidden", {})
        told = {"unique_id": random.randint(1, 2**64), "extra_pnginfo": extra, "prompt": graph}
        if self.hidden:
            inputs |= {key: value for key, value in told.items() if key in hidden}
        answer = getattr(made, made.FUNCTION)(**inputs)
        if isinstance(answer, dict):
            answer = answer.get("result", ())
        self.shown[each["class_type"]] = [
            list(value.shape) if isinstance(value, torch.Tensor) else value
            for value in (answer[i] for i in range(len(made.RETURN_TYPES)))
            if isinstance(value, (torch.Tensor, str))
        ]
        self.answers[name] = answer
        return answer


def shown(folder, hidden):
    """What the nodes give, with outputs in a folder of their own."""
    folder_paths.set_output_directory(f"{place}/{folder}/output")
    folder_paths.set_temp_directory(f"{place}/{folder}/temp")
    script = Script(hidden)
    with torch.inference_mode():
        for name in graph:
            script.run(name)
    return script.shown


found = {"no server": shown("no server", hidden=False)}
import execution  # noqa: E402

server.PromptServer(loop).prompt_queue = None
execution.PromptQueue(server.PromptServer.instance)
# Exporters make the server first, so the pack meets it when it is loaded.
assert loop.run_until_complete(nodes.load_custom_node(str(process.ROOT)))
routes = [getattr(route, "path", "") for route in server.PromptServer.instance.routes]
assert any("flow_search" in path for path in routes)
found["hidden inputs as inputs"] = shown("hidden inputs as inputs", hidden=True)
print(json.dumps(found))  # noqa: T201
