"""The demo model: a tiny FLUX, its autoencoder and text encoder, and the scripts that
trained them."""
