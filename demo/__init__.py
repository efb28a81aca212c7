"""The demo model: a tiny FLUX, its autoencoder and text encoder."""
