"""Writes a diffusers folder as one file in the layout of the original programs, block by block."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

Tensors = dict[str, Tensor]


def save_original(folder: Path, file: Path, *, open_clip: bool = False, **more: Tensor) -> Path:
    """Every part of the folder; with `open_clip` the one text tower as Stable Diffusion 2.x keeps it."""
    tensors = original_tensors(folder, open_clip=open_clip) | more
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file


def original_tensors(folder: Path, *, open_clip: bool = False) -> Tensors:
    """The same as a table."""
    text = CLIPTextModel.from_pretrained(folder / "text_encoder")
    found = under("model.diffusion_model.", unet_tensors(folder))
    found |= under("first_stage_model.", vae_tensors(folder))
    if (folder / "text_encoder_2").is_dir():
        second = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2")
        found |= under("conditioner.embedders.0.transformer.text_model.", clip_tensors(text))
        return found | under("conditioner.embedders.1.model.", open_clip_tensors(second))
    if open_clip:
        last = {f"transformer.resblocks.{text.config.num_hidden_layers}.ln_1.weight": torch.ones(1)}
        return found | under("cond_stage_model.model.", open_clip_tensors(text) | last)
    return found | under("cond_stage_model.transformer.text_model.", clip_tensors(text))


def under(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def unet_tensors(folder: Path) -> Tensors:
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    found = _of("time_embed.0", unet.time_embedding.linear_1) | _of(
        "time_embed.2", unet.time_embedding.linear_2
    )
    found |= (
        _of("input_blocks.0.0", unet.conv_in) | _of("out.0", unet.conv_norm_out) | _of("out.2", unet.conv_out)
    )
    if unet.config.addition_embed_type == "text_time":
        found |= _of("label_emb.0.0", unet.add_embedding.linear_1)
        found |= _of("label_emb.0.2", unet.add_embedding.linear_2)
    number = 1
    for block in unet.down_blocks:
        for k, resnet in enumerate(block.resnets):
            found |= _resnet(f"input_blocks.{number}.0", resnet)
            if hasattr(block, "attentions"):
                found |= _of(f"input_blocks.{number}.1", block.attentions[k])
            number += 1
        if block.downsamplers is not None:
            found |= _of(f"input_blocks.{number}.0.op", block.downsamplers[0].conv)
            number += 1
    found |= _resnet("middle_block.0", unet.mid_block.resnets[0])
    found |= _of("middle_block.1", unet.mid_block.attentions[0])
    found |= _resnet("middle_block.2", unet.mid_block.resnets[1])
    number = 0
    for block in unet.up_blocks:
        for k, resnet in enumerate(block.resnets):
            found |= _resnet(f"output_blocks.{number}.0", resnet)
            beside = 1
            if hasattr(block, "attentions"):
                found |= _of(f"output_blocks.{number}.1", block.attentions[k])
                beside = 2
            if block.upsamplers is not None and k == len(block.resnets) - 1:
                found |= _of(f"output_blocks.{number}.{beside}.conv", block.upsamplers[0].conv)
            number += 1
    return found


def vae_tensors(folder: Path) -> Tensors:
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    found = _of("quant_conv", vae.quant_conv) | _of("post_quant_conv", vae.post_quant_conv)
    for half in ("encoder", "decoder"):
        network = getattr(vae, half)
        found |= _of(f"{half}.conv_in", network.conv_in) | _of(f"{half}.conv_out", network.conv_out)
        found |= _of(f"{half}.norm_out", network.conv_norm_out)
        for k, resnet in enumerate(network.mid_block.resnets):
            found |= _vae_resnet(f"{half}.mid.block_{k + 1}", resnet)
        for attention in network.mid_block.attentions or ():
            if attention is None:
                continue
            parts = (attention.to_q, attention.to_k, attention.to_v, attention.to_out[0])
            found |= _of(f"{half}.mid.attn_1.norm", attention.group_norm)
            for name, part in zip(("q", "k", "v", "proj_out"), parts, strict=True):
                found[f"{half}.mid.attn_1.{name}.weight"] = part.weight.data[:, :, None, None]
                found[f"{half}.mid.attn_1.{name}.bias"] = part.bias.data
    for level, block in enumerate(vae.encoder.down_blocks):
        for k, resnet in enumerate(block.resnets):
            found |= _vae_resnet(f"encoder.down.{level}.block.{k}", resnet)
        if block.downsamplers is not None:
            found |= _of(f"encoder.down.{level}.downsample.conv", block.downsamplers[0].conv)
    for level, block in enumerate(reversed(vae.decoder.up_blocks)):
        for k, resnet in enumerate(block.resnets):
            found |= _vae_resnet(f"decoder.up.{level}.block.{k}", resnet)
        if block.upsamplers is not None:
            found |= _of(f"decoder.up.{level}.upsample.conv", block.upsamplers[0].conv)
    return found


def clip_tensors(text: CLIPTextModel) -> Tensors:
    return {name.removeprefix("text_model."): tensor for name, tensor in text.state_dict().items()}


def open_clip_tensors(text: nn.Module) -> Tensors:
    inner = getattr(text, "text_model", text)
    found = {
        "token_embedding.weight": inner.embeddings.token_embedding.weight.data,
        "positional_embedding": inner.embeddings.position_embedding.weight.data,
        "logit_scale": torch.zeros(()),
        "text_projection": torch.eye(2),
    }
    if hasattr(text, "text_projection"):
        found["text_projection"] = text.text_projection.weight.data.T
    found |= _of("ln_final", inner.final_layer_norm)
    for k, layer in enumerate(inner.encoder.layers):
        place, attention = f"transformer.resblocks.{k}", layer.self_attn
        each = (attention.q_proj, attention.k_proj, attention.v_proj)
        found[f"{place}.attn.in_proj_weight"] = torch.cat([one.weight.data for one in each])
        found[f"{place}.attn.in_proj_bias"] = torch.cat([one.bias.data for one in each])
        found |= _of(f"{place}.attn.out_proj", attention.out_proj)
        found |= _of(f"{place}.ln_1", layer.layer_norm1) | _of(f"{place}.ln_2", layer.layer_norm2)
        found |= _of(f"{place}.mlp.c_fc", layer.mlp.fc1) | _of(f"{place}.mlp.c_proj", layer.mlp.fc2)
    return found


def _of(place: str, module: nn.Module) -> Tensors:
    return under(f"{place}.", module.state_dict())


def _resnet(place: str, resnet: nn.Module) -> Tensors:
    found = _of(f"{place}.in_layers.0", resnet.norm1) | _of(f"{place}.in_layers.2", resnet.conv1)
    found |= _of(f"{place}.emb_layers.1", resnet.time_emb_proj)
    found |= _of(f"{place}.out_layers.0", resnet.norm2) | _of(f"{place}.out_layers.3", resnet.conv2)
    shortcut = resnet.conv_shortcut
    return found if shortcut is None else found | _of(f"{place}.skip_connection", shortcut)


def _vae_resnet(place: str, resnet: nn.Module) -> Tensors:
    found: Tensors = {}
    for name in ("norm1", "conv1", "norm2", "conv2"):
        found |= _of(f"{place}.{name}", getattr(resnet, name))
    shortcut = resnet.conv_shortcut
    return found if shortcut is None else found | _of(f"{place}.nin_shortcut", shortcut)
