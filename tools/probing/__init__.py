"""A ComfyUI with small models, and what is run in it: for tests and benchmarks."""
