"""Flow Search: inference-time search for flow and diffusion models, as ComfyUI nodes.

Nothing is imported here: ComfyUI calls `comfy_entrypoint` when it loads the pack, and test runners
import this file with no parent package.
"""

WEB_DIRECTORY = "./web"
OLDEST = (0, 16)  # ComfyUI


def comfy_entrypoint():  # noqa: ANN201 - the host's type is imported inside
    """Return the pack's `ComfyExtension` (ComfyUI's V3 node API)."""
    if why := _unfit():
        raise RuntimeError(why)  # the host prints it in one line
    from .nodes import FlowSearchExtension

    return FlowSearchExtension()


def __getattr__(name: str):  # noqa: ANN202 - it never returns
    """A host without the V3 API asks for its own entry alone: the log says why there is none."""
    if name == "NODE_CLASS_MAPPINGS" and "ComfyExtension" in _lacking() and (why := _unfit()):
        import logging

        logging.getLogger("flow_search").warning(why)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _unfit() -> str:
    """Why this ComfyUI cannot load the pack, in one sentence; empty where it can."""
    import re

    try:
        from comfyui_version import __version__ as version
    except ImportError:
        version = ""
    oldest = ".".join(map(str, OLDEST))
    numbers = re.match(r"\D?(\d{1,9})\.(\d{1,9})", str(version))
    if numbers and (0, 0) < tuple(map(int, numbers.groups())) < OLDEST:  # 0.0 names no version
        return f"Flow Search needs ComfyUI {oldest} or newer: got {version}. Update ComfyUI."
    if lacking := _lacking():
        got = f"{version or 'a version'} without {lacking}"
        return f"Flow Search needs ComfyUI {oldest} or newer: got {got}. Update ComfyUI."
    return ""


def _lacking() -> str:
    """What the pack uses and this ComfyUI does not have; empty if nothing."""
    import inspect

    try:
        from comfy_api.latest import ComfyExtension, io  # noqa: F401
    except ImportError:
        return "comfy_api.latest.ComfyExtension"
    if not hasattr(io, "DynamicCombo"):
        return "DynamicCombo"
    return "" if "advanced" in inspect.signature(io.Int.Input).parameters else "advanced inputs"
