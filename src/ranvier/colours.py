"""The colours of all pictures: few, and the same everywhere.

Amber is a spike, an ON event or this network; blue is an OFF event or what it is compared with.
"""

INK = "#20242e"
AMBER = "#e8742c"
BLUE = "#2f86b5"

GROUND = "#12151c"
"""behind events that move"""
PAPER = "#e8e4dc"
"""text on it"""

CLASSES = (
    *("#50d0b8", "#c83848", "#f8f840", "#8890f8", "#f0a828", "#c0f8f8", "#7858d8", "#b88090", "#78f0a0", "#986088"),
    *("#a8b0f8", "#c0a070", "#d86008", "#e0c8f8", "#48a0c0", "#f0d058", "#7878d8", "#50b8c0", "#c0c080", "#c87860"),
)
"""One for each of up to 20 classes on a dark ground, the most different first.

Each was chosen as the one farthest from those before it in Oklab, in the eyes of whoever sees that difference least:
with normal sight, protanopia, deuteranopia or the rare tritanopia. Of the first eight the nearest two are 0.10 apart,
of all 0.05; a difference of 0.02 is just seen.
Source: colour blindness as simulated by Machado, Oliveira, Fernandes, IEEE TVCG 2009; Oklab is by Ottosson, 2020.
"""


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of `#rrggbb`, 0 to 255.

    >>> rgb("#20242e")
    (32, 36, 46)
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue
