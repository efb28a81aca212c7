"""The servers beyond this computer that the user allows in ComfyUI's settings.

The front-end stores a setting in the folder of the user who changed it. We cannot know which user
runs a workflow, so the setting of the default user counts. Without --multi-user there is no other
user. With it, nobody can change that setting in the browser, and only the environment variable
allows a host.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import folder_paths

log = logging.getLogger("flow_search")

SETTING = "FlowSearch.HTTPHosts"  # web/lib/settings.js declares it


def allowed_hosts() -> str:
    """Hosts separated by commas. Read at each call, so that a change needs no restart."""
    path = Path(folder_paths.get_user_directory()) / "default" / "comfy.settings.json"
    try:
        settings = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s cannot be read, so it allows no server: %s", path, error)
        return ""
    value = settings.get(SETTING) if isinstance(settings, dict) else None
    if value is None or isinstance(value, str):
        return value or ""
    log.warning(
        "The setting %s allows no server: got %.60r, expected text such as gpu-box:8000.",
        SETTING,
        value,
    )
    return ""
