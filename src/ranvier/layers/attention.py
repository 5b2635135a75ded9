"""Sliding-window attention and the Transformer block around it: a memory of the last W steps, read by content."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ranvier.carry import Carry, State, Temporal
from ranvier.layers.stack import Stack

HEAD = 32
"""Channels of a head where the number of heads is not given (spec of the decoding backbones)."""


class Attention(Temporal):
    """Causal self-attention over the last W steps, whose keys are turned by their distance to the query.

        q, k, v = Wq x + bq, Wk x + bk, Wv x + bv                    heads of D = d / heads channels
        p[t, i] = softmax over t - W < i <= t of  q[t] . R(i - t) k[i] / sqrt(D)
        y[t]    = Wo (sum over i of p[t, i] v[i]) + bo

    R(a) turns channels 2j and 2j + 1 of a head by the angle a base^(-2j / D) (rotary positions). The carry holds keys
    that are not turned, and no position: what an hour has gone before costs no digits.

    Args:
        channels: d.
        window: W, the steps that a query sees, its own among them.
        heads: default d / 32.
        base: of the geometric series of angles.

    Shapes: `[T, B, d]` to `[T, B, d]`. Memory: the last W keys and values `kv [B, W, 2d]`, and how many of them
    there are, `filled [B]`. A whole sequence takes memory of the order of T W.

    Raises:
        ValueError: channels that do not divide into heads of an even size, or a window without a step.

    Sources: Vaswani et al., "Attention Is All You Need", NeurIPS 2017; Su et al., "RoFormer", 2021.

    >>> net = Attention(64, window=100)
    >>> net(torch.zeros(250, 3, 64)).shape
    torch.Size([250, 3, 64])
    """

    turns: Tensor
    behind: Tensor

    def __init__(self, channels: int, *, window: int = 100, heads: int | None = None, base: float = 1e4) -> None:
        super().__init__()
        if heads is None and channels % HEAD:
            raise ValueError(f"expected channels in multiples of {HEAD}, got {channels}: say how many heads=")
        heads = channels // HEAD if heads is None else heads
        if heads < 1 or channels % (2 * heads):
            raise ValueError(f"expected heads of an even number of channels, got {heads} heads of {channels} channels")
        if window < 1:
            raise ValueError(f"expected a window of 1 step or more, got {window}")
        self.channels, self.window, self.heads, self.base = channels, window, heads, base
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        # How far behind the first query of a block each of the keys lies that the block reads: W - 1 to 1 - W.
        self.register_buffer("behind", torch.arange(window - 1, -window, -1), persistent=False)
        self.register_buffer("turns", self._turns(), persistent=False)

    def _turns(self) -> Tensor:
        """Return R for the keys in `behind` as complex numbers in two parts, `[2W - 1, d / 2, 2]`."""
        weight, size = self.out.weight, self.channels // self.heads
        exponents = torch.arange(0, size, 2, dtype=torch.float64).repeat(self.heads) / size
        positions = torch.arange(1 - self.window, self.window, dtype=torch.float64)
        angles = positions.unsqueeze(1) * self.base**-exponents
        exact = torch.stack((angles.cos(), angles.sin()), -1)
        return exact.to(weight.device, torch.promote_types(weight.dtype, torch.float32))

    def _apply(self, fn, recurse=True):  # type: ignore[no-untyped-def]
        # Angles that were rounded to float32 once are not what float64 takes them for: they are made anew.
        super()._apply(fn, recurse)
        self.turns = self._turns()
        return self

    @property
    def macs(self) -> int:
        """Multiplications for one value of the output besides those of the two linear layers: scores and sums."""
        return 2 * self.window

    def rest(self, batch: int, like: Tensor) -> State:
        return {
            "kv": like.new_zeros(batch, self.window, 2 * self.channels),
            "filled": torch.zeros(batch, dtype=torch.long, device=like.device),
        }

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, d]` for `[T, B, d]`.

        Raises:
            ValueError: `x` has other channels, or no time and batch axes.
        """
        if x.ndim != 3 or x.shape[2] != self.channels:
            raise ValueError(f"expected [time, batch, {self.channels} channels], got {tuple(x.shape)}")
        steps, batch = x.shape[:2]
        if not steps:
            return torch.zeros_like(x)
        qkv = self.qkv(x).transpose(0, 1)
        q, new = qkv[..., : self.channels], qkv[..., self.channels :]
        state = carry.read(self, x) if carry is not None else None
        state = state or self.rest(batch, new)
        # The oldest key is out of reach of every query to come.
        seen, filled = torch.cat((state["kv"][:, 1:], new), 1), state["filled"]
        blocks = []
        for start in range(0, steps, self.window):
            queries = q[:, start : start + self.window]
            n = queries.shape[1]
            blocks.append(self._block(queries, seen[:, start : start + self.window - 1 + n], filled))
            filled = (filled + n).clamp(max=self.window)
        if carry is not None:
            # A view would keep the whole chunk alive.
            kv = seen if steps == 1 else seen[:, steps - 1 :].clone()
            carry.write(self, {"kv": kv, "filled": filled})
        return self.out(torch.cat(blocks))

    def _block(self, q: Tensor, kv: Tensor, filled: Tensor) -> Tensor:
        """Return what n <= W queries `[B, n, d]` read, `[n, B, d]`, from the W - 1 keys before them and their own."""
        n, m = q.shape[1], kv.shape[1]
        k, v = kv[..., : self.channels], kv[..., self.channels :]
        behind = self.behind[:m]
        mask = behind <= filled[:, None, None, None]
        if n > 1:
            distance = behind + torch.arange(n, device=q.device).unsqueeze(1)
            mask = mask & (distance >= 0) & (distance < self.window)
            q = _turned(q, self.turns[self.window - 1 : m])
        k = _turned(k, self.turns[:m])
        q, k, v = (z.unflatten(2, (self.heads, -1)).transpose(1, 2) for z in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, mask).permute(2, 0, 1, 3).flatten(2)

    def extra_repr(self) -> str:
        return f"{self.channels} channels, {self.heads} heads, window of {self.window} steps"


class TransformerBlock(Temporal):
    """A pre-norm Transformer block with sliding-window attention.

        x <- x + Attention(LN(x))
        x <- x + W2 gelu(W1 LN(x) + b1) + b2          4d hidden channels

    Args: as `Attention`, and

        dropout: share of what either half adds that training silences.

    Shapes: `[T, B, d]` to `[T, B, d]`. 12 d^2 + 13 d parameters; memory: 2 W d numbers for each lane.

    Source: as compared in Zhou et al., "Benchmarking Neural Decoding Backbones towards Enhanced On-edge iBCI
    Applications", 2024; the window, the positions and the size of the heads are this package's (unverified).

    >>> sum(p.numel() for p in TransformerBlock(128).parameters()) == 12 * 128**2 + 13 * 128
    True
    """

    def __init__(
        self,
        channels: int,
        *,
        window: int = 100,
        heads: int | None = None,
        base: float = 1e4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = Attention(channels, window=window, heads=heads, base=base)
        self.mlp_norm = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, carry: Carry | None = None) -> Tensor:
        """Return `[T, B, d]` for `[T, B, d]`."""
        x = x + self.dropout(self.attention(self.attention_norm(x), carry))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


def transformer(width: int, layers: int, *, window: int = 100, dropout: float = 0.0) -> Stack:
    """Return the body of a network, on `[T, B, width]`: blocks of causal attention, and a norm.

    >>> net = transformer(64, layers=2)
    >>> sum(p.numel() for p in net.parameters())  # layers (12 d^2 + 13 d) + 2 d
    100096
    """
    blocks = (TransformerBlock(width, window=window, dropout=dropout) for _ in range(layers))
    return Stack(*blocks, nn.LayerNorm(width))


def _turned(z: Tensor, turns: Tensor) -> Tensor:
    """Return `[B, m, d]` with the pairs of channels at each of m steps turned by `turns [m, d / 2, 2]`.

    One product of complex numbers: half the time of two real ones and a swap.
    """
    pairs = torch.view_as_complex(z.to(turns.dtype).unflatten(2, (-1, 2)))
    return torch.view_as_real(pairs * torch.view_as_complex(turns)).flatten(2).to(z.dtype)
