"""The `lif` op in Triton: a program owns a block of neurons and walks through all time steps, the state in registers.

lif.py states the equations, lif.c is the same algorithm, lif_cuda.py launches. The spikes equal the reference bit for
bit if nothing is contracted (`enable_fp_fusion=False`). What they move, counted in passes over an array of
the size of x: the forward reads x and writes s (2); the backward reads x and grad_s and writes grad_x (3). Checked by
Triton's interpreter and compiled ahead of time; not yet timed on a GPU.
"""

import triton
import triton.language as tl

from ranvier.kernels.lif_call import Flag

SOFT, LEAK_LAST, STRICT = (tl.constexpr(bit) for bit in (Flag.SOFT, Flag.LEAK_LAST, Flag.STRICT))
ADAPTIVE, NEGATIVE = (tl.constexpr(bit) for bit in (Flag.ADAPTIVE, Flag.NEGATIVE))
DETACHED, SPATIAL = (tl.constexpr(bit) for bit in (Flag.DETACHED, Flag.SPATIAL))
DECAY, GAIN, THRESHOLD, BETA, RHO = (tl.constexpr(1 << k) for k in range(5))


@triton.jit
def _parameter(values, number, channel, PER_CHANNEL: tl.constexpr, STATE: tl.constexpr):
    if values is None:
        value = tl.cast(number, STATE)
    elif PER_CHANNEL:
        value = tl.load(values + channel).to(STATE)
    else:
        value = tl.load(values).to(STATE)
    return value


@triton.jit
def _parameters(
    decay, gain, threshold, beta, rho, decay_number, gain_number, threshold_number, beta_number, rho_number,
    first, lane, channels, run, PER_CHANNEL: tl.constexpr, INDEX: tl.constexpr, STATE: tl.constexpr,
):  # fmt: skip
    channel = lane
    if PER_CHANNEL:
        channel = (tl.cast(first % (tl.cast(channels, tl.int64) * run), INDEX) + lane) // run % channels
    return (
        _parameter(decay, decay_number, channel, DECAY & PER_CHANNEL, STATE),
        _parameter(gain, gain_number, channel, GAIN & PER_CHANNEL, STATE),
        _parameter(threshold, threshold_number, channel, THRESHOLD & PER_CHANNEL, STATE),
        _parameter(beta, beta_number, channel, BETA & PER_CHANNEL, STATE),
        _parameter(rho, rho_number, channel, RHO & PER_CHANNEL, STATE),
    )


@triton.jit
def _inside(n, size, row, steps, RAGGED: tl.constexpr):
    """Which lanes hold a neuron; none past the last step, where there may be one."""
    if RAGGED:
        size = tl.where(row < steps, size, 0)
    return n < size


@triton.jit
def _load(pointer, offset, mask, BLOCK: tl.constexpr, STATE: tl.constexpr):
    return tl.zeros([BLOCK], STATE) if pointer is None else tl.load(pointer + offset, mask, other=0.0).to(STATE)


@triton.jit
def _fires(u, a, threshold, beta, OPTIONS: tl.constexpr):
    theta = threshold
    if ADAPTIVE & OPTIONS:
        theta = threshold + beta * a
    return theta, u > theta if STRICT & OPTIONS else u >= theta


@triton.jit
def _after(u, theta, fired, decay, v_reset, OPTIONS: tl.constexpr):
    kept = decay * u if LEAK_LAST & OPTIONS else u
    return tl.where(fired, kept - theta if SOFT & OPTIONS else v_reset, kept)


@triton.jit
def _step(x, v, a, decay, gain, threshold, beta, rho, v_reset, OPTIONS: tl.constexpr):
    u = v + gain * x if LEAK_LAST & OPTIONS else decay * v + gain * x
    theta, fired = _fires(u, a, threshold, beta, OPTIONS)
    if ADAPTIVE & OPTIONS:
        a = rho * a + tl.where(fired, -1.0 if NEGATIVE & OPTIONS else 1.0, 0.0)
    return u, fired, _after(u, theta, fired, decay, v_reset, OPTIONS), a


@triton.jit
def forward(
    x, v, a, decay, gain, threshold, beta, rho, s, v_out, a_out, v_seq, checkpoints,
    decay_number: tl.float64, gain_number: tl.float64, threshold_number: tl.float64, beta_number: tl.float64,
    rho_number: tl.float64, v_reset_number: tl.float64, steps, size, x_stride, channels, run,
    OPTIONS: tl.constexpr, STATE: tl.constexpr, PER_CHANNEL: tl.constexpr, INDEX: tl.constexpr,
    GROUP: tl.constexpr, CHUNK: tl.constexpr, RAGGED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Walk GROUP steps at a time: their loads are in flight together, their stores follow. RAGGED: T % GROUP > 0."""
    first = tl.program_id(0).to(tl.int64) * BLOCK
    lane = tl.arange(0, BLOCK)
    n = first + lane
    mask = n < size
    decay_, gain_, threshold_, beta_, rho_ = _parameters(
        decay, gain, threshold, beta, rho, decay_number, gain_number, threshold_number, beta_number, rho_number,
        first, lane, channels, run, PER_CHANNEL, INDEX, STATE,
    )  # fmt: skip
    v_reset = tl.cast(v_reset_number, STATE)
    v_ = _load(v, n, mask, BLOCK, STATE)
    a_ = _load(a, n, mask, BLOCK, STATE)
    for start in range(0, steps, GROUP):
        row = tl.cast(start, tl.int64)
        if checkpoints is not None and row > 0 and row % CHUNK == 0:
            if ADAPTIVE & OPTIONS:
                tl.store(checkpoints + (row // CHUNK * 2 - 2) * size + n, v_, mask)
                tl.store(checkpoints + (row // CHUNK * 2 - 1) * size + n, a_, mask)
            else:
                tl.store(checkpoints + (row // CHUNK - 1) * size + n, v_, mask)
        xs = ()
        for t in tl.static_range(GROUP):
            here = _inside(n, size, row + t, steps, RAGGED)
            xs += (tl.load(x + (row + t) * x_stride + n, here, other=0.0),)
        for t in tl.static_range(GROUP):
            here = _inside(n, size, row + t, steps, RAGGED)
            u, fired, v_next, a_next = _step(
                xs[t].to(STATE), v_, a_, decay_, gain_, threshold_, beta_, rho_, v_reset, OPTIONS
            )
            tl.store(s + (row + t) * size + n, fired.to(STATE).to(s.dtype.element_ty), here)
            if v_seq is not None:
                tl.store(v_seq + (row + t) * size + n, u.to(s.dtype.element_ty), here)
            v_ = tl.where(here, v_next, v_) if RAGGED else v_next
            a_ = tl.where(here, a_next, a_) if RAGGED else a_next
    if v_out is not None:
        tl.store(v_out + n, v_, mask)
        if ADAPTIVE & OPTIONS:
            tl.store(a_out + n, a_, mask)


@triton.jit
def _surrogate(u, theta, b, peak, SURROGATE: tl.constexpr):
    """ds/du: the table of surrogate.py."""
    z = u - theta
    if SURROGATE == "triangle":
        g = b * tl.maximum(1 - b * tl.abs(z), 0.0)
    elif SURROGATE == "rectangle":
        g = tl.where(tl.abs(z) < 0.5 / b, b, 0.0)
    elif SURROGATE == "atan":
        z = 1.5707963267948966 * b * z
        g = b / 2 / (1 + z * z)
    elif SURROGATE == "sigmoid":
        e = tl.exp(-b * tl.abs(z))
        g = b * e / ((1 + e) * (1 + e))
    else:
        e = tl.exp(-2 * b * tl.abs(z))
        g = tl.where((u > 0) & (u < 1), peak * e / ((1 + e) * (1 + e)), 0.0)
    return g


@triton.jit
def _store_sums(to, total, groups, RUN: tl.constexpr, BLOCK: tl.constexpr):
    """Write the sum of every RUN neighbours, all of one channel; lanes without a neuron hold zero."""
    if RUN > 1:
        total = tl.sum(tl.reshape(total, [BLOCK // RUN, RUN]), axis=1)
    group = tl.program_id(0).to(tl.int64) * (BLOCK // RUN) + tl.arange(0, BLOCK // RUN)
    tl.store(to + group, total, group < groups)


@triton.jit
def backward(
    x, v, a, decay, gain, threshold, beta, rho, checkpoints, grad_s, grad_v, grad_a, grad_v_seq,
    grad_x, grad_v0, grad_a0, sums,
    decay_number: tl.float64, gain_number: tl.float64, threshold_number: tl.float64, beta_number: tl.float64,
    rho_number: tl.float64, v_reset_number: tl.float64, temperature: tl.float64, peak_number: tl.float64,
    steps, size, x_stride, grad_s_stride, grad_v_seq_stride, channels, run, groups,
    OPTIONS: tl.constexpr, STATE: tl.constexpr, PER_CHANNEL: tl.constexpr, INDEX: tl.constexpr,
    SURROGATE: tl.constexpr, SUMS: tl.constexpr, RUN: tl.constexpr, STEPS: tl.constexpr, GROUP: tl.constexpr,
    CHUNK: tl.constexpr, PARTED: tl.constexpr, RAGGED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Recompute STEPS steps, unrolled so that their membranes stay in registers, and walk back through them.

    The time to compile grows with the cube of STEPS: longer sequences are cut into parts, and each is reached from the
    checkpoint before it. Where two parts of 32 make a chunk, that reads x half a pass more; a scratch array for
    membranes would cost two. A thread serves fewer neurons the more steps there are, see lif_cuda.py.
    SUMS: the parameters that want a gradient, as bits. RAGGED: T % STEPS > 0.
    """
    first = tl.program_id(0).to(tl.int64) * BLOCK
    lane = tl.arange(0, BLOCK)
    n = first + lane
    mask = n < size
    decay_, gain_, threshold_, beta_, rho_ = _parameters(
        decay, gain, threshold, beta, rho, decay_number, gain_number, threshold_number, beta_number, rho_number,
        first, lane, channels, run, PER_CHANNEL, INDEX, STATE,
    )  # fmt: skip
    v_reset, b, peak = tl.cast(v_reset_number, STATE), tl.cast(temperature, STATE), tl.cast(peak_number, STATE)
    dv = _load(grad_v, n, mask, BLOCK, STATE)
    da = _load(grad_a, n, mask, BLOCK, STATE)
    zero = tl.zeros([BLOCK], STATE)
    d_decay, d_gain, d_threshold, d_beta, d_rho = zero, zero, zero, zero, zero
    parts = tl.cdiv(steps, STEPS) if PARTED else 1
    for done in range(parts):
        row = tl.cast(parts - 1 - done, tl.int64) * STEPS
        chunk = row // CHUNK
        at_start = _inside(n, size, chunk, 1, checkpoints is not None)
        v_ = _load(v, n, at_start, BLOCK, STATE)
        a_ = _load(a, n, at_start, BLOCK, STATE)
        if checkpoints is not None and chunk > 0:
            if ADAPTIVE & OPTIONS:
                v_ = tl.load(checkpoints + (chunk * 2 - 2) * size + n, mask, other=0.0)
                a_ = tl.load(checkpoints + (chunk * 2 - 1) * size + n, mask, other=0.0)
            else:
                v_ = tl.load(checkpoints + (chunk - 1) * size + n, mask, other=0.0)
        if PARTED:
            for start in range(chunk * CHUNK, row, GROUP):
                xs = ()
                for t in tl.static_range(GROUP):
                    xs += (tl.load(x + (start + t) * x_stride + n, mask, other=0.0),)
                for t in tl.static_range(GROUP):
                    u, fired, v_, a_ = _step(
                        xs[t].to(STATE), v_, a_, decay_, gain_, threshold_, beta_, rho_, v_reset, OPTIONS
                    )

        v_first = v_
        xs, us, olds = (), (), ()
        for t in tl.static_range(STEPS):
            here = _inside(n, size, row + t, steps, RAGGED)
            xs += (tl.load(x + (row + t) * x_stride + n, here, other=0.0),)
        for t in tl.static_range(STEPS):
            olds += (a_,)
            u, fired, v_, a_ = _step(xs[t].to(STATE), v_, a_, decay_, gain_, threshold_, beta_, rho_, v_reset, OPTIONS)
            us += (u,)

        for last in tl.static_range(STEPS - 1, -1, -GROUP):
            gss, gus = (), ()
            for t in tl.static_range(last, last - GROUP, -1):
                if t >= 0:
                    here = _inside(n, size, row + t, steps, RAGGED)
                    gss += (_load(grad_s, (row + t) * grad_s_stride + n, here, BLOCK, STATE),)
                    gus += (_load(grad_v_seq, (row + t) * grad_v_seq_stride + n, here, BLOCK, STATE),)
            for t in tl.static_range(last, last - GROUP, -1):
                if t >= 0:
                    here = _inside(n, size, row + t, steps, RAGGED)
                    u, a_ = us[t], olds[t]
                    theta, fired = _fires(u, a_, threshold_, beta_, OPTIONS)
                    # Past the end there is nothing to go back through: all gradients of such a step are zero.
                    dv_in = tl.where(here, dv, 0.0) if RAGGED else dv
                    da_in = tl.where(here, da, 0.0) if RAGGED else da
                    passed = dv_in  # what the reset lets through to the membrane
                    toward = -theta
                    if not (SOFT & OPTIONS):
                        passed = tl.where(fired, 0.0, dv_in)
                        toward = v_reset - (decay_ * u if LEAK_LAST & OPTIONS else u)
                    ds = gss[last - t]
                    if not ((DETACHED | SPATIAL) & OPTIONS):
                        ds = ds + dv_in * toward
                    if ADAPTIVE & OPTIONS:
                        ds = ds - da_in if NEGATIVE & OPTIONS else ds + da_in
                    e = ds * _surrogate(u, theta, b, peak, SURROGATE)
                    du = gus[last - t] + e
                    d_theta = -e
                    # With the leak last, the cut of "spatial" lies inside this step; else before it.
                    if not (LEAK_LAST & OPTIONS and SPATIAL & OPTIONS):
                        du = gus[last - t] + (decay_ * passed if LEAK_LAST & OPTIONS else passed) + e
                        if SOFT & OPTIONS:
                            d_theta = -e - tl.where(fired, dv_in, 0.0)
                    tl.store(grad_x + (row + t) * size + n, (gain_ * du).to(grad_x.dtype.element_ty), here)
                    if DECAY & SUMS:
                        if LEAK_LAST & OPTIONS:
                            d_decay += passed * u
                        elif t == 0:
                            d_decay += du * v_first
                        else:
                            theta_before, fired_before = _fires(us[t - 1], olds[t - 1], threshold_, beta_, OPTIONS)
                            d_decay += du * _after(us[t - 1], theta_before, fired_before, decay_, v_reset, OPTIONS)
                    if GAIN & SUMS:
                        d_gain += du * xs[t].to(STATE)
                    if THRESHOLD & SUMS:
                        d_threshold += d_theta
                    if BETA & SUMS:
                        d_beta += d_theta * a_
                    if RHO & SUMS:
                        d_rho += da_in * a_
                    dv_next = du
                    if not (LEAK_LAST & OPTIONS):
                        dv_next = zero if SPATIAL & OPTIONS else decay_ * du
                    da_next = da
                    if ADAPTIVE & OPTIONS:
                        da_next = zero if SPATIAL & OPTIONS else rho_ * da + beta_ * d_theta
                    dv = tl.where(here, dv_next, dv) if RAGGED else dv_next
                    da = tl.where(here, da_next, da) if RAGGED else da_next
    if grad_v0 is not None:
        tl.store(grad_v0 + n, dv, mask)
    if grad_a0 is not None:
        tl.store(grad_a0 + n, da, mask)
    if DECAY & SUMS:
        _store_sums(sums, d_decay, groups, RUN, BLOCK)
        sums += groups
    if GAIN & SUMS:
        _store_sums(sums, d_gain, groups, RUN, BLOCK)
        sums += groups
    if THRESHOLD & SUMS:
        _store_sums(sums, d_threshold, groups, RUN, BLOCK)
        sums += groups
    if BETA & SUMS:
        _store_sums(sums, d_beta, groups, RUN, BLOCK)
        sums += groups
    if RHO & SUMS:
        _store_sums(sums, d_rho, groups, RUN, BLOCK)
