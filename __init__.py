"""Flow Search: inference-time search for flow models, as ComfyUI nodes.

Nothing is imported here: ComfyUI calls `comfy_entrypoint` when it loads the pack, and test runners
import this file with no parent package.
"""

WEB_DIRECTORY = "./web"


def comfy_entrypoint():  # noqa: ANN201 - the host's type is imported inside
    """Return the pack's `ComfyExtension` (ComfyUI's V3 node API)."""
    from .nodes import FlowSearchExtension

    return FlowSearchExtension()
