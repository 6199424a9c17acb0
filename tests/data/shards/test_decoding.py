"""Groups out of members, in whatever order these come."""

import io

from PIL import Image

from frameweave.data.shards.decoding import group_of


def png(mode: str, level: int) -> bytes:
    buffer = io.BytesIO()
    colour = (level, 0, 0) if mode == "RGB" else level
    Image.new(mode, (4, 4), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_frames_and_depth_come_in_the_order_of_their_numbers() -> None:
    members = {f"f{k}.png": png("RGB", k) for k in range(12)} | {f"d{k}.png": png("L", k) for k in range(12)}
    group = group_of(members | {"txt": b"a caption\n"}, where="here")
    assert group.depth is not None
    for shown in (group.frames, group.depth):
        assert (shown[:, 0, 0, 0] * 255).round().int().tolist() == list(range(12))
