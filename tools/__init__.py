"""What dev.py uses: installing and serving ComfyUI, and talking to it. Standard library only."""
