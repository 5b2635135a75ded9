"""A small convolutional classifier of event frames: the first network to train."""

from torch import nn

from ranvier.layers import Stack, conv_block
from ranvier.neurons import LIF, PLIF
from ranvier.recipes import ConvClassifier


def conv_classifier(config: ConvClassifier) -> Stack:
    """Return spiking convolution blocks and a linear readout of the last spikes, one answer a step.

    The first block halves the frame (5x5, stride 2), each further one halves it by pooling: a pixel of the pooled map
    fires if one of its four does.

    Shapes: `[T, B, in_channels, H, W]` to `[T, B, classes]`.

    Raises:
        ValueError: no channels, or a frame too small for so many blocks.
    """
    if not config.channels:
        raise ValueError("expected at least one block, got channels=()")
    height, width = (-(-side // 2) for side in config.size)
    layers: list[nn.Module] = []
    previous = config.in_channels
    for i, channels in enumerate(config.channels):
        if i == 0:
            layers.append(conv_block(previous, channels, _neuron(config), kernel_size=5, stride=2))
        else:
            layers += [conv_block(previous, channels, _neuron(config)), nn.MaxPool2d(2)]
            height, width = height // 2, width // 2
        previous = channels
    if not height * width:
        raise ValueError(f"frames of {config.size} are too small for {len(config.channels)} blocks: use fewer channels")
    readout = nn.Linear(previous * height * width, config.classes)
    return Stack(*layers, nn.Flatten(), nn.Dropout(config.dropout), readout)


def _neuron(config: ConvClassifier) -> nn.Module:
    if config.neuron == "relu":
        return nn.ReLU()
    if config.neuron == "plif":
        return PLIF(tau=1 / (1 - config.decay))
    return LIF(decay=config.decay)
