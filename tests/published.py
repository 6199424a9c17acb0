"""Networks of the published metrics with random weights, and the packages that others use them through."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from frameweave.measuring.metrics.backbones.alexnet import AlexNetFeatures
from frameweave.measuring.metrics.backbones.inception import InceptionFeatures


@cache
def random_alexnet() -> nn.Module:
    """Of the published shape."""
    torch.manual_seed(0)
    return AlexNetFeatures().eval()


@cache
def random_inception() -> nn.Module:
    """Of the published shape, with batch norms that are not the identity."""
    torch.manual_seed(1)
    network = InceptionFeatures().eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


def random_heads() -> dict[str, Tensor]:
    """LPIPS' heads under their published names."""
    rng = torch.Generator().manual_seed(2)
    widths = (64, 192, 384, 256, 256)
    return {f"lin{k}.model.1.weight": torch.rand(1, n, 1, 1, generator=rng) for k, n in enumerate(widths)}


def _imported(name: str) -> Any:
    """A package that needs torchvision, which may be there and broken."""
    try:
        return __import__(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"{name} does not import here: {error}")


def lpips_package() -> Any:
    """The package's own AlexNet distance, with a random trunk and its real heads."""
    return _imported("lpips").LPIPS(net="alex", pretrained=True, pnet_rand=True, verbose=False).eval()


def heads(package: Any) -> list[Tensor]:
    """The real heads."""
    return [getattr(package, f"lin{k}").model[1].weight.detach().flatten() for k in range(5)]


def fidelity_inception(network: nn.Module, folder: Path) -> Any:
    """torch-fidelity's extractor with the weights of ours."""
    _imported("torch_fidelity")
    from torch_fidelity.feature_extractor_inceptionv3 import (
        FeatureExtractorInceptionV3,
    )

    file = folder / "weights.pth"
    last = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save(dict(network.state_dict()) | last, file)
    return FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(file))


def save_published(folder: Path, tokenizer: CLIPTokenizer) -> None:
    """A folder as a user has it: .pth and safetensors under their usual names, and a small CLIP model."""
    folder.mkdir()
    torch.save(random_alexnet().state_dict(), folder / "alexnet-owt-7be5be79.pth")
    torch.save(random_heads(), folder / "alex.pth")
    save_file(random_inception().state_dict(), folder / "inception-2015.safetensors")
    vocabulary = len(tokenizer)
    text = CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=16, projection_dim=8,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32,
        patch_size=8, projection_dim=8,
    )  # fmt: skip
    torch.manual_seed(3)
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)
    CLIPModel(config).save_pretrained(folder / "clip")
    tokenizer.save_pretrained(folder / "clip")
