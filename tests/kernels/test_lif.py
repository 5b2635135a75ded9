"""The fused `lif` against its reference: outputs bit for bit, gradients to rounding, on every path."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ranvier.kernels import lif, native, reference
from ranvier.kernels.lif_call import CHUNK
from ranvier.kernels.surrogate import SURROGATES
from tests.kernels.lif_cases import GRADIENTS, LAYOUTS, RESETS, assert_same, inputs, outputs_and_gradients, parameters


@pytest.fixture(autouse=True)
def _needs_c() -> None:
    assert native.library() is not None, "the C kernels are not built: run `make test`"


OPTIONS = list(itertools.product(RESETS, (True, False), GRADIENTS, SURROGATES))


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-5)], ids=["f64", "f32"])
def test_every_option_equals_the_reference(
    dtype: torch.dtype, tolerance: float, per_channel: bool, adaptive: bool
) -> None:
    for seed, (reset, decay_reset, gradient, surrogate) in enumerate(OPTIONS):
        x, v, a = inputs(7, (2, 3, 5), dtype, seed)
        learned = parameters(3 if per_channel else 0, v.dtype, seed)
        if not adaptive:
            del learned["beta"], learned["rho"]
        options = {
            **learned, "v_reset": 0.1, "reset": reset, "decay_reset": decay_reset, "gradient": gradient,
            "surrogate": surrogate, "temperature": 2.5, "strict": seed % 2 == 1, "sign": 1 if seed % 3 else -1,
            "return_v": seed % 5 < 2, "return_state": seed % 7 < 5,
        }  # fmt: skip
        assert_same((x, v, a if adaptive else None), options, tolerance)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.sampled_from([0, 1, 2, 3, 31, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5]),
    shape=st.lists(st.integers(0, 9), min_size=0, max_size=4).map(tuple),
    option=st.sampled_from(OPTIONS),
    adaptive=st.booleans(),
    scalar=st.booleans(),
    with_state=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_shape(steps, shape, option, adaptive, scalar, with_state, seed) -> None:
    reset, decay_reset, gradient, surrogate = option
    x, v, a = inputs(steps, shape, torch.float64, seed)
    channels = shape[1] if len(shape) > 1 and shape[1] else 0
    learned = parameters(channels, torch.float64, seed)
    options = {name: p.mean().item() if scalar else p for name, p in learned.items()}
    if not adaptive:
        del options["beta"], options["rho"]
    options |= {"reset": reset, "decay_reset": decay_reset, "gradient": gradient, "surrogate": surrogate}
    state = (v, a if adaptive else None) if with_state else (None, None)
    assert_same((x, *state), options, 1e-12)


@pytest.mark.parametrize("isa", native.ISA_NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_every_instruction_set_fires_the_same_spikes(isa: str, dtype: torch.dtype) -> None:
    library = native.library()
    x, v, a = inputs(70, (3, 5, 7), dtype, 0)
    options = {**parameters(5, v.dtype, 0), "surrogate": "tanh", "temperature": 3.0, "return_v": True}
    expected = outputs_and_gradients((x, v, a), options, in_reference=True)
    try:
        chosen = library.ranvier_select_isa(native.ISA_NAMES.index(isa))
        found = outputs_and_gradients((x, v, a), options, in_reference=False)
    finally:
        library.ranvier_select_isa(len(native.ISA_NAMES) - 1)
    assert native.ISA_NAMES[chosen] == isa or chosen < native.ISA_NAMES.index(isa)
    for mine, theirs in zip(found[0], expected[0], strict=True):
        assert torch.equal(mine, theirs)
    tolerance = {torch.float64: 1e-12, torch.float32: 2e-5}.get(dtype, 2e-2)
    for mine, theirs in zip(found[1], expected[1], strict=True):
        scale = 1 + theirs.abs().max()
        torch.testing.assert_close(mine / scale, theirs / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_storage_equals_the_loop_on_upcast_inputs(dtype: torch.dtype) -> None:
    x, v, _ = inputs(100, (6, 33), dtype, 3)
    half = lif(x, v, decay=0.7, v_threshold=0.8, return_v=True)
    with reference():
        full = lif(x.float(), v, decay=0.7, v_threshold=0.8, return_v=True)
    assert torch.equal(half.s.float(), full.s)
    assert torch.equal(half.v, full.v)
    assert torch.equal(half.v_seq, full.v_seq.to(dtype))
    weight = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    (mine,) = torch.autograd.grad(half.s, x, weight)
    (theirs,) = torch.autograd.grad(full.s, x, weight.float())
    torch.testing.assert_close(mine.float(), theirs.float(), rtol=0.01, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_conversions_agree_with_torch_on_every_bit_pattern(dtype: torch.dtype) -> None:
    # decay 0 and an unreachable threshold make the membrane the input itself: up and down again, bit for bit
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype).view(1, -1)
    found = lif(every, decay=0.0, v_threshold=float("inf"), return_v=True).v_seq
    finite = ~every.isnan() & ~every.isinf()
    assert torch.equal(found[finite], every[finite])
    assert torch.equal(found[every.isinf()], every[every.isinf()])
    scaled = lif(every, decay=0.0, gain=1.0009765625, v_threshold=float("inf"), return_v=True).v_seq
    expected = (every.float() * 1.0009765625).to(dtype)
    assert torch.equal(scaled[finite], expected[finite])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_memory_layout(layout: str) -> None:
    x, v, a = inputs(6, (3, 4, 5, 7), torch.float64, 5)
    options = parameters(4, torch.float64, 5)
    with torch.no_grad():
        arranged = LAYOUTS[layout](x).requires_grad_()
    assert torch.equal(arranged, x)
    plain, plain_grads = outputs_and_gradients((x, v, a), options, in_reference=True)
    found, grads = outputs_and_gradients((arranged, v, a), options, in_reference=False)
    for mine, theirs in zip(found, plain, strict=True):
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(grads, plain_grads, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_outputs_keep_a_dense_layout() -> None:
    x = torch.randn(5, 2, 4, 3, 3).contiguous(memory_format=torch.channels_last_3d)
    conv = torch.randn(10, 4, 3, 3).contiguous(memory_format=torch.channels_last).unflatten(0, (5, 2))
    assert lif(conv, decay=0.5).s.stride() == conv.stride()
    assert lif(x, decay=0.5).s.shape == x.shape


def test_every_element_is_written() -> None:
    """Fresh buffers are filled with NaN: one that stays is an element that the kernel forgot."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.utils.deterministic.fill_uninitialized_memory
        assert torch.empty(3).isnan().all()
        for steps, shape in ((1, (1,)), (3, (2, 5)), (130, (3, 4, 7)), (5, (4, 1031))):
            x, v, a = inputs(steps, shape, torch.float32, 1)
            channels = shape[1] if len(shape) > 2 else 0
            options = {**parameters(channels, torch.float32, 1), "return_v": True}
            found, grads = outputs_and_gradients((x, v, a), options, in_reference=False)
            assert not any(t.isnan().any() for t in (*found, *grads))
    finally:
        torch.use_deterministic_algorithms(before)


def test_without_the_final_state_nothing_is_made_for_it() -> None:
    x = torch.randn(5, 3, 4)
    out = lif(x, decay=0.5, beta=0.1, return_state=False)
    assert out.v is None
    assert out.a is None
    assert torch.equal(out.s, lif(x, decay=0.5, beta=0.1).s)


def saved_bytes(call) -> list[int]:
    sizes: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        call()
    return sizes


@pytest.mark.parametrize("steps", [16, CHUNK, CHUNK + 1, 4 * CHUNK])
def test_training_keeps_the_input_and_its_checkpoints_alone(steps: int) -> None:
    x = torch.randn(steps, 4, 100, requires_grad=True)
    sizes = saved_bytes(lambda: lif(x, decay=0.5))
    one_step = 4 * 100 * 4
    checkpoints = (-(-steps // CHUNK) - 1) * one_step
    assert sorted(size for size in sizes if size) == sorted(size for size in (steps * one_step, checkpoints) if size)


def test_create_graph_takes_the_reference() -> None:
    x = torch.randn(6, 2, 3, dtype=torch.float64, requires_grad=True)
    decay = torch.tensor([0.3, 0.5, 0.7], dtype=torch.float64, requires_grad=True)

    def penalty() -> Tensor:
        out = lif(x, decay=decay, v_threshold=0.5)
        (grad,) = torch.autograd.grad(out.s.sum() + (out.v**2).sum(), x, create_graph=True)
        return (grad**2).sum()

    fast = torch.autograd.grad(penalty(), (x, decay))
    with reference():
        slow = torch.autograd.grad(penalty(), (x, decay))
    assert any(g.abs().sum() > 0 for g in slow)
    for mine, theirs in zip(fast, slow, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("steps", [5, CHUNK + 6])
def test_opcheck(steps: int) -> None:
    x, v, a = inputs(steps, (2, 3), torch.float32, 0)
    constants = [0.5, 1.0, 1.0, 0.1, 0.2, 0.0, 2.0]
    decay = torch.rand(3, requires_grad=True)
    op = torch.ops.ranvier.lif.default
    torch.library.opcheck(op, (x, None, None, None, None, None, None, None, constants, 2 << 12))
    torch.library.opcheck(op, (x, v, a, decay, None, None, None, None, constants, (2 << 12) | 8 | 128))


def test_compiles_into_one_graph() -> None:
    x, v, _ = inputs(5, (2, 3), torch.float32, 0)
    decay = torch.rand(3, requires_grad=True)

    def layer(x: Tensor, v: Tensor, decay: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        out = lif(x * 2, v, decay=decay, temperature=temperature)
        return out.s * 1.5, out.v

    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    results = []
    for run in (layer, compiled):
        s, last = run(x, v, decay, 2.0)
        results.append((s, last, *torch.autograd.grad(s.sum() + last.sum(), (x, v, decay))))
    for eager, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, eager)


@pytest.mark.parametrize("cuts", [[1, 129], [64, 66], [65, 65], [0, 100, 30]])
def test_chunk_law(cuts: list[int]) -> None:
    x, v, a = inputs(130, (2, 3), torch.float64, 9)
    options = parameters(3, torch.float64, 9)
    results = []
    for sizes in ([130], cuts):
        state, pieces = (v, a), []
        for chunk in x.split(sizes):
            out = lif(chunk, *state, **options)
            pieces.append(out.s)
            state = (out.v, out.a)
        s = torch.cat(pieces)
        loss = (s * torch.linspace(-1, 1, s.numel(), dtype=s.dtype).view_as(s)).sum() + state[0].sum() + state[1].sum()
        results.append((s, *torch.autograd.grad(loss, (x, v, a, *options.values()))))
    assert torch.equal(results[0][0], results[1][0])
    for whole, chunked in zip(*results, strict=True):
        torch.testing.assert_close(chunked, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("steps", [4096, 65536])
def test_long_sequences(steps: int) -> None:
    x = torch.randn(steps, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    out = lif(x, decay=0.99, gain=0.1, v_threshold=0.2, gradient="detached")
    (grad,) = torch.autograd.grad(out.s.sum(), x)
    v = torch.zeros(3, dtype=torch.float64)
    spikes = 0.0
    for x_t in x.detach()[:, 0]:
        v = 0.99 * v + 0.1 * x_t
        fired = v >= 0.2
        spikes += float(fired.sum())
        v = torch.where(fired, 0.0, v)
    assert out.s.sum().item() == spikes
    assert grad.isfinite().all()


BAD = {
    "integers": ({"x": torch.ones(3, 2, dtype=torch.int64)}, TypeError, "got torch.int64"),
    "state": ({"v": torch.zeros(4, 5)}, ValueError, r"expected state v of shape \(2, 3\)"),
    "channels": ({"decay": torch.rand(5)}, ValueError, "one per channel"),
    "reset": ({"reset": "zero"}, ValueError, "expected reset to be one of hard, soft, got 'zero'"),
    "gradient": ({"gradient": "none"}, ValueError, "expected gradient to be one of"),
    "surrogate": ({"surrogate": "gauss"}, ValueError, "expected surrogate to be one of triangle"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_named(case: str) -> None:
    changed, error, message = BAD[case]
    arguments = {"x": torch.zeros(4, 2, 3), "decay": 0.5, **changed}
    with pytest.raises(error, match=message):
        lif(arguments.pop("x"), **arguments)
