"""Pure torch: interpolants, stochastic transitions and searches for flow and diffusion models.

Nothing here knows of images, prompts, rewards or the host: a search sees a `Denoiser` (x_t -> x0)
and an `Objective` (x0 -> score, higher is better) and nothing else.
"""
