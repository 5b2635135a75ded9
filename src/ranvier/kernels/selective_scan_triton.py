"""The `selective_scan` op in Triton: a program owns channels of a sample with all their modes and walks through time.

selective_scan.py states the equations, selective_scan_cuda.py launches. The state of a block lies in registers,
[lanes, modes]. The backward recomputes it CHUNK steps at a time into `seen`. Checked by Triton's interpreter and
compiled ahead of time; not yet timed on a GPU.
"""

import triton
import triton.language as tl


@triton.jit
def _load(pointer, here, mask, STATE: tl.constexpr, LANES: tl.constexpr, MODES: tl.constexpr):
    """Numbers [lanes, modes]; zero where there is no array or no number."""
    # What follows a return inside an `if` is compiled all the same, hence the `else`.
    if pointer is None:
        return tl.zeros([LANES, MODES], STATE)
    else:
        return tl.load(pointer + here, mask, other=0.0)


@triton.jit
def forward(
    x, dt, a, b, c, d, h, y, h_out, checkpoints, steps, batch, channels, modes, x_stride, dt_stride,
    STATE: tl.constexpr, CHUNK: tl.constexpr, LANES: tl.constexpr, MODES: tl.constexpr,
):  # fmt: skip
    """Read every step out; keep the state at the start of each chunk but the first where `checkpoints` is given."""
    sample = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * LANES + tl.arange(0, LANES)
    lane, lanes = sample * channels + channel, tl.cast(batch, tl.int64) * channels
    mode = tl.arange(0, MODES)
    inside, real = channel < channels, mode < modes
    mask = inside[:, None] & real[None, :]
    of_lane = lane[:, None] * modes + mode[None, :]
    rate = tl.load(a + channel[:, None] * modes + mode[None, :], mask, other=0.0)
    past_by = tl.load(d + channel, inside, other=0.0)
    state = _load(h, of_lane, mask, STATE, LANES, MODES)
    for step in range(0, steps):
        t = tl.cast(step, tl.int64)
        if checkpoints is not None and t > 0 and t % CHUNK == 0:
            tl.store(checkpoints + ((t // CHUNK - 1) * modes + mode[None, :]) * lanes + lane[:, None], state, mask)
        x_t = tl.load(x + t * x_stride + lane, inside, other=0.0)
        dt_t = tl.load(dt + t * dt_stride + lane, inside, other=0.0)
        of_step = (t * batch + sample) * modes + mode
        b_t, c_t = tl.load(b + of_step, real, other=0.0), tl.load(c + of_step, real, other=0.0)
        state = tl.exp(dt_t[:, None] * rate) * state + (dt_t * x_t)[:, None] * b_t[None, :]
        tl.store(y + t * lanes + lane, tl.sum(state * c_t[None, :], 1) + past_by * x_t, inside)
    tl.store(h_out + of_lane, state, mask)


@triton.jit
def backward(
    x, dt, a, b, c, d, h, checkpoints, grad_y, grad_h, grad_x, grad_dt, of_a, of_b, of_c, of_d, grad_h0, seen,
    steps, batch, channels, modes, x_stride, dt_stride, grad_y_stride,
    STATE: tl.constexpr, CHUNK: tl.constexpr, LANES: tl.constexpr, MODES: tl.constexpr,
):  # fmt: skip
    """Go back chunk by chunk; gradients of a and d are written by lane, of b and c by block of channels, summed later.

    `seen` holds, for each program, the state before each step of a chunk: [CHUNK, LANES, MODES].
    """
    sample = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1).to(tl.int64)
    channel = block * LANES + tl.arange(0, LANES)
    lane, lanes = sample * channels + channel, tl.cast(batch, tl.int64) * channels
    mode = tl.arange(0, MODES)
    inside, real = channel < channels, mode < modes
    mask = inside[:, None] & real[None, :]
    of_lane = lane[:, None] * modes + mode[None, :]
    rate = tl.load(a + channel[:, None] * modes + mode[None, :], mask, other=0.0)
    past_by = tl.load(d + channel, inside, other=0.0)
    adjoint = _load(grad_h, of_lane, mask, STATE, LANES, MODES)
    sum_a, sum_d = tl.zeros([LANES, MODES], STATE), tl.zeros([LANES], STATE)
    mine = seen + (sample * tl.num_programs(1) + block) * (CHUNK * LANES * MODES)
    mine += tl.arange(0, LANES)[:, None] * MODES + mode[None, :]
    for back in range(0, (steps + CHUNK - 1) // CHUNK):
        chunk = tl.cast((steps + CHUNK - 1) // CHUNK - 1 - back, tl.int64)
        start = chunk * CHUNK
        count = tl.minimum(steps - start, CHUNK)
        if chunk > 0:
            here = checkpoints + ((chunk - 1) * modes + mode[None, :]) * lanes + lane[:, None]
            state = tl.load(here, mask, other=0.0)
        else:
            state = _load(h, of_lane, mask, STATE, LANES, MODES)
        for k in range(0, count):
            tl.store(mine + k * (LANES * MODES), state)
            t = start + k
            x_t = tl.load(x + t * x_stride + lane, inside, other=0.0)
            dt_t = tl.load(dt + t * dt_stride + lane, inside, other=0.0)
            b_t = tl.load(b + (t * batch + sample) * modes + mode, real, other=0.0)
            state = tl.exp(dt_t[:, None] * rate) * state + (dt_t * x_t)[:, None] * b_t[None, :]
        # What a program wrote is read by other threads of it.
        tl.debug_barrier()
        for j in range(0, count):
            k = count - 1 - j
            t = start + k
            g = tl.zeros([LANES], STATE)
            if grad_y is not None:
                g = tl.load(grad_y + t * grad_y_stride + lane, inside, other=0.0)
            x_t = tl.load(x + t * x_stride + lane, inside, other=0.0)
            dt_t = tl.load(dt + t * dt_stride + lane, inside, other=0.0)
            of_step = (t * batch + sample) * modes + mode
            b_t, c_t = tl.load(b + of_step, real, other=0.0), tl.load(c + of_step, real, other=0.0)
            kept, before = tl.exp(dt_t[:, None] * rate), tl.load(mine + k * (LANES * MODES))
            drive = dt_t * x_t
            after = kept * before + drive[:, None] * b_t[None, :]
            of_h = adjoint + g[:, None] * c_t[None, :]
            adjoint = kept * of_h
            of_exponent = adjoint * before
            of_drive = tl.sum(of_h * b_t[None, :], 1)
            sum_a += dt_t[:, None] * of_exponent
            sum_d += g * x_t
            tl.store(grad_x + t * lanes + lane, dt_t * of_drive + past_by * g, inside)
            tl.store(grad_dt + t * lanes + lane, x_t * of_drive + tl.sum(rate * of_exponent, 1), inside)
            of_block = ((block * steps + t) * batch + sample) * modes + mode
            tl.store(of_b + of_block, tl.sum(of_h * drive[:, None], 0), real)
            tl.store(of_c + of_block, tl.sum(after * g[:, None], 0), real)
        tl.debug_barrier()
    tl.store(of_a + of_lane, sum_a, mask)
    tl.store(of_d + lane, sum_d, inside)
    if grad_h0 is not None:
        tl.store(grad_h0 + of_lane, adjoint, mask)
