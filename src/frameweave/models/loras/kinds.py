"""Files that are no LoRA of a Stable Diffusion model, told apart by the names of their tensors."""

import re

from frameweave.errors import ModelFolderError
from frameweave.models.loading.tensor_files import TensorFile

ADAPTOR_HEADER = "frameweave_adaptor"
"""The entry in the header of an adaptor that `frameweave train` wrote."""
_OTHER_MODEL = "give one made for the model that is edited with"
_OTHER_MODELS = {
    r"(^|[._])(double_blocks|single_blocks|single_transformer_blocks)[._]\d": "Flux or HunyuanVideo",
    r"(^|[._])joint_blocks[._]\d|transformer_blocks[._]\d+[._](attn[._]add_[qkv]_proj|ff_context)": (
        "Stable Diffusion 3 or Qwen-Image"
    ),
    r"(^|[._])blocks[._]\d+[._](self_attn|cross_attn|ffn)[._]": "Wan or another video model",
    r"motion_modules|temporal_transformer": "AnimateDiff",
    r"^lora_prior_": "Stable Cascade",
    r"^(lora_transformer_|transformer\.|(diffusion_model[._])?(transformer_)?blocks[._]\d)": (
        "a transformer model, such as SD 3, Flux, PixArt or LTX-Video"
    ),
}
"""Names that only other models' layers have."""
_OTHER_FILES = {
    r"^(image_proj|ip_adapter)\.": (
        "an IP-Adapter",
        "name it with --image-adapter, and a picture with --image-prompt",
    ),
    r"control_model\.|controlnet_|input_hint_block|zero_convs|^lora_controlnet$": (
        "a ControlNet",
        "name it with --control, such as canny=FILE",
    ),
    r"emb_params$|^clip_[lg]$|string_to_param": (
        "a textual inversion",
        "give it with --embedding",
    ),
    r"^bundle_emb\.": (
        "a LoRA together with textual inversions",
        "split it: give the LoRA with --lora and the others with --embedding",
    ),
    r"\.(oft_blocks|oft_diag|oft_R[.\w]*)$": ("OFT, which is not supported", "give a LoRA, LoHa or LoKr"),
    r"\.on_input$": ("(IA)^3, which is not supported", "give a LoRA, LoHa or LoKr"),
    r"\.[ab]1\.weight$": ("GLoRA, which is not supported", "give a LoRA, LoHa or LoKr"),
    r"\.lora_[AB](\.\w+)?\.bias$": ("a LoRA with biases, which is not supported", "give one without"),
    r"^(model\.diffusion_model|first_stage_model|cond_stage_model|conditioner)\.": (
        "a whole checkpoint",
        "give it with --model",
    ),
    r"^(conv_in|time_embedding|down_blocks|mid_block)\.": ("the weights of a whole UNet", "give a LoRA"),
    r"^(encoder|decoder|quant_conv|post_quant_conv)\.": ("a VAE", "give it with --vae"),
    r"^(text_model|vision_model|embeddings|transformer)\.": ("a text or vision tower", "give a LoRA"),
}
"""Names of what is no LoRA at all, and what to do with it."""


def check_model(file: TensorFile) -> None:
    """Raise `ModelFolderError` for an adaptor of ours, and for a LoRA of a model without a Stable Diffusion
    UNet."""
    if ADAPTOR_HEADER in file.header:
        raise ModelFolderError(
            f"{file.path}: an adaptor of Frameweave, not a LoRA of another program",
            hint=f"give it with --adaptor {file.path.parent}",
        )
    for pattern, model in _OTHER_MODELS.items():
        if key := _first(file, pattern):
            raise ModelFolderError(
                f"{file.path}: made for {model} (it has {key}), "
                "expected one for Stable Diffusion 1.x, 2.x or SDXL",
                hint=_OTHER_MODEL,
            )


def no_lora(file: TensorFile, unknown: list[str]) -> ModelFolderError:
    """What to raise for a file in which these tensors are none of a LoRA."""
    for pattern, (what, todo) in _OTHER_FILES.items():
        if key := _first(file, pattern):
            return ModelFolderError(f"{file.path}: {what} (it has {key}), expected a LoRA", hint=todo)
    if len(file.tensors) == 1 and next(iter(file.tensors.values())).dim() <= 2:
        return ModelFolderError(
            f"{file.path}: one tensor {unknown[0]}, as a textual inversion has, expected a LoRA",
            hint="give it with --embedding",
        )
    rest = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
    return ModelFolderError(
        f"{file.path}: {unknown[0]}{rest} in it is no tensor of a LoRA, LoHa, LoKr or DoRA",
        hint="give a file in the layout of kohya, PEFT or diffusers",
    )


def _first(file: TensorFile, pattern: str) -> str | None:
    return next((key for key in file.tensors if re.search(pattern, key)), None)
