"""A small convolutional classifier of event frames: the first network to train."""

from torch import nn

from ranvier.layers import Stack, conv_block
from ranvier.neurons import LIF, PLIF
from ranvier.recipes import ConvClassifier


def conv_classifier(config: ConvClassifier) -> Stack:
    """Return spiking convolution blocks and a linear readout of the last spikes, one answer a step.

    Each block halves the frame by its stride; the last one keeps the size and halves it by pooling, where a place
    fires if one of its four neurons does. The first kernel is 5x5, the others are 3x3.

    Shapes: `[T, B, in_channels, H, W]` to `[T, B, classes]`.

    Raises:
        ValueError: no channels, or a frame too small for so many blocks.
    """
    if not config.channels:
        raise ValueError("expected at least one block, got channels=()")
    height, width = config.size
    blocks, previous = [], config.in_channels
    for i, channels in enumerate(config.channels):
        kernel_size = 5 if i == 0 else 3
        stride = 1 if i == len(config.channels) - 1 else 2
        blocks.append(conv_block(previous, channels, _neuron(config), kernel_size=kernel_size, stride=stride))
        height, width, previous = -(-height // stride), -(-width // stride), channels
    height, width = height // 2, width // 2
    if not height * width:
        raise ValueError(f"frames of {config.size} are too small for {len(config.channels)} blocks: use fewer channels")
    readout = nn.Linear(previous * height * width, config.classes)
    return Stack(*blocks, nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(config.dropout), readout)


def _neuron(config: ConvClassifier) -> nn.Module:
    if config.neuron == "relu":
        return nn.ReLU()
    if config.neuron == "plif":
        return PLIF(tau=1 / (1 - config.decay))
    return LIF(decay=config.decay)
