"""A rendered street: what a camera that drives through it sees, and what is in each pixel."""

from ranvier.data.street.classes import CLASSES
from ranvier.data.street.layout import make_street
from ranvier.data.street.render import Annotation, annotate, look
from ranvier.data.street.street import Street

__all__ = ["CLASSES", "Annotation", "Street", "annotate", "look", "make_street"]
