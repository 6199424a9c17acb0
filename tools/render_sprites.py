"""Render the Miniature's sprites from the MIT-licensed Fluent Emoji (flat) icon set.

Needs `npm install @iconify-json/fluent-emoji-flat` and `pip install resvg-py`; run it as
`python tools/render_sprites.py node_modules/@iconify-json/fluent-emoji-flat/icons.json`.
Each sprite becomes a grey + alpha PNG: grey is the shading that the world multiplies by the
object's colour, so one drawing serves every colour.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

SIZE = 128
SPRITES = Path(__file__).parents[1] / "src/frameweave/world/sprites"
ICONS = {
    "star": "star",
    "heart": "red-heart",
    "car": "automobile",
    "fish": "fish",
    "tree": "deciduous-tree",
    "house": "house",
    "boat": "sailboat",
    "butterfly": "butterfly",
    "duck": "duck",
    "umbrella": "umbrella",
    "cactus": "cactus",
    "elephant": "elephant",
    "teapot": "teapot",
    "guitar": "guitar",
    "crown": "crown",
    "key": "key",
    "bell": "bell",
    "anchor": "anchor",
    "chair": "chair",
    "octopus": "octopus",
    "rabbit": "rabbit",
    "airplane": "airplane",
}


def shade(rgba: np.ndarray) -> np.ndarray:
    """Shading in [0, 1] around 0.8 at the drawing's median luminance."""
    luminance = rgba[..., :3] @ [0.299, 0.587, 0.114]
    opaque = rgba[..., 3] > 0.5
    return np.clip(0.8 + 0.8 * (luminance - np.median(luminance[opaque])), 0.25, 1.0)


def trimmed(image: Image.Image) -> Image.Image:
    """The drawing centred in a square that it fills, so that all objects have one size."""
    image = image.crop(image.getbbox())
    side = max(image.size)
    square = Image.new("RGBA", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def main(icons_json: str) -> None:
    pack = json.loads(Path(icons_json).read_text())
    for noun, icon in ICONS.items():
        body = pack["icons"][icon]["body"]
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="512" height="512" viewBox="0 0 {pack["width"]} {pack["height"]}">{body}</svg>'
        )
        image = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg))))
        rgba = np.asarray(trimmed(image.convert("RGBA"))) / 255
        grey_alpha = np.dstack([shade(rgba), rgba[..., 3]])
        Image.fromarray((grey_alpha * 255).round().astype("uint8"), "LA").save(
            SPRITES / f"{noun}.png", optimize=True
        )


if __name__ == "__main__":
    main(sys.argv[1])
