"""Bytes and operations by hand, and full-size networks against well-known figures."""

import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel

from frameweave.models.running.meter import Meter
from frameweave.models.running.shapes import networks_in, shapes_of, weight_bytes
from frameweave.models.stable_diffusion import StableDiffusion

CUDA = torch.device("cuda")
KIB = 1024


def empty(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def test_what_lives_at_once() -> None:
    x = empty(256, 4)  # 4 KiB that were there before
    with Meter() as meter:
        y = x + 1
        z = y * 2
        assert meter.device_peak == 8 * KIB
        del y
        w = z.view(4, 256)[1:]  # no bytes of its own
        v = torch.cat([w, w])
        assert meter.device_peak == (4 + 6) * KIB
        meter.forget_peak()
        assert meter.device_peak == (4 + 6) * KIB
        del z, w
        meter.forget_peak()
        assert meter.device_peak == 6 * KIB
        del v
    assert meter.host_peak == 0


def test_a_second_call_of_the_same_shapes_counts_the_same() -> None:
    def once() -> tuple[int, int]:
        meter.forget_peak()
        before = meter.flops
        x = empty(2, 4, 8, 8)
        y = F.group_norm(F.conv2d(x, weight), 2)
        (y.flatten(2) @ y.flatten(2).transpose(1, 2)).max(-1)
        return meter.device_peak, meter.flops - before

    weight = empty(4, 4, 3, 3)
    with Meter() as meter:
        assert once() == once()


def test_operations_by_hand() -> None:
    with Meter() as meter:
        empty(3, 5) @ empty(5, 7)
        assert meter.flops == 2 * 3 * 5 * 7
        F.conv2d(empty(2, 3, 8, 8), empty(4, 3, 3, 3), padding=1)
        assert meter.flops == 2 * 3 * 5 * 7 + 2 * 2 * 8 * 8 * 4 * 3 * 9
        before = meter.flops
        F.scaled_dot_product_attention(empty(2, 3, 10, 4), empty(2, 3, 6, 4), empty(2, 3, 6, 4))
        assert meter.flops - before == 2 * 2 * (2 * 3) * 10 * 6 * 4


def test_attention_holds_no_matrix_of_all_pairs() -> None:
    q = empty(1, 1, 4096, 8)
    with Meter() as meter:
        F.scaled_dot_product_attention(q, q, q)
    assert meter.device_peak < 2 * q.nbytes


def test_what_lies_beside_a_gpu_is_counted_apart() -> None:
    with Meter(CUDA) as meter:
        x = empty(256)
        there = x.cpu()
        drawn = torch.zeros(512)
    assert (meter.device_peak, meter.host_peak) == (KIB, 3 * KIB)
    with Meter() as meter:
        there = x.cpu()
    assert meter.device_peak == 0, "a copy to where it is"
    del there, drawn


def test_values_that_are_not_there_stop_nobody() -> None:
    with Meter():
        x = empty(4)
        assert float(x.sum()) == 1.0 and int(x.isfinite().sum()) == 0
        assert x.tolist() == [0.0] * 4 and len(x.cpu().numpy().tobytes()) == 16
        torch.zeros(4).copy_(x)
        chosen = torch.arange(6, device=x.device) % 2 == 0
        assert empty(6, 3)[chosen].shape == (3, 3), "positions that are counted have values"
        assert (torch.rand(4) + x).is_meta


def test_shapes_of_a_model(tiny: StableDiffusion) -> None:
    weights = {name: weight.clone() for name, weight in tiny.unet.state_dict().items()}
    shapes = shapes_of(tiny)
    assert shapes is not tiny and shapes.device.type == "meta"
    assert weight_bytes(networks_in(shapes)) == weight_bytes(networks_in(tiny))
    assert all(torch.equal(weights[name], now) for name, now in tiny.unet.state_dict().items())
    parts = [tiny.unet, tiny.vae, *tiny.text.networks, tiny.controlnet, tiny.vision_tower.network]
    held = sum(w.nbytes for part in parts for w in (*part.parameters(), *part.buffers()))
    assert weight_bytes(networks_in(tiny)) == held
    assert weight_bytes([tiny.unet, tiny.unet]) == weight_bytes([tiny.unet])


HALF = torch.float16


def full_size(kind: str) -> UNet2DConditionModel:
    with torch.device("meta"):
        if kind == "sd":
            return UNet2DConditionModel(sample_size=64, cross_attention_dim=768).half()
        return UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=[5, 10, 20],
            transformer_layers_per_block=[1, 2, 10],
            use_linear_projection=True,
            cross_attention_dim=2048,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        ).half()


@pytest.mark.parametrize(
    ("kind", "side", "width", "millions", "tera"),
    [("sd", 64, 768, 859.5, 0.80), ("xl", 128, 2048, 2567.5, 6.0)],
)
def test_full_size_networks(kind: str, side: int, width: int, millions: float, tera: float) -> None:
    """Parameters as published; operations of one picture as others count them (0.4 and 3 T multiply-adds)."""
    unet = full_size(kind).eval().requires_grad_(False)
    assert weight_bytes([unet]) / 2e6 == pytest.approx(millions, rel=1e-3)
    added = {} if kind == "sd" else {"text_embeds": empty(1, 1280, dtype=HALF), "time_ids": empty(1, 6)}
    x, text = empty(1, 4, side, side, dtype=HALF), empty(1, 77, width, dtype=HALF)
    with torch.no_grad(), Meter(CUDA) as meter:
        unet(x, 5.0, text, added_cond_kwargs=added, return_dict=False)
    assert meter.flops / 1e12 == pytest.approx(tera, rel=0.15)
    largest = 320 * side * side * 2  # bytes of a picture's features at the first level
    assert 8 * largest < meter.device_peak < 32 * largest


def test_a_full_size_decoder() -> None:
    with torch.device("meta"):
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=4,
        )
    vae = vae.half().eval().requires_grad_(False)
    assert weight_bytes([vae]) / 2e6 == pytest.approx(83.65, rel=1e-3)
    peaks = list[int]()
    for side in (64, 128):
        with torch.no_grad(), Meter(CUDA) as meter:
            vae.decode(empty(1, 4, side, side, dtype=HALF))
        peaks.append(meter.device_peak)
    largest = 256 * 512 * 512 * 2  # the last level before its channels are halved
    assert 2 * largest < peaks[0] < 4 * largest
    assert peaks[1] == pytest.approx(4 * peaks[0], rel=0.01), "by the area: attention holds no matrix"
