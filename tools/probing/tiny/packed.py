"""Flow models that make video and sound in one packed latent."""

from .spec import TEXT, TOKENS, Tiny

# fmt: off
LTXAV = {
    "image_model": "ltxav", "num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 16,
    "cross_attention_dim": 32, "audio_num_attention_heads": 2, "audio_attention_head_dim": 16,
    "audio_cross_attention_dim": 32, "caption_channels": TEXT, "connector_attention_head_dim": 12,
    "connector_num_attention_heads": 2, "connector_num_layers": 1,
}
MINIMAX = {
    "image_model": "minimax_h3", "hidden_size": 64, "num_layers": 2, "token_refiner_num_layers": 1,
    "num_attention_heads": 1, "attention_head_dim": 128, "ffn_hidden_size": 64, "text_dim": TEXT,
    "timestep_input_dim": 32, "time_embed_hidden_size": 32, "time_embed_dim": 32,
}
# fmt: on

PACKED = {
    "LTX-2 (sound and video)": Tiny(
        "LTXAV", unet=LTXAV, text=(TOKENS, 2 * TEXT), parts=((128, 3, 4, 4), (8, 4, 16))
    ),
    "MiniMax H3 (sound and video)": Tiny(
        "MiniMaxH3", unet=MINIMAX, parts=((24, 3, 4, 4), (32, 2, 8))
    ),
}
