"""What a pixel of the street can be, after the six classes that DDD17 is labelled with."""

CLASSES = ("flat", "background", "object", "nature", "person", "vehicle")
"""flat: road and pavement; background: buildings and sky; object: posts, signs and pillars; nature: trees and grass"""

FLAT, BACKGROUND, OBJECT, NATURE, PERSON, VEHICLE = range(6)
