"""Training data: the linear encoder, cells of the latent, and their coupling with noise."""

import torch
from pack.demo import data
from pack.demo.scenes import draw_images, draw_kinds


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_encoder_is_linear():
    encoder = data.load_encoder()
    pictures = draw_images(draw_kinds(4, _generator(1)), _generator(1))
    patches = pictures.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(3)
    matrix, bias = data.patch_projection(encoder)
    projected = (patches @ matrix + bias).permute(0, 3, 1, 2)
    torch.testing.assert_close(encoder(pictures), projected, atol=1e-4, rtol=0)


def test_exchanged_cells_are_the_latent_of_the_exchanged_picture():
    encoder, order = data.load_encoder(), torch.randperm(16, generator=_generator(2))
    picture = draw_images(draw_kinds(1, _generator(3)), _generator(3))
    tiles = picture.view(3, 4, 32, 4, 32).permute(1, 3, 0, 2, 4).reshape(16, 3, 32, 32)[order]
    moved = tiles.view(4, 4, 3, 32, 32).permute(2, 0, 3, 1, 4).reshape(1, 3, 128, 128)
    cells = data.to_cells(encoder(picture))[:, order]
    torch.testing.assert_close(encoder(moved), data.from_cells(cells), atol=1e-4, rtol=0)


def test_coupling_exchanges_cells_and_draws_noise_and_data_together():
    x0, tokens, pooled = data.Pool(32, seed=1).draw(32)
    eps = torch.randn(x0.shape, generator=_generator(4))
    near = data.couple(x0, eps)
    before, after = data.to_cells(x0).sum(-1), data.to_cells(near).sum(-1)
    assert torch.equal(before.sort(1).values, after.sort(1).values)
    assert ((near - eps).square().sum((1, 2, 3)) <= (x0 - eps).square().sum((1, 2, 3)) + 1e-2).all()
    assert tokens.shape == (32, 3, 64) and torch.equal(tokens.sum(1), pooled)
