"""Keys that show what a checkpoint is."""

# The most specific first.
LOOKS_LIKE = {
    "rm_head.0.weight": "HPSv3",
    "visual.patch_embed.proj.weight": "a vision-language model of Qwen",
    "blip.text_encoder.embeddings.word_embeddings.weight": "ImageReward",
    "mm_projector.0.weight": "CLIP-FlanT5",
    "qformer.embeddings.word_embeddings.weight": "InstructBLIP",
    "cross_model.layers.0.0.fn.to_q.weight": "MPS",
    "mlp.layers.7.weight": "the LAION aesthetic predictor with its CLIP",
    "scoring_head.0.weight": "the head of Aesthetic Predictor V2.5",
    "layers.7.weight": "the head of the LAION aesthetic predictor",
    "upconv1.conv.0.weight": "the text detector CRAFT",
    "FeatureExtraction.ConvNet.0.weight": "a text reader of EasyOCR",
    "encoder.layers.0.fusion_layer.vision_param": "Grounding DINO",
    "transformer.encoder.fusion_layers.0.gamma_v": "Grounding DINO in its authors' layout",
    "objectness_head.dense0.weight": "OWLv2",
    "visual.conv1.weight": "CLIP in open_clip layout",
    "text_model.head.weight": "SigLIP",
    "vision_model.head.probe": "a SigLIP vision encoder alone",
    "logit_scale": "CLIP in Hugging Face layout",
    "text_model.embeddings.token_embedding.weight": "a CLIP text encoder alone",
    "vision_model.embeddings.patch_embedding.weight": "a CLIP vision encoder alone",
    "double_blocks.0.img_attn.qkv.weight": "a FLUX diffusion model",
    "encoder.block.0.layer.0.SelfAttention.q.weight": "a T5 text encoder",
}
