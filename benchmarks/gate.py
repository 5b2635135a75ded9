"""No timing without its correctness: the check that stands before every clock."""

from torch import Tensor


class WrongResult(AssertionError):
    """A kernel that is about to be timed does not compute what its reference computes."""


def check(what: str, ours: Tensor, reference: Tensor, *, rtol: float = 0.0) -> None:
    """Raise unless two results agree: bit for bit, or within `rtol` of the reference's largest magnitude.

    Raises:
        WrongResult: they differ; the message says where and by how much.
    """
    if ours.shape != reference.shape:
        raise WrongResult(f"{what}: shape {tuple(ours.shape)}, the reference has {tuple(reference.shape)}")
    ours, reference = ours.detach().float(), reference.detach().float()
    error = (ours - reference).abs()
    allowed = rtol * float(reference.abs().max())
    # `not <=` also catches NaN.
    if error.numel() and not float(error.max()) <= allowed:
        worst = int(error.argmax())
        raise WrongResult(
            f"{what}: {int((~(error <= allowed)).sum())} of {error.numel()} values are wrong, the worst at {worst}: "
            f"got {float(ours.flatten()[worst])}, the reference has {float(reference.flatten()[worst])}"
        )


def agreement(theirs: Tensor, reference: Tensor) -> float:
    """Return the share of equal values: how nearly a peer computes the same neuron."""
    return float((theirs == reference).float().mean())
