/* Forward and recomputing backward for one state type (REAL) and instruction set (ISA); included by lif_types.h.
 *
 * A tile of neurons, as many as fit in UNROLL vector registers, walks through all time steps: its state never leaves the
 * registers, what the backward recomputes stays in the first cache. Vectors are the compiler's own, not intrinsics. */

#ifndef UNROLL
#define UNROLL 4
#endif
#define LANES (VECTOR_BYTES / (int)sizeof(REAL))
#define TILE (UNROLL * LANES)
#define EACH _Pragma("GCC unroll 4") for (int j = 0; j < UNROLL; j++)

typedef REAL FN(vec) __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL FN(loose) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef INTEGER FN(mask) __attribute__((vector_size(VECTOR_BYTES)));
typedef struct { FN(vec) j[UNROLL]; } FN(tile);
#define VEC FN(vec)
#define MASK FN(mask)

INLINE VEC FN(all)(REAL value) { return value - (VEC){0}; }
INLINE VEC FN(where)(MASK m, VEC yes, VEC no) { return (VEC)((m & (MASK)yes) | (~m & (MASK)no)); }
INLINE VEC FN(abs)(VEC z) { return (VEC)((MASK)z & ~(MASK)(-FN(all)(0))); }

INLINE FN(tile) FN(read)(const REAL *from) {
    FN(tile) tile;
    EACH tile.j[j] = *(const FN(loose) *)(from + j * LANES);
    return tile;
}

INLINE void FN(write)(REAL *to, const FN(tile) * tile) {
    EACH *(FN(loose) *)(to + j * LANES) = tile->j[j];
}

/* Short rows and 16-bit storage; out of line, to keep the common path small. */
static NOINLINE void FN(load_slowly)(int64_t storage, const void *base, int64_t offset, int n, FN(tile) * tile) {
    REAL row[TILE] = {0};
    uint16_t half[TILE] = {0};
    if (storage < FLOAT16)
        memcpy(row, (const REAL *)base + offset, n * sizeof(REAL));
    else
        memcpy(half, (const uint16_t *)base + offset, n * sizeof(uint16_t));
    if (storage == FLOAT16)
        for (int i = 0; i < TILE; i++) row[i] = from_half(half[i]);
    else if (storage == BFLOAT16)
        for (int i = 0; i < TILE; i++) row[i] = from_bfloat(half[i]);
    *tile = FN(read)(row);
}

static NOINLINE void FN(store_slowly)(int64_t storage, void *base, int64_t offset, int n, const FN(tile) * tile) {
    REAL row[TILE];
    uint16_t half[TILE];
    FN(write)(row, tile);
    if (storage < FLOAT16) {
        memcpy((REAL *)base + offset, row, n * sizeof(REAL));
        return;
    }
    if (storage == FLOAT16)
        for (int i = 0; i < TILE; i++) half[i] = to_half((float)row[i]);
    else
        for (int i = 0; i < TILE; i++) half[i] = to_bfloat((float)row[i]);
    memcpy((uint16_t *)base + offset, half, n * sizeof(uint16_t));
}

/* A tile of stored values; lanes past n are 0. */
INLINE FN(tile) FN(load)(int64_t storage, const void *base, int64_t offset, int n) {
    if (LIKELY(storage < FLOAT16 && n == TILE)) return FN(read)((const REAL *)base + offset);
    FN(tile) tile;
    FN(load_slowly)(storage, base, offset, n, &tile);
    return tile;
}

/* Store the first n lanes of a tile; `stream` sends it past the cache. */
INLINE void FN(store)(int64_t storage, int64_t stream, void *base, int64_t offset, int n, const FN(tile) * tile) {
    if (UNLIKELY(storage >= FLOAT16 || n < TILE)) {
        FN(store_slowly)(storage, base, offset, n, tile);
        return;
    }
    REAL *to = (REAL *)base + offset;
#ifdef STREAM
    if (stream && ((uintptr_t)to & (VECTOR_BYTES - 1)) == 0) {
        EACH STREAM(to + j * LANES, tile->j[j]);
        return;
    }
#endif
    FN(write)(to, tile);
}

INLINE FN(tile) FN(load_state)(const void *from, int64_t offset, int n) {
    FN(tile) rest = {0};
    return from ? FN(load)(FLOAT32, from, offset, n) : rest;
}

INLINE void FN(store_state)(void *to, int64_t offset, int n, const FN(tile) * tile) {
    FN(store)(FLOAT32, 0, to, offset, n, tile);
}

/* The parameters of a tile, one value per neuron: scalar and per-channel are the same from here on. */
typedef struct {
    FN(tile) of[PARAMETERS];
    FN(tile) leak_in, leak_out; /* the decay multiplies before the input, or after the spike; the other is 1 */
} FN(parameters);

static void FN(fill)(const call *c, FN(parameters) * p, int64_t first, int n) {
    for (int k = 0; k < PARAMETERS; k++) {
        const REAL *values = c->parameter[k];
        if (values && c->channels > 1) {
            REAL row[TILE] = {0};
            int64_t channel = first / c->inner % c->channels, left = c->inner - first % c->inner;
            for (int i = 0; i < n;) {
                int end = left < n - i ? i + (int)left : n;
                for (; i < end; i++) row[i] = values[channel];
                left = c->inner;
                if (++channel == c->channels) channel = 0;
            }
            p->of[k] = FN(read)(row);
        } else {
            EACH p->of[k].j[j] = FN(all)(values ? values[0] : (REAL)c->constants[k]);
        }
    }
    FN(tile) one;
    EACH one.j[j] = FN(all)(1);
    p->leak_in = c->options & LEAK_LAST ? one : p->of[DECAY];
    p->leak_out = c->options & LEAK_LAST ? p->of[DECAY] : one;
}

/* The rows of one tile lie far apart in memory, each too short for the hardware to notice: ask for later ones early. */
INLINE void FN(prefetch)(const void *base, int64_t offset, int64_t bytes) {
    for (int64_t i = 0; i < TILE * bytes; i += 64) __builtin_prefetch((const char *)base + offset * bytes + i);
}

INLINE int64_t FN(ahead)(int64_t steps) { return TILE * (1 + 64 / (steps + 1)); }

/* One step: membrane u, spikes s, state v and a in place. `at` also fires at the threshold, `soft` subtracts it. */
INLINE void FN(step)(const FN(parameters) * p, const FN(tile) * x, FN(tile) * v, FN(tile) * a, FN(tile) * s, FN(tile) * u,
                     MASK at, MASK soft, VEC v_reset, VEC sign, const int adaptive) {
    EACH {
        VEC membrane = p->leak_in.j[j] * v->j[j] + p->of[GAIN].j[j] * x->j[j];
        VEC theta = p->of[THRESHOLD].j[j];
        if (adaptive) theta = theta + p->of[BETA].j[j] * a->j[j];
        MASK fired = (membrane > theta) | ((membrane == theta) & at);
        VEC kept = p->leak_out.j[j] * membrane;
        v->j[j] = FN(where)(fired, FN(where)(soft, kept - theta, v_reset), kept);
        s->j[j] = (VEC)(fired & (MASK)FN(all)(1));
        if (adaptive) a->j[j] = p->of[RHO].j[j] * a->j[j] + sign * s->j[j];
        u->j[j] = membrane;
    }
}

#define OPTIONS(c)                                                                                      \
    const MASK at = (c)->options & STRICT ? (MASK){0} : ~(MASK){0};                                     \
    const MASK soft = (c)->options & SOFT ? ~(MASK){0} : (MASK){0};                                     \
    const VEC v_reset = FN(all)((REAL)(c)->constants[V_RESET]);                                         \
    const VEC sign = FN(all)((c)->options & NEGATIVE ? -1 : 1);                                         \
    const int64_t storage = (c)->storage, stream = (c)->stream, bytes = storage >= FLOAT16 ? 2 : sizeof(REAL)

INLINE void FN(forward_tile)(const call *c, int64_t first, int n, const FN(parameters) * p, const int adaptive) {
    OPTIONS(c);
    const int64_t later = first + FN(ahead)(c->steps), size = c->size, steps = c->steps, x_stride = c->x_stride;
    const void *const x_from = c->x;
    void *const s_to = c->s, *const u_to = c->v_seq;
    FN(tile) v = FN(load_state)(c->v0, first, n), a = {0}, s, u;
    if (adaptive) a = FN(load_state)(c->a0, first, n);
    for (int64_t t = 0; t < steps; t++) {
        if (UNLIKELY(c->checkpoints && t > 0 && t % CHUNK == 0)) {
            REAL *kept = (REAL *)c->checkpoints + (t / CHUNK - 1) * (1 + adaptive) * size + first;
            FN(store_state)(kept, 0, n, &v);
            if (adaptive) FN(store_state)(kept + size, 0, n, &a);
        }
        FN(prefetch)(x_from, t * x_stride + later, bytes);
        FN(tile) x = FN(load)(storage, x_from, t * x_stride + first, n);
        FN(step)(p, &x, &v, &a, &s, &u, at, soft, v_reset, sign, adaptive);
        FN(store)(storage, stream, s_to, t * size + first, n, &s);
        if (UNLIKELY(u_to != 0)) FN(store)(storage, stream, u_to, t * size + first, n, &u);
    }
    FN(store_state)(c->v, first, n, &v);
    if (adaptive) FN(store_state)(c->a, first, n, &a);
}

static void FN(lif_forward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    (void)slice;
    FN(parameters) p;
    FN(fill)(c, &p, start, 1);
    for (int64_t first = start; first < stop; first += TILE) {
        int n = stop - first < TILE ? (int)(stop - first) : TILE;
        if (c->channels > 1) FN(fill)(c, &p, first, n);
        if (c->options & ADAPTIVE)
            FN(forward_tile)(c, first, n, &p, 1);
        else
            FN(forward_tile)(c, first, n, &p, 0);
    }
#ifdef RANVIER_X86
    if (c->stream) _mm_sfence();
#endif
}

/* exp(-y) for y >= 0; the float version, relative error below 3e-7, is free of calls. */
INLINE VEC FN(decaying_exp)(VEC y) {
#define IS_FLOAT (sizeof(REAL) == sizeof(float))
    if (!IS_FLOAT) {
        VEC e;
        for (int i = 0; i < LANES; i++) e[i] = (REAL)exp(-(double)y[i]);
        return e;
    }
    VEC t = FN(where)(y > (REAL)87, FN(all)(-87), -y);
    VEC n = (t * (REAL)1.44269504 + (REAL)12582912) - (REAL)12582912;
    VEC r = (t - n * (REAL)0.693359375) + n * (REAL)2.12194440e-4;
    VEC p = (REAL)0.0083333310 + r * (REAL)0.0013888889;
    p = (REAL)0.5 + r * ((REAL)0.16666667 + r * ((REAL)0.041666668 + r * p));
    return (1 + r * (1 + r * p)) * (VEC)((__builtin_convertvector(n, MASK) + 127) << 23);
#undef IS_FLOAT
}

/* ds/du: the table of surrogate.py. */
static NOINLINE void FN(surrogate)(int kind, const FN(tile) * u, const FN(tile) * theta, REAL b, FN(tile) * g) {
    VEC zero = {0};
    switch (kind) {
        case TRIANGLE:
            EACH {
                VEC rest = 1 - b * FN(abs)(u->j[j] - theta->j[j]);
                g->j[j] = FN(where)(rest > 0, b * rest, zero);
            }
            return;
        case RECTANGLE:
            EACH g->j[j] = FN(where)(FN(abs)(u->j[j] - theta->j[j]) < (REAL)0.5 / b, FN(all)(b), zero);
            return;
        case ATAN:
            EACH {
                VEC z = (REAL)1.57079632679489661923 * b * (u->j[j] - theta->j[j]);
                g->j[j] = b / 2 / (1 + z * z);
            }
            return;
        case SIGMOID:
            EACH {
                VEC e = FN(decaying_exp)(b * FN(abs)(u->j[j] - theta->j[j]));
                g->j[j] = b * e / ((1 + e) * (1 + e));
            }
            return;
        default: {
            REAL peak = (REAL)(2 * b / tanh((double)b / 2));
            EACH {
                VEC e = FN(decaying_exp)(2 * b * FN(abs)(u->j[j] - theta->j[j]));
                MASK inside = (u->j[j] > 0) & (u->j[j] < 1);
                g->j[j] = FN(where)(inside, peak * e / ((1 + e) * (1 + e)), zero);
            }
        }
    }
}

/* What a chunk is recomputed into: membrane, and the state and input before each step where a gradient needs them. */
typedef struct {
    FN(tile) u[CHUNK], a[CHUNK], v[CHUNK], x[CHUNK];
} FN(chunk);

/* Gradients walking backwards: of the state, and sums for the parameters. */
typedef struct {
    FN(tile) v, a, sum[PARAMETERS];
} FN(gradients);

INLINE void FN(step_back)(const call *c, const FN(parameters) * p, const FN(chunk) * k, int t, FN(gradients) * d,
                          const FN(tile) * gs, const FN(tile) * gu, FN(tile) * gx, MASK at, MASK soft, VEC v_reset,
                          VEC sign, const int adaptive, const int parameters) {
    const int64_t options = c->options;
    const int leak_last = (options & LEAK_LAST) != 0;
    const REAL through_time = options & SPATIAL ? 0 : 1, through_reset = options & (DETACHED | SPATIAL) ? 0 : 1;
    /* With the leak last, the cut of "spatial" lies inside this step; else before it. */
    const REAL after = leak_last ? through_time : 1, before = leak_last ? 1 : through_time;
    FN(tile) theta = p->of[THRESHOLD], g;
    if (adaptive) EACH theta.j[j] = theta.j[j] + p->of[BETA].j[j] * k->a[t].j[j];
    FN(surrogate)((int)(options >> SURROGATE_SHIFT), &k->u[t], &theta, (REAL)c->constants[TEMPERATURE], &g);
    EACH {
        VEC u = k->u[t].j[j], in = d->v.j[j], th = theta.j[j];
        MASK fired = (u > th) | ((u == th) & at);
        VEC passed = (VEC)((MASK)in & ~(fired & ~soft)); /* what the reset lets through to the membrane */
        VEC toward = FN(where)(soft, -th, v_reset - p->leak_out.j[j] * u);
        VEC ds = gs->j[j] + through_reset * in * toward;
        if (adaptive) ds = ds + sign * d->a.j[j];
        VEC e = ds * g.j[j];
        VEC dtheta = -e - after * (VEC)((MASK)in & fired & soft);
        VEC du = gu->j[j] + after * passed * p->leak_out.j[j] + e;
        gx->j[j] = p->of[GAIN].j[j] * du;
        if (parameters) {
            d->sum[DECAY].j[j] += leak_last ? passed * u : du * k->v[t].j[j];
            d->sum[GAIN].j[j] += du * k->x[t].j[j];
            d->sum[THRESHOLD].j[j] += dtheta;
        }
        if (adaptive) {
            VEC da = d->a.j[j];
            d->sum[BETA].j[j] += dtheta * k->a[t].j[j];
            d->sum[RHO].j[j] += da * k->a[t].j[j];
            d->a.j[j] = through_time * (p->of[RHO].j[j] * da + p->of[BETA].j[j] * dtheta);
        }
        d->v.j[j] = before * p->leak_in.j[j] * du;
    }
}

/* Add the sums of a chunk to the channels they belong to, in double. */
static void FN(flush)(const call *c, FN(gradients) * d, int64_t slice, int64_t first, int n) {
    double *total = c->grad_parameters + slice * PARAMETERS * c->channels;
    for (int k = 0; k < PARAMETERS; k++, total += c->channels) {
        REAL row[TILE];
        FN(write)(row, &d->sum[k]);
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

INLINE void FN(backward_tile)(const call *c, int64_t slice, int64_t first, int n, const FN(parameters) * p, FN(chunk) * k,
                              const int adaptive, const int parameters) {
    OPTIONS(c);
    const int64_t later = first + FN(ahead)(c->steps), size = c->size;
    FN(gradients) d = {0};
    d.v = FN(load_state)(c->grad_v, first, n);
    if (adaptive) d.a = FN(load_state)(c->grad_a, first, n);
    for (int64_t from = (c->steps - 1) / CHUNK * CHUNK; from >= 0 && c->steps > 0; from -= CHUNK) {
        int steps = c->steps - from < CHUNK ? (int)(c->steps - from) : CHUNK;
        const REAL *kept = (const REAL *)c->checkpoints + (from / CHUNK - 1) * (1 + adaptive) * size + first;
        FN(tile) v = from ? FN(load_state)(kept, 0, n) : FN(load_state)(c->v0, first, n), a = {0}, s;
        if (adaptive) a = from ? FN(load_state)(kept + size, 0, n) : FN(load_state)(c->a0, first, n);
        for (int t = 0; t < steps; t++) {
            FN(prefetch)(c->x, (from + t) * c->x_stride + later, bytes);
            FN(tile) x = FN(load)(storage, c->x, (from + t) * c->x_stride + first, n);
            if (adaptive) k->a[t] = a;
            if (parameters) k->v[t] = v, k->x[t] = x;
            FN(step)(p, &x, &v, &a, &s, &k->u[t], at, soft, v_reset, sign, adaptive);
        }
        for (int t = steps - 1; t >= 0; t--) {
            int64_t step = from + t;
            FN(tile) gs = {0}, gu = {0}, gx;
            if (c->grad_s) {
                FN(prefetch)(c->grad_s, step * c->grad_s_stride + later, bytes);
                gs = FN(load)(storage, c->grad_s, step * c->grad_s_stride + first, n);
            }
            if (c->grad_v_seq) gu = FN(load)(storage, c->grad_v_seq, step * c->grad_v_seq_stride + first, n);
            FN(step_back)(c, p, k, t, &d, &gs, &gu, &gx, at, soft, v_reset, sign, adaptive, parameters);
            FN(store)(storage, stream, c->grad_x, step * size + first, n, &gx);
        }
        if (c->grad_parameters) FN(flush)(c, &d, slice, first, n);
    }
    FN(store_state)(c->grad_v0, first, n, &d.v);
    if (adaptive) FN(store_state)(c->grad_a0, first, n, &d.a);
}

static void FN(lif_backward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    FN(parameters) p;
    FN(chunk) k;
    FN(fill)(c, &p, start, 1);
    for (int64_t first = start; first < stop; first += TILE) {
        int n = stop - first < TILE ? (int)(stop - first) : TILE;
        if (c->channels > 1) FN(fill)(c, &p, first, n);
        if (c->options & ADAPTIVE)
            FN(backward_tile)(c, slice, first, n, &p, &k, 1, 1);
        else if (c->grad_parameters)
            FN(backward_tile)(c, slice, first, n, &p, &k, 0, 1);
        else
            FN(backward_tile)(c, slice, first, n, &p, &k, 0, 0);
    }
#ifdef RANVIER_X86
    if (c->stream) _mm_sfence();
#endif
}

#undef OPTIONS
#undef UNROLL
#undef LANES
#undef TILE
#undef EACH
#undef VEC
#undef MASK
