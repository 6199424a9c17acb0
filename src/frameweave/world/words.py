"""The words of the world: for its scenes, its captions and the rules that rewrite them.

The Miniature was trained on the home words. The strange ones are of clips that it never saw.
"""

NOUNS = (
    "star", "heart", "car", "fish", "tree", "house",
    "boat", "butterfly", "duck", "umbrella", "cactus", "elephant",
)  # fmt: skip
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")
PLACES = {
    "grass": ("on the grass", "in a meadow"),
    "sky": ("in the sky", "among the clouds"),
    "sand": ("on the sand", "in the desert"),
    "snow": ("in the snow", "in falling snow"),
    "bricks": ("in front of a brick wall", "against the bricks"),
    "stripes": ("in front of stripes", "on a striped wall"),
    "checkers": ("on a checkerboard", "in front of a checkered wall"),
}
"""By background: the phrases that say so."""
STYLED = {
    "plain": ("{}", "a picture of {}", "a photo of {}"),
    "pixel art": ("pixel art of {}", "{}, pixel art", "{}, pixel art style"),
    "cartoon": ("a cartoon of {}", "{}, cartoon style", "{} as a cartoon"),
    "night": ("{} at night", "at night, {}", "a night picture of {}"),
    "pencil sketch": ("a pencil sketch of {}", "{}, pencil sketch", "{} as a pencil sketch"),
}
"""By style: sentences around a caption, for which {} stands."""
STRANGE_NOUNS = (
    "teapot", "guitar", "crown", "key", "bell", "anchor", "chair", "octopus", "rabbit", "airplane",
)  # fmt: skip
STRANGE_PLACES = {
    "wood": ("on a wooden floor", "on the planks"),
    "water": ("on the water", "among the waves"),
    "leaves": ("among the leaves", "in front of leaves"),
    "honeycomb": ("in front of a honeycomb", "on the honeycomb"),
}
STRANGE_LOOKS = {
    "sepia": ("an old photo of {}", "{}, sepia", "{} in sepia"),
    "hazy": ("a hazy photo of {}", "{}, soft focus", "{} in the haze"),
    "compressed": ("a compressed video of {}", "{}, low quality", "{} with blocks"),
}
"""Looks of cameras and files, as styles are."""
MOVING = {
    "still": ("standing still",),
    "left": ("moving left",),
    "right": ("moving right",),
    "up": ("moving up", "rising"),
    "down": ("moving down", "falling"),
    "growing": ("coming closer", "growing"),
    "shrinking": ("going away", "shrinking"),
    "swaying": ("swaying", "rocking"),
}
"""By motion: the words that say so."""
