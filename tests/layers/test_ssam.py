"""Spiking spatially-adaptive modulation: its forms, its size, its memory and what it costs."""

import pytest
import torch
from torch import Tensor, nn

from ranvier.audit import audit
from ranvier.layers.ssam import SSAM, Modulation
from ranvier.neurons import LIF, AdaptiveLIF


def ssam(
    frame: int = 1, events: int = 2, channels: int = 8, *, frame_decay: float = 0.0, modulation: Modulation = "add"
) -> SSAM:
    torch.manual_seed(0)
    neuron = AdaptiveLIF(decay=0.2, v_threshold=0.3, channels=channels, tau_a_range=(0.64, 2.3), strict=True)
    frame_neuron = LIF(decay=frame_decay, v_threshold=0.5, strict=True)
    return SSAM(frame, events, channels, neuron, frame_neuron, modulation=modulation).eval()


def clip(frame: int = 1, events: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    signs = torch.randint(-1, 2, (5, 2, events, 11, 9), generator=generator)
    return torch.cat((3 * torch.rand(5, 2, frame, 11, 9, generator=generator), signs), dim=2)


def said_by_frame(stem: SSAM, x: Tensor) -> Tensor:
    """g of the equations: what the frame's path adds."""
    kept = []
    handle = stem.frame.register_forward_hook(lambda module, inputs, y: kept.append(y))
    stem(x)
    handle.remove()
    return torch.cat([conv(kept[0].flatten(0, 1)).unflatten(0, x.shape[:2]) for conv in stem.gamma], dim=2)


@pytest.mark.parametrize(("modulation", "expected"), [("add", 38_208), ("scale", 38_208), ("scale_shift", 75_136)])
def test_the_published_sizes(modulation: Modulation, expected: int) -> None:
    """Events 448, frame 768, dilated convolutions 36,928, tau_a 64, and 36,928 of the shift."""
    with torch.device("meta"):
        stem = ssam(1, 5, 64, modulation=modulation)
    assert sum(p.numel() for p in stem.parameters()) == expected


@pytest.mark.parametrize("channels", [4, 5, 7, 64])
def test_dilated_convolutions_share_the_channels(channels: int) -> None:
    stem = ssam(channels=channels)
    assert [conv.dilation[0] for conv in stem.gamma] == [1, 2, 3, 4]
    assert sum(conv.out_channels for conv in stem.gamma) == channels
    assert stem(clip()).shape == (5, 2, channels, 11, 9)


def test_a_frame_that_says_nothing_leaves_the_event_branch() -> None:
    """Zero frame, zero biases: no spike in the frame's path unless its norm alone makes one."""
    stem, x = ssam(), clip()
    x[:, :, 0] = 0
    for conv in stem.gamma:
        nn.init.zeros_(conv.bias)
    nn.init.zeros_(stem.frame[0].bias)
    assert said_by_frame(stem, x).count_nonzero() == 0
    assert torch.equal(stem(x), stem.neuron(stem.events(x[:, :, 1:])))
    nn.init.constant_(stem.frame[1].bias, 0.8)
    constant = said_by_frame(stem, x)[..., 4:-4, 4:-4]
    assert constant.count_nonzero() > 0
    torch.testing.assert_close(constant, constant[:, :, :, :1, :1].expand_as(constant))


@pytest.mark.parametrize("modulation", ["add", "scale", "scale_shift"])
def test_another_frame_is_another_answer(modulation: Modulation) -> None:
    stem, x = ssam(modulation=modulation), clip()
    other = x.clone()
    other[:, :, 0] = x[:, :, 0].flip(-1)
    assert not torch.equal(stem(x), stem(other))
    y = stem.train()(x)
    assert set(y.unique().tolist()) == {0.0, 1.0}
    y.sum().backward()
    assert all(p.grad is not None for p in stem.parameters())


@pytest.mark.parametrize(("frame_decay", "remembers"), [(0.0, False), (0.2, True)])
def test_tau_0_forgets_the_frames_before(frame_decay: float, remembers: bool) -> None:
    stem, x = ssam(frame_decay=frame_decay), clip()
    other = x.clone()
    other[:3, :, 0] = x[:3, :, 0].flip(-1)
    before, after = said_by_frame(stem, x), said_by_frame(stem, other)
    assert not torch.equal(before[:3], after[:3])
    assert torch.equal(before[3], after[3]) is not remembers


def test_events_can_modulate_themselves() -> None:
    stem, x = ssam(0, 3), clip(0, 3)
    assert stem.frame[0].in_channels == 3
    doubled = ssam(3, 3)
    torch.testing.assert_close(stem(x), doubled(torch.cat((x, x), dim=2)))


@pytest.mark.parametrize(("modulation", "products"), [("add", 0), ("scale", 8 * 11 * 9), ("scale_shift", 8 * 11 * 9)])
def test_an_audit_sees_where_activations_are_multiplied(modulation: Modulation, products: int) -> None:
    cost = audit(ssam(modulation=modulation), clip())
    by_name = {layer.name: layer for layer in cost.layers}
    assert sum(layer.macs for layer in cost.layers if layer.kind == "Product") == products
    assert cost.uncounted == ()
    real = {name for name, layer in by_name.items() if not layer.multiplication_free}
    assert real == {"events.0", "frame.0"} | ({"product"} if products else set())


def test_without_spikes_in_the_frames_path_its_convolutions_multiply() -> None:
    stem = SSAM(1, 2, 8, LIF(decay=0.2), nn.ReLU()).eval()
    free = {layer.name: layer.multiplication_free for layer in audit(stem, clip()).layers}
    assert not any(free[f"gamma.{i}"] for i in range(4))


def test_errors_say_what_was_expected() -> None:
    with pytest.raises(ValueError, match=r"modulation of add, scale, scale_shift, got 'multiply'"):
        ssam(modulation="multiply")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 4 channels, one for each dilation, got 3"):
        ssam(channels=3)
    with pytest.raises(ValueError, match=r"1 frame and 2 event channels, height, width\], got \(5, 2, 2, 11, 9\)"):
        ssam()(clip(0))
