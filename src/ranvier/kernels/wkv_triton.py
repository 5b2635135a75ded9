"""The `wkv` op in Triton: a program owns a block of lanes and walks through time.

wkv.py states the equations, wkv_cuda.py launches. The state of a lane lies in three registers; the backward recomputes
it CHUNK steps at a time into `seen`. Checked by Triton's interpreter and compiled ahead of time; not yet timed on a
GPU.
"""

import triton
import triton.language as tl


@triton.jit
def _weights(x, y):
    """exp(x - max(x, y)), exp(y - max(x, y)) and the maximum."""
    q = tl.where(x >= y, x, y)
    return tl.exp(x - q), tl.exp(y - q), q


@triton.jit
def _advance(a, b, p, k, v, w):
    past, present, q = _weights(p + w, k)
    return past * a + present * v, past * b + present, q


@triton.jit
def _start(a, b, p, lane, inside, REST: tl.constexpr, STATE: tl.constexpr, LANES: tl.constexpr):
    # What follows a return inside an `if` is compiled all the same, hence the `else`.
    if a is None:
        zero = tl.zeros([LANES], STATE)
        return zero, zero, zero + REST
    else:
        return tl.load(a + lane, inside, 0.0), tl.load(b + lane, inside, 0.0), tl.load(p + lane, inside, 0.0)


@triton.jit
def forward(
    k, v, w, u, a, b, p, y, a_out, b_out, p_out, checkpoints, steps, lanes, channels, k_stride, v_stride,
    STATE: tl.constexpr, REST: tl.constexpr, CHUNK: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Average at every step; keep the state at the start of each chunk but the first where `checkpoints` is given."""
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    inside = lane < lanes
    loss, bonus = tl.load(w + lane % channels, inside, 0.0), tl.load(u + lane % channels, inside, 0.0)
    h_a, h_b, h_p = _start(a, b, p, lane, inside, REST, STATE, LANES)
    for step in range(0, steps):
        t = tl.cast(step, tl.int64)
        if checkpoints is not None and t > 0 and t % CHUNK == 0:
            here = checkpoints + (t // CHUNK - 1) * 3 * lanes + lane
            tl.store(here, h_a, inside)
            tl.store(here + lanes, h_b, inside)
            tl.store(here + 2 * lanes, h_p, inside)
        key, value = tl.load(k + t * k_stride + lane, inside, 0.0), tl.load(v + t * v_stride + lane, inside, 0.0)
        past, present, _ = _weights(h_p, bonus + key)
        tl.store(y + t * lanes + lane, (past * h_a + present * value) / (past * h_b + present), inside)
        h_a, h_b, h_p = _advance(h_a, h_b, h_p, key, value, loss)
    tl.store(a_out + lane, h_a, inside)
    tl.store(b_out + lane, h_b, inside)
    tl.store(p_out + lane, h_p, inside)


@triton.jit
def backward(
    k, v, w, u, a, b, p, checkpoints, grad_y, grad_a, grad_b, grad_k, grad_v, grad_w, grad_u, grad_a0, grad_b0, seen,
    steps, lanes, channels, k_stride, v_stride, grad_y_stride,
    STATE: tl.constexpr, REST: tl.constexpr, CHUNK: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Go back chunk by chunk; gradients of w and u are written per lane and summed later.

    `seen` holds, for each program, a, b and p before each step of a chunk: [CHUNK, 3, LANES].
    """
    program = tl.program_id(0).to(tl.int64)
    lane = program * LANES + tl.arange(0, LANES)
    inside = lane < lanes
    loss, bonus = tl.load(w + lane % channels, inside, 0.0), tl.load(u + lane % channels, inside, 0.0)
    g_a, g_b = tl.zeros([LANES], STATE), tl.zeros([LANES], STATE)
    if grad_a is not None:
        g_a = tl.load(grad_a + lane, inside, 0.0)
    if grad_b is not None:
        g_b = tl.load(grad_b + lane, inside, 0.0)
    sum_w, sum_u = tl.zeros([LANES], STATE), tl.zeros([LANES], STATE)
    mine = seen + program * (CHUNK * 3 * LANES) + tl.arange(0, LANES)
    for back in range(0, (steps + CHUNK - 1) // CHUNK):
        chunk = tl.cast((steps + CHUNK - 1) // CHUNK - 1 - back, tl.int64)
        start = chunk * CHUNK
        count = tl.minimum(steps - start, CHUNK)
        if chunk > 0:
            here = checkpoints + (chunk - 1) * 3 * lanes + lane
            h_a, h_b = tl.load(here, inside, 0.0), tl.load(here + lanes, inside, 0.0)
            h_p = tl.load(here + 2 * lanes, inside, 0.0)
        else:
            h_a, h_b, h_p = _start(a, b, p, lane, inside, REST, STATE, LANES)
        for j in range(0, count):
            t = start + j
            tl.store(mine + j * (3 * LANES), h_a)
            tl.store(mine + j * (3 * LANES) + LANES, h_b)
            tl.store(mine + j * (3 * LANES) + 2 * LANES, h_p)
            key, value = tl.load(k + t * k_stride + lane, inside, 0.0), tl.load(v + t * v_stride + lane, inside, 0.0)
            h_a, h_b, h_p = _advance(h_a, h_b, h_p, key, value, loss)
        # What a program wrote may be read by other threads of it.
        tl.debug_barrier()
        for i in range(0, count):
            j = count - 1 - i
            t = start + j
            before = mine + j * (3 * LANES)
            h_a, h_b, h_p = tl.load(before), tl.load(before + LANES), tl.load(before + 2 * LANES)
            key, value = tl.load(k + t * k_stride + lane, inside, 0.0), tl.load(v + t * v_stride + lane, inside, 0.0)
            g = tl.zeros([LANES], STATE)
            if grad_y is not None:
                g = tl.load(grad_y + t * grad_y_stride + lane, inside, 0.0)
            past, present, _ = _weights(h_p, bonus + key)
            total = past * h_b + present
            of_value = g / total
            of_weight = -of_value * (past * h_a + present * value) / total
            kept, added, _ = _weights(h_p + loss, key)
            of_u = present * (of_value * value + of_weight)
            tl.store(grad_k + t * lanes + lane, of_u + added * (g_a * value + g_b), inside)
            tl.store(grad_v + t * lanes + lane, present * of_value + added * g_a, inside)
            sum_u += of_u
            sum_w += kept * (g_a * h_a + g_b * h_b)
            g_a, g_b = past * of_value + kept * g_a, past * of_weight + kept * g_b
        tl.debug_barrier()
    tl.store(grad_w + lane, sum_w, inside)
    tl.store(grad_u + lane, sum_u, inside)
    tl.store(grad_a0 + lane, g_a, inside)
    tl.store(grad_b0 + lane, g_b, inside)
