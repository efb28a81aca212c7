"""The rows of docs/models.md: what is run in a ComfyUI, and what must hold there."""
