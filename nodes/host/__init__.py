"""ComfyUI as this pack sees it: models and memory, guiders and wrappers, decoders, rewards."""
