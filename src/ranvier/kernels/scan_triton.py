"""The `scan` op in Triton: a program owns a block of lanes with all their modes and walks through time.

scan.py states the equations, scan_cuda.py launches. The state of a block lies in registers, [lanes, modes]; complex
modes are two arrays. The backward recomputes it CHUNK steps at a time into `seen`. Checked by Triton's interpreter and
compiled ahead of time; not yet timed on a GPU.
"""

import triton
import triton.language as tl


@triton.jit
def _load_modes(pointer, row, mode, modes, mask, PARTS: tl.constexpr, STATE: tl.constexpr):
    """Numbers [row, mode, part] as [lanes, modes], real and imaginary; zero where there is no array or no number."""
    zero = tl.zeros([row.shape[0], mode.shape[0]], STATE)
    # What follows a return inside an `if` is compiled all the same, hence the `else`.
    if pointer is None:
        return zero, zero
    else:
        here = pointer + (row[:, None] * modes + mode[None, :]) * PARTS
        real = tl.load(here, mask, other=0.0)
        return real, tl.load(here + 1, mask, other=0.0) if PARTS == 2 else zero


@triton.jit
def _store_modes(pointer, real, imaginary, row, mode, modes, mask, PARTS: tl.constexpr):
    here = pointer + (row[:, None] * modes + mode[None, :]) * PARTS
    tl.store(here, real, mask)
    if PARTS == 2:
        tl.store(here + 1, imaginary, mask)


@triton.jit
def _checkpoint(checkpoints, number, lane, mode, modes, lanes, PARTS: tl.constexpr):
    """Where the real part of a state lies; the imaginary part is `lanes` further."""
    return checkpoints + (number * modes + mode[None, :]) * PARTS * lanes + lane[:, None]


@triton.jit
def _advance(a_re, a_im, h_re, h_im, x, PARTS: tl.constexpr):
    if PARTS == 2:
        return a_re * h_re - a_im * h_im + x[:, None], a_re * h_im + a_im * h_re
    return a_re * h_re + x[:, None], h_im


@triton.jit
def forward(
    x, a, c, h, y, h_out, checkpoints, steps, lanes, channels, modes, x_stride,
    PARTS: tl.constexpr, STATE: tl.constexpr, CHUNK: tl.constexpr, LANES: tl.constexpr, MODES: tl.constexpr,
):  # fmt: skip
    """Read every step out; keep the state at the start of each chunk but the first where `checkpoints` is given."""
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    mode = tl.arange(0, MODES)
    inside = lane < lanes
    mask = inside[:, None] & (mode < modes)[None, :]
    a_re, a_im = _load_modes(a, lane % channels, mode, modes, mask, PARTS, STATE)
    c_re, c_im = _load_modes(c, lane % channels, mode, modes, mask, PARTS, STATE)
    h_re, h_im = _load_modes(h, lane, mode, modes, mask, PARTS, STATE)
    for step in range(0, steps):
        t = tl.cast(step, tl.int64)
        if checkpoints is not None and t > 0 and t % CHUNK == 0:
            here = _checkpoint(checkpoints, t // CHUNK - 1, lane, mode, modes, lanes, PARTS)
            tl.store(here, h_re, mask)
            if PARTS == 2:
                tl.store(here + lanes, h_im, mask)
        h_re, h_im = _advance(a_re, a_im, h_re, h_im, tl.load(x + t * x_stride + lane, inside, other=0.0), PARTS)
        read = c_re * h_re - c_im * h_im if PARTS == 2 else c_re * h_re
        tl.store(y + t * lanes + lane, tl.sum(read, 1), inside)
    _store_modes(h_out, h_re, h_im, lane, mode, modes, mask, PARTS)


@triton.jit
def backward(
    x, a, c, h, checkpoints, grad_y, grad_h, grad_x, grad_a, grad_c, grad_h0, seen,
    steps, lanes, channels, modes, x_stride, grad_y_stride,
    PARTS: tl.constexpr, STATE: tl.constexpr, CHUNK: tl.constexpr, LANES: tl.constexpr, MODES: tl.constexpr,
):  # fmt: skip
    """Go back chunk by chunk; gradients of a and c are written per lane, [lanes, modes, parts], and summed later.

    `seen` holds, for each program, the state before each step of a chunk and after the last: [CHUNK + 1, LANES, MODES]
    real numbers, then as many imaginary ones.
    """
    program = tl.program_id(0).to(tl.int64)
    lane = program * LANES + tl.arange(0, LANES)
    mode = tl.arange(0, MODES)
    inside = lane < lanes
    mask = inside[:, None] & (mode < modes)[None, :]
    a_re, a_im = _load_modes(a, lane % channels, mode, modes, mask, PARTS, STATE)
    c_re, c_im = _load_modes(c, lane % channels, mode, modes, mask, PARTS, STATE)
    # conj(a) times the gradient of the state one step later
    p_re, p_im = _load_modes(grad_h, lane, mode, modes, mask, PARTS, STATE)
    sum_a_re, sum_a_im = tl.zeros([LANES, MODES], STATE), tl.zeros([LANES, MODES], STATE)
    sum_c_re, sum_c_im = tl.zeros([LANES, MODES], STATE), tl.zeros([LANES, MODES], STATE)
    row = tl.arange(0, LANES)[:, None] * MODES + mode[None, :]
    mine = seen + program * (PARTS * (CHUNK + 1) * LANES * MODES)
    imaginary = (CHUNK + 1) * LANES * MODES
    for back in range(0, (steps + CHUNK - 1) // CHUNK):
        chunk = tl.cast((steps + CHUNK - 1) // CHUNK - 1 - back, tl.int64)
        start = chunk * CHUNK
        count = tl.minimum(steps - start, CHUNK)
        if chunk > 0:
            here = _checkpoint(checkpoints, chunk - 1, lane, mode, modes, lanes, PARTS)
            h_re = tl.load(here, mask, other=0.0)
            h_im = tl.load(here + lanes, mask, other=0.0) if PARTS == 2 else tl.zeros([LANES, MODES], STATE)
        else:
            h_re, h_im = _load_modes(h, lane, mode, modes, mask, PARTS, STATE)
        tl.store(mine + row, h_re)
        if PARTS == 2:
            tl.store(mine + row + imaginary, h_im)
        for k in range(0, count):
            x_t = tl.load(x + (start + k) * x_stride + lane, inside, other=0.0)
            h_re, h_im = _advance(a_re, a_im, h_re, h_im, x_t, PARTS)
            tl.store(mine + (k + 1) * (LANES * MODES) + row, h_re)
            if PARTS == 2:
                tl.store(mine + (k + 1) * (LANES * MODES) + row + imaginary, h_im)
        # What a program wrote is read by other threads of it.
        tl.debug_barrier()
        for j in range(0, count):
            k = count - 1 - j
            t = start + k
            g = tl.zeros([LANES], STATE)
            if grad_y is not None:
                g = tl.load(grad_y + t * grad_y_stride + lane, inside, other=0.0)
            after, before = mine + (k + 1) * (LANES * MODES) + row, mine + k * (LANES * MODES) + row
            l_re = p_re + c_re * g[:, None]
            tl.store(grad_x + t * lanes + lane, tl.sum(l_re, 1), inside)
            now_re, old_re = tl.load(after), tl.load(before)
            sum_c_re += g[:, None] * now_re
            if PARTS == 2:
                l_im = p_im - c_im * g[:, None]
                now_im, old_im = tl.load(after + imaginary), tl.load(before + imaginary)
                sum_c_im -= g[:, None] * now_im
                sum_a_re += l_re * old_re + l_im * old_im
                sum_a_im += l_im * old_re - l_re * old_im
                p_re, p_im = a_re * l_re + a_im * l_im, a_re * l_im - a_im * l_re
            else:
                sum_a_re += l_re * old_re
                p_re = a_re * l_re
        tl.debug_barrier()
    _store_modes(grad_a, sum_a_re, sum_a_im, lane, mode, modes, mask, PARTS)
    _store_modes(grad_c, sum_c_re, sum_c_im, lane, mode, modes, mask, PARTS)
    if grad_h0 is not None:
        _store_modes(grad_h0, p_re, p_im, lane, mode, modes, mask, PARTS)
