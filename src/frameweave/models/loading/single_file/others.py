"""Files that are no checkpoint which can be edited with: what each is, and what to do with it."""

import re
from collections.abc import Iterable

_BASE = "give --model a checkpoint of Stable Diffusion 1.x, 2.x or SDXL"
_VIDEO = f"Frameweave edits videos with models of pictures: {_BASE}"
_NEWER = f"it has another kind of network: {_BASE}"
_BESIDE = f"name it with {{}}, and {_BASE}"

OTHERS = (
    (
        "a LoRA",
        _BESIDE.format("--lora"),
        r"^lora_(unet|te\d?|transformer)_|\.lora_(A|B|up|down|magnitude)|\.(hada_w[12]_[ab]|lokr_w[12](_[ab])?)$",
    ),
    ("an IP-Adapter", _BESIDE.format("--image-prompt"), r"^(image_proj|ip_adapter)\."),
    (
        "a T2I-Adapter",
        f"T2I-Adapters cannot be used: {_BASE}",
        r"^(adapter\.)?body\.\d+\.(resnets|block\d|in_conv)",
    ),
    (
        "a ControlNet",
        _BESIDE.format("--controlnet"),
        r"^(control_model|controlnet_cond_embedding|controlnet_down_blocks|input_hint_block)\.|^lllite_unet_",
    ),
    ("an embedding (textual inversion)", _BESIDE.format("--embedding"), r"^(emb_params|string_to_param.*)$"),
    ("motion modules of AnimateDiff", _VIDEO, r"motion_modules\."),
    ("Stable Video Diffusion", _VIDEO, r"\.time_(stack|mixer)\.|\.temporal_transformer_blocks\."),
    ("ModelScope or ZeroScope", _VIDEO, r"temporal_conv|temopral_conv|temp_(convs|attentions)\."),
    ("Wan", _VIDEO, r"(^|\.)(head\.modulation|vace_blocks\.\d+\.)|^condition_embedder\."),
    ("HunyuanVideo", _VIDEO, r"txt_in\.individual_token_refiner\.|^context_embedder\.token_refiner\."),
    ("LTX-Video", _VIDEO, r"(^|\.)patchify_proj\.|(^|\.)per_channel_statistics\."),
    ("Mochi", _VIDEO, r"blocks\.\d+\.attn\.qkv_x\."),
    ("CogVideoX", _VIDEO, r"(^|\.)patch_embed\.text_proj\."),
    ("Cosmos", _VIDEO, r"^net\.(x_embedder|blocks\.block\d|pos_embedder)\b"),
    ("Stable Diffusion 3", _NEWER, r"(^|\.)joint_blocks\.\d"),
    ("AuraFlow", _NEWER, r"(^|\.)double_layers\.\d|joint_transformer_blocks\."),
    ("Chroma", _NEWER, r"(^|\.)distilled_guidance_layer\."),
    (
        "Flux",
        _NEWER,
        r"(^|\.)(double_blocks|single_blocks|single_transformer_blocks|double_stream_modulation_img)\.",
    ),
    ("Qwen-Image", _NEWER, r"transformer_blocks\.\d+\.(img|txt)_mod\."),
    ("HiDream", _NEWER, r"double_stream_blocks\.\d"),
    ("Lumina or Z-Image", _NEWER, r"(^|\.)(cap_embedder|context_refiner|noise_refiner)\."),
    ("Sana", _NEWER, r"cross_attn\.kv_linear\.|\.conv_inverted\."),
    ("PixArt", _NEWER, r"(^|\.)(adaln_single|t_block|y_embedder\.y_proj)\."),
    ("HunyuanDiT", _NEWER, r"(^|\.)(mlp_t5|text_embedding_padding)\b"),
    ("LTX-Video", _VIDEO, r"^time_embed\.emb\.timestep_embedder\."),
    ("Stable Diffusion 3", _NEWER, r"^pos_embed\.proj\."),
    (
        "Stable Cascade",
        _NEWER,
        r"^(clip_txt_mapper|clip_txt_pooled_mapper|effnet_mapper)\.|down_blocks\.\d+\.\d+\.channelwise",
    ),
    ("Kandinsky", _NEWER, r"^(add_embedding\.image_norm|encoder_hid_proj\.|prior_embedding)"),
    ("DeepFloyd IF", _NEWER, r"(^|\.)encoder_pooling\."),
    (
        "a small VAE for previews (TAESD)",
        "a small VAE cannot be a model: leave it out",
        r"^(taesd_|(encoder|decoder)\.layers\.\d+\.(conv\.\d|weight)|\d+\.conv\.\d\.weight)",
    ),
    (
        "a UNet alone, in the layout of diffusers",
        "give the whole diffusers folder that it is from, or a checkpoint in one file",
        r"^(unet\.)?(down_blocks|mid_block)\.\d*\.?(resnets|attentions)\.",
    ),
    (
        "a VAE",
        _BESIDE.format("--vae"),
        r"^(first_stage_model\.|vae\.)?(encoder|decoder)\.(conv_in|mid\.|mid_block\.)",
    ),
    (
        "an image encoder (CLIP vision)",
        _BESIDE.format("--vision and its folder"),
        r"^(vision_model|visual)\.",
    ),
    (
        "a text encoder alone",
        "give a checkpoint that has UNet, VAE and text encoder together",
        r"^(text_model|encoder\.block\.\d|shared\.weight|transformer\.resblocks|cond_stage_model|conditioner|"
        r"embeddings\.token_embedding)",
    ),
    (
        "an upscaler of pictures",
        f"it makes no edits: {_BASE}",
        r"^(model\.\d+\.|conv_first\.|body\.\d+\.rdb)",
    ),
)
"""In this order: what a file is, what to do, and a pattern that some of its tensors' names match."""
_COMPILED = [(what, todo, re.compile(pattern, re.MULTILINE)) for what, todo, pattern in OTHERS]


def other_kind(names: Iterable[str]) -> tuple[str, str] | None:
    """What a file with tensors of these names is, and what to do with it; None when none of these."""
    text = "\n".join(names)
    return next(((what, todo) for what, todo, pattern in _COMPILED if pattern.search(text)), None)
