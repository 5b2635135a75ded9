"""The surrogate dynamic network by itself, as it is trained."""

from ranvier import recipes
from ranvier.layers.sdn import SDN


def sdn(config: recipes.SDN) -> SDN:
    """Return the network with fresh weights: currents `[T, B, ...]` to membranes of the same shape."""
    return SDN(width=config.width, kernel_size=config.kernel_size, layers=config.layers)
