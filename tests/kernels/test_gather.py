"""The event-driven layers give the dense layer's answer, on every instruction set, layout and geometry."""

import warnings
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ranvier import kernels
from ranvier.kernels import gather, gather_cpu, native

ISAS = range(len(native.ISA_NAMES))
needs_c = pytest.mark.skipif(native.load()[0] is None, reason=f"no C kernels: {native.load()[1]}")


@pytest.fixture(params=ISAS, ids=native.ISA_NAMES)
def isa(request: pytest.FixtureRequest) -> Iterator[int]:
    library = native.library()
    if library is None or library.ranvier_select_isa(request.param) != request.param:
        pytest.skip("this machine or build lacks the instruction set")
    yield request.param
    library.ranvier_select_isa(len(native.ISA_NAMES) - 1)


@pytest.fixture(autouse=True)
def nan_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every buffer that the C code gets is full of NaN or of a huge index: it must write all that it reads."""
    # What `with torch.device(...)` concerns is listed once, at the first call in it: not with this one in the list.
    with torch.device("cpu"):
        torch.empty(0)
    empty = torch.empty

    def poisoned(*args: object, **kwargs: object) -> Tensor:
        buffer = empty(*args, **kwargs)  # type: ignore[arg-type]
        return buffer.fill_(float("nan") if buffer.is_floating_point() else 2**30)

    monkeypatch.setattr(torch, "empty", poisoned)


def spikes(*shape: int, density: float = 0.2, seed: int = 0) -> Tensor:
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < density).float()


def exact(*shape: int, seed: int = 1) -> Tensor:
    """Weights whose sums are exact in float32: any order of additions gives the same bits."""
    return torch.randint(-64, 65, shape, generator=torch.Generator().manual_seed(seed)) / 256


@needs_c
@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(
    ("batch", "inputs", "outputs"),
    [((), 5, 3), ((1,), 1, 1), ((3,), 33, 17), ((2, 3), 64, 100), ((2,), 200, 333), ((1,), 31, 515), ((0,), 8, 8)],
)
def test_linear_is_the_dense_layer(isa: int, batch: tuple[int, ...], inputs: int, outputs: int, density: float) -> None:
    s, weight, bias = spikes(*batch, inputs, density=density), exact(outputs, inputs), exact(outputs, seed=2)
    assert torch.equal(gather.linear(s, weight, bias, path="gather"), F.linear(s, weight, bias))
    assert torch.equal(gather.linear(s, gather.prepare(weight), path="gather"), F.linear(s, weight))


@needs_c
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("shape", "weight_shape", "options"),
    [
        ((1, 3, 5, 7), (4, 3, 3, 3), {"padding": 1}),
        ((2, 40, 9, 8), (50, 40, 3, 3), {"stride": 2, "padding": 1}),
        ((2, 4, 11, 6), (6, 2, 3, 2), {"stride": (2, 1), "padding": (0, 2), "dilation": (3, 2), "groups": 2}),
        ((1, 70, 6, 6), (35, 14, 1, 1), {"groups": 5}),
        ((3, 8, 6, 6), (8, 1, 3, 3), {"padding": 2, "groups": 8}),
        ((1, 2, 40, 70), (33, 2, 5, 5), {"padding": 4, "dilation": 2}),
        ((2, 6, 1, 1), (5, 6, 3, 3), {"padding": 1}),
        ((0, 3, 5, 5), (4, 3, 3, 3), {}),
    ],
)
def test_conv2d_is_the_dense_layer(
    isa: int, shape: tuple[int, ...], weight_shape: tuple[int, ...], options: dict, channels_last: bool
) -> None:
    weight, bias = exact(*weight_shape), exact(weight_shape[0], seed=2)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for density in (0.0, 0.15, 1.0):
        s = spikes(*shape, density=density).contiguous(memory_format=layout)
        expected = F.conv2d(s, weight, bias, **options)
        got = gather.conv2d(s, weight, bias, path="gather", **options)
        assert torch.equal(got, expected)
        assert torch.equal(
            gather.conv2d(s, gather.prepare(weight), path="gather", **options), F.conv2d(s, weight, **options)
        )
        assert gather_cpu.is_channels_last(got) == gather_cpu.is_channels_last(s)


@needs_c
def test_rounding_is_that_of_a_float32_sum(isa: int) -> None:
    generator = torch.Generator().manual_seed(3)
    weight, s = torch.randn(257, 2000, generator=generator), spikes(4, 2000, density=0.3)
    truth = F.linear(s.double(), weight.double())
    error = (gather.linear(s, weight, path="gather") - truth).abs().max()
    assert error < 2000 * torch.finfo(torch.float32).eps * 20
    assert error > 0


@needs_c
def test_all_instruction_sets_give_the_same_bits() -> None:
    library = native.library()
    assert library is not None
    weight, s = torch.randn(300, 500), spikes(3, 500)
    answers = []
    for limit in ISAS:
        library.ranvier_select_isa(limit)
        answers.append(gather.linear(s, weight, path="gather"))
    assert all(torch.equal(answer, answers[0]) for answer in answers)


@needs_c
def test_several_threads_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[int] = []
    run = gather_cpu.pool.run
    monkeypatch.setattr(gather_cpu, "GRAIN", 1)
    monkeypatch.setattr(gather_cpu.pool, "run", lambda call, parts: (pieces.append(len(parts)), run(call, parts)))
    s, weight, image, kernel = spikes(3, 100), exact(301, 100), spikes(2, 9, 7, 7), exact(5, 9, 3, 3)
    torch.set_num_threads(3)
    try:
        y, z = gather.linear(s, weight, path="gather"), gather.conv2d(image, kernel, path="gather")
    finally:
        torch.set_num_threads(1)
    assert pieces == [3, 3]
    assert torch.equal(y, F.linear(s, weight))
    assert torch.equal(z, F.conv2d(image, kernel))


@needs_c
def test_any_layout_of_input_and_weight_serves() -> None:
    s, weight, bias = spikes(20, 6).t(), exact(20, 30)[:, ::2].t(), exact(40)[::2]
    weight = exact(20, 40)[:, ::2]
    assert torch.equal(gather.linear(s, weight, bias, path="gather"), F.linear(s, weight, bias))
    image, kernel = spikes(2, 6, 9, 8).transpose(2, 3)[:, ::2], exact(4, 3, 3, 3).transpose(2, 3)
    assert torch.equal(gather.conv2d(image, kernel, path="gather"), F.conv2d(image, kernel))


def test_prepare_changes_the_layout_and_nothing_else() -> None:
    for weight in (torch.randn(5, 7), torch.randn(5, 4, 3, 2)):
        prepared = gather.prepare(weight)
        assert torch.equal(prepared, weight)
        assert prepared.stride()[0] == 1
        assert gather.prepare(prepared).data_ptr() == prepared.data_ptr()
    with pytest.raises(ValueError, match=r"expected a weight \[out, in\]"):
        gather.prepare(torch.randn(3))


@pytest.mark.parametrize("value", [0.5, -1.0, 2.0, float("nan"), float("inf"), 1.0 + 2**-23])
@pytest.mark.parametrize("at", [0, 137, 299])
def test_an_input_that_is_not_binary_takes_the_dense_layer_or_is_refused(value: float, at: int) -> None:
    s, weight = spikes(1, 300), exact(4000, 300)
    s[0, at] = value
    with gather.trace() as calls:
        y = gather.linear(s, weight)
    torch.testing.assert_close(y, F.linear(s, weight), rtol=0, atol=0, equal_nan=True)
    assert calls[0].path == "dense"
    assert calls[0].density is None
    if native.load()[0] is not None:
        assert calls[0].reason == "not binary"
        with pytest.raises(ValueError, match=r"exactly 0 and 1.*not binary"):
            gather.linear(s, weight, path="gather")
        image = s.view(1, 12, 5, 5)
        for layout in (image, image.contiguous(memory_format=torch.channels_last)):
            with pytest.raises(ValueError, match="not binary"):
                gather.conv2d(layout, exact(2, 12, 1, 1), path="gather")


@needs_c
def test_minus_zero_is_zero() -> None:
    s = torch.tensor([[-0.0, 1.0, 0.0]])
    assert gather.linear(s, exact(4, 3), path="gather").tolist() == F.linear(s, exact(4, 3)).tolist()


def test_double_precision_takes_the_dense_layer() -> None:
    s, weight = spikes(2, 10).double(), exact(3, 10).double()
    assert torch.equal(gather.linear(s, weight), F.linear(s, weight))
    with pytest.raises(ValueError, match="float32"):
        gather.linear(s, weight, path="gather")


@needs_c
def test_the_default_dtype_has_no_say() -> None:
    s, weight, image, kernel = spikes(2, 9), exact(4, 9), spikes(1, 2, 5, 5), exact(3, 2, 3, 3)
    torch.set_default_dtype(torch.float64)
    try:
        y, z = gather.linear(s, weight, path="gather"), gather.conv2d(image, kernel, path="gather")
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(y, F.linear(s, weight))
    assert torch.equal(z, F.conv2d(image, kernel))


@needs_c
def test_trace_reports_every_decision() -> None:
    sparse, dense = spikes(1, 2048, density=0.05), torch.ones(64, 2048)
    weight = gather.prepare(torch.randn(2048, 2048))
    with gather.trace() as outer:
        gather.linear(sparse, weight)
        with gather.trace() as inner:
            gather.linear(dense, weight)
            gather.conv2d(spikes(1, 2, 4, 4), exact(3, 2, 3, 3), path="gather")
    gather.linear(sparse, weight)
    assert [call.path for call in outer] == ["gather", "dense", "gather"]
    assert inner == outer[1:]
    assert outer[0].density == pytest.approx(float(sparse.mean()))
    assert (outer[1].density, outer[1].reason, outer[2].reason) == (1.0, "faster", "asked for")
    with gather.trace() as small:
        gather.linear(spikes(1, 9), exact(4, 9))
    assert (small[0].path, small[0].reason, small[0].density) == ("dense", "too small", None)
    assert (outer[2].kind, outer[2].input_shape, outer[2].weight_shape) == ("conv2d", (1, 2, 4, 4), (3, 2, 3, 3))


def test_choose_prefers_gather_for_few_spikes_and_dense_for_many() -> None:
    def path(**layer: float) -> str:
        return gather.choose("linear", **layer)  # type: ignore[arg-type]

    assert path(sums=1, rows=4096, columns=4096, density=0.5) == "gather"
    assert path(sums=8, rows=4096, columns=4096, density=0.1) == "gather"
    assert path(sums=256, rows=1024, columns=1024, density=0.95) == "dense"
    assert path(sums=1, rows=64, columns=64, density=0.02) == "dense"
    conv = {"sums": 1024, "rows": 1728, "columns": 192, "taps": 9}
    assert gather.choose("conv2d", **conv, density=0.1) == "gather"
    assert gather.choose("conv2d", **conv, density=0.6) == "dense"
    assert gather.choose("conv2d", sums=1024 * 64, rows=9, columns=1, density=0.05, taps=9) == "dense"


def test_reference_and_missing_library_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    s, weight, image, kernel = spikes(2, 9), exact(4, 9), spikes(1, 2, 5, 5), exact(3, 2, 3, 3)
    with kernels.reference(), gather.trace() as calls:
        assert torch.equal(gather.linear(s, weight), F.linear(s, weight))
        assert torch.equal(gather.conv2d(image, kernel, stride=2), F.conv2d(image, kernel, stride=2))
    monkeypatch.setattr(gather_cpu, "_library", lambda: None)
    with gather.trace() as more:
        assert torch.equal(gather.linear(s, weight), F.linear(s, weight))
    assert [call.reason for call in calls + more] == ["reference", "reference", "no C kernels"]
    with pytest.raises(ValueError, match="no C kernels"):
        gather.linear(s, weight, path="gather")


def test_gradients_are_refused() -> None:
    s, weight = spikes(2, 9), exact(4, 9).requires_grad_()
    with pytest.raises(RuntimeError, match=r"have no gradient.*torch\.inference_mode"):
        gather.linear(s, weight)
    with torch.no_grad():
        gather.linear(s, weight)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gather.linear(torch.ones(2, 3), torch.ones(4, 5)), r"expected spikes \[\.\.\., 5\]"),
        (lambda: gather.linear(torch.ones(2, 3), torch.ones(4)), "2 axes"),
        (lambda: gather.linear(torch.ones(2, 3), torch.ones(4, 3), torch.ones(3)), r"bias of shape \(4,\)"),
        (lambda: gather.linear(torch.ones(2, 3), torch.ones(4, 3), path="fast"), "auto, gather, dense"),  # type: ignore[arg-type]
        (lambda: gather.conv2d(torch.ones(3, 5, 5), torch.ones(4, 3, 3, 3)), r"expected spikes \[N, 3, H, W\]"),
        (lambda: gather.conv2d(torch.ones(1, 3, 5, 5), torch.ones(4, 3, 3, 3), groups=3), "3 group"),
        (lambda: gather.conv2d(torch.ones(1, 3, 2, 2), torch.ones(4, 3, 3, 3)), "does not fit"),
    ],
)
def test_errors_name_what_came(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_ops_pass_opcheck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.library.opcheck(torch.ops.ranvier.gather_linear, (spikes(2, 3, 9), exact(4, 9), exact(4), "auto"))
        for image in (spikes(2, 4, 6, 5), spikes(2, 4, 6, 5).contiguous(memory_format=torch.channels_last)):
            for path in ("auto", "gather"):
                if path == "auto" or native.load()[0] is not None:
                    arguments = (image, exact(6, 2, 3, 3), None, (2, 1), (1, 1), (1, 1), 2, path)
                    torch.library.opcheck(torch.ops.ranvier.gather_conv2d, arguments)


@needs_c
def test_compiles_without_a_graph_break() -> None:
    weight = gather.prepare(exact(4, 9))
    compiled = torch.compile(lambda s: gather.linear(s, weight) + 1, fullgraph=True, backend="eager")
    assert torch.equal(compiled(spikes(2, 9)), F.linear(spikes(2, 9), weight) + 1)
