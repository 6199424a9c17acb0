"""The words that the rules know: things, colours, places and styles that can stand for each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from frameweave.world import words


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What can be exchanged in a caption. All words are lower case and singular.

    Words that mean the same stand in one string, "bicycle bike"; the first is written.
    """

    things: tuple[tuple[str, ...], ...]
    """Families of nouns; a thing becomes another one of its family."""
    people: tuple[tuple[str, ...], ...] = ()
    """Families of persons: exchanged like things, never coloured."""
    colours: tuple[str, ...]
    places: Mapping[str, tuple[str, ...]]
    """By name: the phrases that say so, of which the first is written."""
    known_places: tuple[str, ...] = ()
    """Names of places that are found and not written."""
    styles: Mapping[str, tuple[str, ...]]
    """By name: sentences around a caption, of which the first is written. {} stands for the caption."""
    unstyled: tuple[str, ...] = ("a picture of {}", "a photo of {}")
    """Sentences around a caption that name no style."""


GENERAL = Vocabulary(
    things=(
        ("dog", "cat", "fox", "rabbit", "wolf", "panda", "monkey", "tiger", "lion"),
        ("horse", "cow", "elephant", "zebra", "camel", "donkey", "deer", "sheep", "goat", "pig"),
        ("bird", "duck", "parrot", "owl", "eagle", "penguin", "swan", "chicken", "butterfly"),
        ("fish", "shark", "dolphin", "whale", "turtle", "octopus"),
        ("car", "truck", "bus", "van", "tractor", "taxi", "jeep"),
        ("bicycle bike", "motorcycle motorbike", "scooter", "skateboard"),
        ("boat", "ship", "canoe", "yacht", "raft", "submarine"),
        ("airplane plane", "helicopter", "rocket", "balloon", "drone"),
        ("guitar", "piano", "violin", "trumpet", "accordion", "ukulele", "cello"),
        ("cake", "pizza", "sandwich", "pancake", "salad", "pie", "burger"),
        ("apple", "banana", "pear", "lemon", "tomato", "potato", "onion", "carrot"),
        ("tree", "cactus", "flower", "bush", "mushroom"),
        ("house", "castle", "barn", "tent", "lighthouse", "hut"),
        ("shirt", "dress", "jacket", "coat", "suit", "sweater", "skirt"),
        ("hat", "cap", "helmet", "crown", "umbrella"),
        ("ball", "globe", "pumpkin", "melon"),
        ("chair", "sofa", "bench", "bed", "table", "desk"),
        ("phone", "laptop computer", "camera", "book", "newspaper"),
    ),
    people=(
        ("man", "boy", "knight", "wizard", "cowboy", "fireman"),
        ("woman lady", "girl", "queen", "ballerina", "witch"),
        ("person", "robot", "astronaut", "clown", "soldier", "doctor", "pirate"),
        ("child kid", "baby toddler", "elf"),
    ),
    colours=(
        "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
        "grey gray", "golden", "silver",
    ),
    places={
        "snow": ("in the snow",),
        "beach": ("on a beach",),
        "forest": ("in a forest",),
        "desert": ("in the desert",),
        "rain": ("in the rain",),
        "moon": ("on the moon",),
        "night": ("at night",),
        "sunset": ("at sunset",),
        "city": ("in a city",),
        "meadow": ("in a meadow",),
    },
    known_places=(
        "road", "street", "highway", "track", "park", "garden", "yard", "backyard", "field", "grass", "lawn",
        "sand", "sea", "ocean", "lake", "river", "pool", "water", "mountain", "hill", "woods", "jungle",
        "sky", "air", "stage", "room", "kitchen", "bedroom", "bathroom", "office", "studio", "classroom",
        "gym", "court", "stadium", "house", "home", "store", "restaurant", "parking lot", "day", "dark",
    ),
    styles={
        "watercolour painting": ("a watercolour painting of {}", "{}, watercolour painting"),
        "oil painting": ("an oil painting of {}", "{}, oil painting"),
        "pencil sketch": ("a pencil sketch of {}", "{}, pencil sketch", "{} as a pencil sketch"),
        "cartoon": ("a cartoon of {}", "{}, cartoon style", "{} as a cartoon"),
        "pixel art": ("pixel art of {}", "{}, pixel art", "{}, pixel art style"),
        "anime": ("an anime scene of {}", "{}, anime style"),
        "comic book": ("a comic book picture of {}", "{}, comic book style"),
        "charcoal drawing": ("a charcoal drawing of {}", "{}, charcoal drawing"),
        "clay animation": ("a clay animation of {}", "{}, clay animation"),
    },
    unstyled=(
        "a picture of {}", "a photo of {}", "a video of {}", "a video clip of {}", "a clip of {}",
        "this is a video of {}", "there is {}",
    ),
)  # fmt: skip

MINIATURE = Vocabulary(
    things=(words.NOUNS,),
    colours=words.COLOURS,
    places=words.PLACES,
    styles={name: sentences for name, sentences in words.STYLED.items() if name != "plain"},
    unstyled=words.STYLED["plain"][1:],
)

VOCABULARIES = {"general": GENERAL, "miniature": MINIATURE}
