/* Forward and recomputing backward for one state type (REAL) and instruction set (ISA); included by lif_types.h.
 *
 * A block of neurons, one row of memory wide, walks through all time steps: its state and what the backward recomputes
 * stay in the first caches. Vectors are the compiler's own, not intrinsics. Rows are whole vectors: where memory ends
 * within one, a padded copy stands in. */

#define LANES (VECTOR_BYTES / (int)sizeof(REAL))
#define BLOCK (BLOCK_BYTES / (int)sizeof(REAL))
#define WIDTH (BLOCK_BYTES / VECTOR_BYTES)

typedef REAL FN(vec) __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef REAL FN(loose) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef INTEGER FN(mask) __attribute__((vector_size(VECTOR_BYTES)));
#define VEC FN(vec)
#define LOOSE FN(loose)
#define MASK FN(mask)

INLINE VEC FN(all)(REAL value) { return value - (VEC){0}; }
INLINE VEC FN(where)(MASK m, VEC yes, VEC no) { return (VEC)((m & (MASK)yes) | (~m & (MASK)no)); }
INLINE VEC FN(abs)(VEC z) { return (VEC)((MASK)z & ~(MASK)(-FN(all)(0))); }

/* A row for one value per neuron. */
typedef union {
    VEC v[WIDTH];
    REAL r[BLOCK];
} FN(row);

/* 16-bit storage and rows that end within a vector, out of line to keep the common path small. */
static NOINLINE const LOOSE *FN(load_slowly)(int64_t storage, const void *base, int64_t offset, int n, FN(row) * row) {
    const uint16_t *half = (const uint16_t *)base + offset;
    if (storage == FLOAT16)
        for (int i = 0; i < n; i++) row->r[i] = from_half(half[i]);
    else if (storage == BFLOAT16)
        for (int i = 0; i < n; i++) row->r[i] = from_bfloat(half[i]);
    else
        memcpy(row->r, (const REAL *)base + offset, n * sizeof(REAL));
    memset(row->r + n, 0, (-n & (LANES - 1)) * sizeof(REAL));
    return (const LOOSE *)row->r;
}

static NOINLINE void FN(store_slowly)(int64_t storage, void *base, int64_t offset, int n, const FN(row) * row) {
    uint16_t *half = (uint16_t *)base + offset;
    if (storage == FLOAT16)
        for (int i = 0; i < n; i++) half[i] = to_half((float)row->r[i]);
    else if (storage == BFLOAT16)
        for (int i = 0; i < n; i++) half[i] = to_bfloat((float)row->r[i]);
    else
        memcpy((REAL *)base + offset, row->r, n * sizeof(REAL));
}

/* A row of stored values: the memory itself, or `row` filled from it. */
INLINE const LOOSE *FN(load)(int64_t storage, const void *base, int64_t offset, int n, FN(row) * row) {
    if (LIKELY(storage < FLOAT16 && n % LANES == 0)) return (const LOOSE *)((const REAL *)base + offset);
    return FN(load_slowly)(storage, base, offset, n, row);
}

/* Where a row is computed: the memory itself, or `row`, which `finish` then stores. */
INLINE LOOSE *FN(target)(int64_t storage, void *base, int64_t offset, int n, FN(row) * row) {
    return LIKELY(storage < FLOAT16 && n % LANES == 0) ? (LOOSE *)((REAL *)base + offset) : (LOOSE *)row->r;
}

INLINE void FN(finish)(int64_t storage, void *base, int64_t offset, int n, const LOOSE *computed, const FN(row) * row) {
    if (UNLIKELY((const REAL *)computed == row->r)) FN(store_slowly)(storage, base, offset, n, row);
}

INLINE void FN(put)(LOOSE *to, VEC value, int stream) {
#ifdef STREAM
    if (stream) {
        STREAM(to, value);
        return;
    }
#endif
    *to = value;
}

INLINE int FN(streams)(const call *c, const LOOSE *to) {
    return c->stream && c->storage < FLOAT16 && ((uintptr_t)to & (VECTOR_BYTES - 1)) == 0;
}

static void FN(load_state)(const void *from, int64_t offset, int n, FN(row) * row) {
    if (from)
        memcpy(row->r, (const REAL *)from + offset, n * sizeof(REAL));
    else
        memset(row, 0, sizeof *row);
    memset(row->r + n, 0, (-n & (LANES - 1)) * sizeof(REAL));
}

static void FN(store_state)(void *to, int64_t offset, int n, const FN(row) * row) {
    if (to) memcpy((REAL *)to + offset, row->r, n * sizeof(REAL));
}

/* The rows of one block lie far apart in memory, each too short for the hardware to notice: ask for later ones early. */
INLINE void FN(prefetch)(const void *base, int64_t offset, int n, int64_t bytes) {
    const char *from = (const char *)base + offset * bytes;
    for (int64_t i = 0; i < n * bytes; i += 64) __builtin_prefetch(from + i);
}

/* The parameters of a block, one value per neuron; a scalar is a row of equal values, read once per row. */
typedef struct {
    FN(row) of[PARAMETERS], one;
    const VEC *leak_in, *leak_out; /* the decay multiplies before the input, or after the spike; the other is 1 */
} FN(parameters);

static void FN(fill)(const call *c, FN(parameters) * p, int64_t first, int n) {
    for (int k = 0; k < PARAMETERS; k++) {
        const REAL *values = c->parameter[k];
        REAL *row = p->of[k].r;
        if (values && c->channels > 1) {
            int64_t channel = first / c->inner % c->channels, left = c->inner - first % c->inner;
            for (int i = 0; i < n;) {
                int end = left < n - i ? i + (int)left : n;
                for (; i < end; i++) row[i] = values[channel];
                left = c->inner;
                if (++channel == c->channels) channel = 0;
            }
            for (int i = n; i < BLOCK; i++) row[i] = 0;
        } else {
            for (int i = 0; i < BLOCK; i++) row[i] = values ? values[0] : (REAL)c->constants[k];
        }
    }
    for (int i = 0; i < BLOCK; i++) p->one.r[i] = 1;
    p->leak_in = c->options & LEAK_LAST ? p->one.v : p->of[DECAY].v;
    p->leak_out = c->options & LEAK_LAST ? p->of[DECAY].v : p->one.v;
}

/* One step of a row: spikes s and membrane u, state v and a in place. `at` also fires at the threshold. */
INLINE void FN(step)(int width, const FN(parameters) * p, const LOOSE *x, VEC *v, VEC *a, LOOSE *s, LOOSE *u, int stream_s,
                     int stream_u, const call *c, const int adaptive, const int scalar) {
    const MASK at = c->options & STRICT ? (MASK){0} : ~(MASK){0};
    const MASK soft = c->options & SOFT ? ~(MASK){0} : (MASK){0};
    const VEC v_reset = FN(all)((REAL)c->constants[V_RESET]), sign = FN(all)(c->options & NEGATIVE ? -1 : 1);
    const VEC *leak_in = p->leak_in, *leak_out = p->leak_out, *gain = p->of[GAIN].v, *threshold = p->of[THRESHOLD].v;
    const VEC *beta = p->of[BETA].v, *rho = p->of[RHO].v;
    VEC in = leak_in[0], out = leak_out[0], times = gain[0], theta = threshold[0], up = beta[0], down = rho[0];
    for (int i = 0; i < width; i++) {
        if (!scalar) in = leak_in[i], out = leak_out[i], times = gain[i], theta = threshold[i];
        VEC membrane = in * v[i] + times * x[i], level = theta;
        if (adaptive) {
            if (!scalar) up = beta[i], down = rho[i];
            level = theta + up * a[i];
        }
        MASK fired = (membrane > level) | ((membrane == level) & at);
        VEC kept = out * membrane, spike = (VEC)(fired & (MASK)FN(all)(1));
        v[i] = FN(where)(fired, FN(where)(soft, kept - level, v_reset), kept);
        if (adaptive) a[i] = down * a[i] + sign * spike;
        if (s) FN(put)(s + i, spike, stream_s);
        if (u) FN(put)(u + i, membrane, stream_u);
    }
}

/* A block visits its rows in `turns`: those of x forwards and then, in the backward, those of grad_s backwards; the next
 * block follows. Ask for the row that comes ROWS_AHEAD turns later. */
INLINE void FN(look_ahead)(const call *c, int64_t from, int64_t steps, int64_t turns, int64_t turn, int64_t first,
                           int64_t stop, int n) {
    const int64_t bytes = c->storage >= FLOAT16 ? 2 : sizeof(REAL);
    int64_t later = turn + ROWS_AHEAD;
    first += later / turns * BLOCK;
    later %= turns;
    if (first + n > stop) return;
    if (later < steps)
        FN(prefetch)(c->x, (from + later) * c->x_stride + first, n, bytes);
    else
        FN(prefetch)(c->grad_s, (from + turns - 1 - later) * c->grad_s_stride + first, n, bytes);
}

INLINE void FN(forward_block)(const call *c, int64_t first, int64_t stop, int n, const FN(parameters) * p,
                              const int adaptive, const int scalar) {
    const int64_t storage = c->storage, size = c->size;
    const int width = (n + LANES - 1) / LANES;
    FN(row) v, a, x_row, s_row, u_row;
    FN(load_state)(c->v0, first, n, &v);
    if (adaptive) FN(load_state)(c->a0, first, n, &a);
    for (int64_t t = 0; t < c->steps; t++) {
        if (UNLIKELY(c->checkpoints && t > 0 && t % CHUNK == 0)) {
            REAL *kept = (REAL *)c->checkpoints + (t / CHUNK - 1) * (1 + adaptive) * size + first;
            FN(store_state)(kept, 0, n, &v);
            if (adaptive) FN(store_state)(kept + size, 0, n, &a);
        }
        FN(look_ahead)(c, 0, c->steps, c->steps, t, first, stop, n);
        const LOOSE *x = FN(load)(storage, c->x, t * c->x_stride + first, n, &x_row);
        const int64_t at = t * size + first;
        LOOSE *s = FN(target)(storage, c->s, at, n, &s_row);
        if (UNLIKELY(c->v_seq != 0)) {
            LOOSE *u = FN(target)(storage, c->v_seq, at, n, &u_row);
            FN(step)(width, p, x, v.v, a.v, s, u, FN(streams)(c, s), FN(streams)(c, u), c, adaptive, scalar);
            FN(finish)(storage, c->v_seq, at, n, u, &u_row);
        } else {
            FN(step)(width, p, x, v.v, a.v, s, 0, FN(streams)(c, s), 0, c, adaptive, scalar);
        }
        FN(finish)(storage, c->s, at, n, s, &s_row);
    }
    FN(store_state)(c->v, first, n, &v);
    if (adaptive) FN(store_state)(c->a, first, n, &a);
}

static void FN(lif_forward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    (void)slice;
    FN(parameters) p;
    FN(fill)(c, &p, start, 1);
    for (int64_t first = start; first < stop; first += BLOCK) {
        int n = stop - first < BLOCK ? (int)(stop - first) : BLOCK;
        if (c->channels > 1) FN(fill)(c, &p, first, n);
        switch ((c->options & ADAPTIVE ? 1 : 0) | (c->channels == 1 ? 2 : 0)) {
            case 0: FN(forward_block)(c, first, stop, n, &p, 0, 0); break;
            case 1: FN(forward_block)(c, first, stop, n, &p, 1, 0); break;
            case 2: FN(forward_block)(c, first, stop, n, &p, 0, 1); break;
            default: FN(forward_block)(c, first, stop, n, &p, 1, 1);
        }
    }
#ifdef RANVIER_X86
    if (c->stream) _mm_sfence();
#endif
}

#include "lif_surrogate.h"

/* What a chunk is recomputed into: membrane, and the state and input before each step where a gradient needs them. */
typedef struct {
    FN(row) u[CHUNK], a[CHUNK], v[CHUNK], x[CHUNK];
} FN(chunk);

/* Gradients walking backwards: of the state, and sums for the parameters. */
typedef struct {
    FN(row) v, a, sum[PARAMETERS];
} FN(gradients);

/* One step backwards of a row. gs and gu come in (gu may be null), gx goes out; k holds step t as recomputed. */
INLINE void FN(step_back)(int width, const call *c, const FN(parameters) * p, const FN(chunk) * k, int t, FN(gradients) * d,
                          const LOOSE *gs, const LOOSE *gu, LOOSE *gx, const int kind, const int adaptive,
                          const int parameters, const int scalar) {
    const int64_t options = c->options;
    const int leak_last = (options & LEAK_LAST) != 0, stream = FN(streams)(c, gx);
    const MASK at = options & STRICT ? (MASK){0} : ~(MASK){0}, soft = options & SOFT ? ~(MASK){0} : (MASK){0};
    const VEC v_reset = FN(all)((REAL)c->constants[V_RESET]), sign = FN(all)(options & NEGATIVE ? -1 : 1);
    const REAL b = (REAL)c->constants[TEMPERATURE], tanh_peak = kind == TANH ? (REAL)(2 * b / tanh((double)b / 2)) : 0;
    const REAL through_time = options & SPATIAL ? 0 : 1, through_reset = options & (DETACHED | SPATIAL) ? 0 : 1;
    /* With the leak last, the cut of "spatial" lies inside this step; else before it. */
    const REAL after = leak_last ? through_time : 1, before = leak_last ? 1 : through_time;
    const VEC *leak_in = p->leak_in, *leak_out = p->leak_out, *gain = p->of[GAIN].v, *threshold = p->of[THRESHOLD].v;
    const VEC *beta = p->of[BETA].v, *rho = p->of[RHO].v;
    VEC *restrict gv = d->v.v, *restrict ga = d->a.v;
    VEC out = leak_out[0], times = gain[0], theta = threshold[0];
    VEC in_before = before * leak_in[0], out_after = after * leak_out[0];
    for (int i = 0; i < width; i++) {
        if (!scalar) {
            out = leak_out[i], times = gain[i], theta = threshold[i];
            in_before = before * leak_in[i], out_after = after * out;
        }
        VEC u = k->u[t].v[i], in = gv[i], level = theta;
        if (adaptive) level = theta + beta[i] * k->a[t].v[i];
        MASK fired = (u > level) | ((u == level) & at);
        VEC passed = (VEC)((MASK)in & ~(fired & ~soft)); /* what the reset lets through to the membrane */
        VEC ds = gs[i] + through_reset * in * FN(where)(soft, -level, v_reset - out * u);
        if (adaptive) ds = ds + sign * ga[i];
        VEC e = ds * FN(slope)(kind, u, level, b, tanh_peak), du = passed * out_after + e;
        if (gu) du = du + gu[i];
        FN(put)(gx + i, times * du, stream);
        if (parameters) {
            VEC dtheta = -e - after * (VEC)((MASK)in & fired & soft);
            d->sum[DECAY].v[i] += leak_last ? passed * u : du * k->v[t].v[i];
            d->sum[GAIN].v[i] += du * k->x[t].v[i];
            d->sum[THRESHOLD].v[i] += dtheta;
            if (adaptive) {
                d->sum[BETA].v[i] += dtheta * k->a[t].v[i];
                d->sum[RHO].v[i] += ga[i] * k->a[t].v[i];
                ga[i] = through_time * (rho[i] * ga[i] + beta[i] * dtheta);
            }
        }
        gv[i] = in_before * du;
    }
}

/* Add the sums of a chunk to the channels they belong to, in double. */
static void FN(flush)(const call *c, FN(gradients) * d, int64_t slice, int64_t first, int n) {
    double *total = c->grad_parameters + slice * PARAMETERS * c->channels;
    for (int k = 0; k < PARAMETERS; k++, total += c->channels) {
        const REAL *row = d->sum[k].r;
        int64_t channel = first / c->inner % c->channels, left = c->inner - first % c->inner;
        for (int i = 0; i < n;) {
            int end = c->channels == 1 ? n : left < n - i ? i + (int)left : n;
            double sum = 0;
            for (; i < end; i++) sum += row[i];
            total[channel] += sum;
            left = c->inner;
            if (++channel == c->channels) channel = 0;
        }
    }
    memset(d->sum, 0, sizeof d->sum);
}

INLINE void FN(backward_block)(const call *c, int64_t slice, int64_t first, int64_t stop, int n, const FN(parameters) * p,
                               FN(chunk) * k, FN(gradients) * d, const int kind, const int adaptive,
                               const int parameters, const int scalar) {
    const int64_t storage = c->storage, size = c->size;
    const int width = (n + LANES - 1) / LANES;
    FN(row) v, a, x_row, gs_row, gu_row, gx_row, zero = {0};
    FN(load_state)(c->grad_v, first, n, &d->v);
    if (adaptive) FN(load_state)(c->grad_a, first, n, &d->a);
    for (int64_t from = (c->steps - 1) / CHUNK * CHUNK; from >= 0 && c->steps > 0; from -= CHUNK) {
        const int steps = c->steps - from < CHUNK ? (int)(c->steps - from) : CHUNK;
        const int64_t turns = c->grad_s ? 2 * steps : steps;
        const REAL *kept = (const REAL *)c->checkpoints + (from / CHUNK - 1) * (1 + adaptive) * size + first;
        FN(load_state)(from ? kept : c->v0, from ? 0 : first, n, &v);
        if (adaptive) FN(load_state)(from ? kept + size : c->a0, from ? 0 : first, n, &a);
        for (int t = 0; t < steps; t++) {
            FN(look_ahead)(c, from, steps, turns, t, first, stop, n);
            const LOOSE *x = FN(load)(storage, c->x, (from + t) * c->x_stride + first, n, &x_row);
            if (adaptive) k->a[t] = a;
            if (parameters) {
                k->v[t] = v;
                for (int i = 0; i < width; i++) k->x[t].v[i] = x[i];
            }
            FN(step)(width, p, x, v.v, a.v, 0, (LOOSE *)k->u[t].r, 0, 0, c, adaptive, scalar);
        }
        for (int t = steps - 1; t >= 0; t--) {
            const int64_t step = from + t;
            const LOOSE *gs = (const LOOSE *)zero.r;
            if (c->grad_s) {
                FN(look_ahead)(c, from, steps, turns, turns - 1 - t, first, stop, n);
                gs = FN(load)(storage, c->grad_s, step * c->grad_s_stride + first, n, &gs_row);
            }
            LOOSE *gx = FN(target)(storage, c->grad_x, step * size + first, n, &gx_row);
            if (UNLIKELY(c->grad_v_seq != 0)) {
                const LOOSE *gu = FN(load)(storage, c->grad_v_seq, step * c->grad_v_seq_stride + first, n, &gu_row);
                FN(step_back)(width, c, p, k, t, d, gs, gu, gx, kind, adaptive, parameters, scalar);
            } else {
                FN(step_back)(width, c, p, k, t, d, gs, 0, gx, kind, adaptive, parameters, scalar);
            }
            FN(finish)(storage, c->grad_x, step * size + first, n, gx, &gx_row);
        }
        if (c->grad_parameters) FN(flush)(c, d, slice, first, n);
    }
    FN(store_state)(c->grad_v0, first, n, &d->v);
    if (adaptive) FN(store_state)(c->grad_a0, first, n, &d->a);
}

/* All blocks of a slice. A switch names the constants so that each combination that occurs is a loop of its own. */
INLINE void FN(backward_blocks)(const call *c, int64_t slice, int64_t start, int64_t stop, const int kind) {
    FN(parameters) p;
    FN(chunk) k;
    FN(gradients) d;
    memset(d.sum, 0, sizeof d.sum);
    FN(fill)(c, &p, start, 1);
    for (int64_t first = start; first < stop; first += BLOCK) {
        int n = stop - first < BLOCK ? (int)(stop - first) : BLOCK;
        if (c->channels > 1) FN(fill)(c, &p, first, n);
        if (c->options & ADAPTIVE)
            FN(backward_block)(c, slice, first, stop, n, &p, &k, &d, kind, 1, 1, 0);
        else if (c->grad_parameters || c->channels > 1)
            FN(backward_block)(c, slice, first, stop, n, &p, &k, &d, kind, 0, 1, 0);
        else
            FN(backward_block)(c, slice, first, stop, n, &p, &k, &d, kind, 0, 0, 1);
    }
}

static void FN(lif_backward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    switch (c->options >> SURROGATE_SHIFT) {
        case TRIANGLE: FN(backward_blocks)(c, slice, start, stop, TRIANGLE); break;
        case RECTANGLE: FN(backward_blocks)(c, slice, start, stop, RECTANGLE); break;
        case ATAN: FN(backward_blocks)(c, slice, start, stop, ATAN); break;
        case SIGMOID: FN(backward_blocks)(c, slice, start, stop, SIGMOID); break;
        default: FN(backward_blocks)(c, slice, start, stop, TANH);
    }
#ifdef RANVIER_X86
    if (c->stream) _mm_sfence();
#endif
}

#undef LANES
#undef BLOCK
#undef WIDTH
#undef VEC
#undef LOOSE
#undef MASK
