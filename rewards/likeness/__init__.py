"""Rewards by likeness to a prompt or a picture: CLIP, SigLIP."""
