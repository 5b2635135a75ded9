/* Forward and recomputing backward for one state type (REAL) and instruction set (ISA); included by lif_types.h.
 *
 * A block of neurons walks through time; all rows it needs (state, parameters, recomputed membranes) stay in cache. */

#define BLOCK 512
#define ALIGNED __attribute__((aligned(64)))

/* Parameters of a block, one value per neuron: a scalar and a channel are then the same to the loops below. */
typedef struct {
    REAL row[PARAMETERS][BLOCK] ALIGNED;
    REAL one[BLOCK] ALIGNED;
    const REAL *leak_in, *leak_out; /* the decay multiplies before the input, or after the spike */
    int filled;
} FN(rows);

static void FN(fill)(const call *c, FN(rows) * p, int64_t start, int n) {
    for (int k = 0; k < PARAMETERS; k++) {
        const REAL *values = c->parameter[k];
        REAL *row = p->row[k];
        if (values && c->channels > 1) {
            int64_t channel = start / c->inner % c->channels, left = c->inner - start % c->inner;
            for (int i = 0; i < n;) {
                REAL value = values[channel];
                int end = left < n - i ? i + (int)left : n;
                for (; i < end; i++) row[i] = value;
                left = c->inner;
                if (++channel == c->channels) channel = 0;
            }
        } else if (!p->filled) {
            REAL value = values ? values[0] : (REAL)c->constants[k];
            for (int i = 0; i < BLOCK; i++) row[i] = value;
        }
    }
    if (!p->filled) {
        for (int i = 0; i < BLOCK; i++) p->one[i] = 1;
        int leak_last = (c->options & LEAK_LAST) != 0;
        p->leak_in = leak_last ? p->one : p->row[DECAY];
        p->leak_out = leak_last ? p->row[DECAY] : p->one;
        p->filled = 1;
    }
}

/* A row of stored values as REAL: the memory itself where no conversion is needed, else converted into `buffer`. */
static inline const REAL *FN(load)(int64_t storage, const void *base, int64_t offset, int n, REAL *buffer) {
    if (storage == FLOAT16) {
        const uint16_t *h = (const uint16_t *)base + offset;
        for (int i = 0; i < n; i++) buffer[i] = from_half(h[i]);
        return buffer;
    }
    if (storage == BFLOAT16) {
        const uint16_t *h = (const uint16_t *)base + offset;
        for (int i = 0; i < n; i++) buffer[i] = from_bfloat(h[i]);
        return buffer;
    }
    return (const REAL *)base + offset;
}

/* Where a row is computed: in place, or in `buffer` when `store` has to convert it or to send it past the cache. */
static inline REAL *FN(target)(const call *c, void *base, int64_t offset, REAL *buffer) {
    return c->storage >= FLOAT16 || c->stream ? buffer : (REAL *)base + offset;
}

static inline void FN(store)(const call *c, void *base, int64_t offset, int n, const REAL *row) {
    if (c->storage == FLOAT16) {
        uint16_t *h = (uint16_t *)base + offset;
        for (int i = 0; i < n; i++) h[i] = to_half((float)row[i]);
    } else if (c->storage == BFLOAT16) {
        uint16_t *h = (uint16_t *)base + offset;
        for (int i = 0; i < n; i++) h[i] = to_bfloat((float)row[i]);
    } else if (c->stream) {
        REAL *out = (REAL *)base + offset;
        int i = 0;
#ifdef RANVIER_X86
        const int lanes = 16 / sizeof(REAL);
        while (i < n && ((uintptr_t)(out + i) & 15)) out[i] = row[i], i++;
        for (; i + lanes <= n; i += lanes) {
            __m128i value;
            memcpy(&value, row + i, 16);
            _mm_stream_si128((__m128i *)(out + i), value);
        }
#endif
        for (; i < n; i++) out[i] = row[i];
    }
}

/* One step of a block: new membrane u, spikes s, state v and a in place. */
static inline __attribute__((always_inline)) void FN(step)(int n, const FN(rows) * p, const REAL *restrict x,
                                                            REAL *restrict v, REAL *restrict a, REAL *restrict s,
                                                            REAL *restrict u, REAL v_reset, REAL sign, const int soft,
                                                            const int strict, const int adaptive, const int want_u) {
    const REAL *restrict leak_in = p->leak_in, *restrict leak_out = p->leak_out;
    const REAL *restrict gain = p->row[GAIN], *restrict threshold = p->row[THRESHOLD];
    const REAL *restrict beta = p->row[BETA], *restrict rho = p->row[RHO];
    for (int i = 0; i < n; i++) {
        REAL membrane = leak_in[i] * v[i] + gain[i] * x[i];
        REAL theta = adaptive ? threshold[i] + beta[i] * a[i] : threshold[i];
        int fired = strict ? membrane > theta : membrane >= theta;
        REAL kept = leak_out[i] * membrane;
        if (soft)
            v[i] = fired ? kept - theta : kept;
        else
            v[i] = fired ? v_reset : kept;
        if (adaptive) a[i] = rho[i] * a[i] + (fired ? sign : 0);
        s[i] = fired ? 1 : 0;
        if (want_u) u[i] = membrane;
    }
}

static void FN(any_step)(int64_t options, int n, const FN(rows) * p, const REAL *x, REAL *v, REAL *a, REAL *s, REAL *u,
                         REAL v_reset) {
    REAL sign = options & NEGATIVE ? -1 : 1;
#define STEP(soft, strict, adaptive, want_u) FN(step)(n, p, x, v, a, s, u, v_reset, sign, soft, strict, adaptive, want_u)
#define STEP_U(soft, strict, adaptive) if (u) STEP(soft, strict, adaptive, 1); else STEP(soft, strict, adaptive, 0); break
    switch (options & (SOFT | STRICT | ADAPTIVE)) {
        case 0: STEP_U(0, 0, 0);
        case SOFT: STEP_U(1, 0, 0);
        case STRICT: STEP_U(0, 1, 0);
        case SOFT | STRICT: STEP_U(1, 1, 0);
        case ADAPTIVE: STEP_U(0, 0, 1);
        case SOFT | ADAPTIVE: STEP_U(1, 0, 1);
        case STRICT | ADAPTIVE: STEP_U(0, 1, 1);
        default: STEP_U(1, 1, 1);
    }
#undef STEP
#undef STEP_U
}

static void FN(load_state)(const void *from, int64_t offset, int n, REAL *to) {
    if (from)
        memcpy(to, (const REAL *)from + offset, n * sizeof(REAL));
    else
        memset(to, 0, n * sizeof(REAL));
}

static void FN(lif_forward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    (void)slice;
    FN(rows) p;
    REAL v[BLOCK] ALIGNED, a[BLOCK] ALIGNED, x_row[BLOCK] ALIGNED, s_row[BLOCK] ALIGNED, u_row[BLOCK] ALIGNED;
    const int adaptive = (c->options & ADAPTIVE) != 0;
    p.filled = 0;
    for (int64_t first = start; first < stop; first += BLOCK) {
        int n = stop - first < BLOCK ? (int)(stop - first) : BLOCK;
        FN(fill)(c, &p, first, n);
        FN(load_state)(c->v0, first, n, v);
        if (adaptive) FN(load_state)(c->a0, first, n, a);
        for (int64_t t = 0; t < c->steps; t++) {
            if (c->checkpoints && t > 0 && t % CHUNK == 0) {
                REAL *kept = (REAL *)c->checkpoints + (t / CHUNK - 1) * (1 + adaptive) * c->size + first;
                memcpy(kept, v, n * sizeof(REAL));
                if (adaptive) memcpy(kept + c->size, a, n * sizeof(REAL));
            }
            const REAL *x = FN(load)(c->storage, c->x, t * c->x_stride + first, n, x_row);
            int64_t offset = t * c->size + first;
            REAL *s = FN(target)(c, c->s, offset, s_row);
            REAL *u = c->v_seq ? FN(target)(c, c->v_seq, offset, u_row) : 0;
            FN(any_step)(c->options, n, &p, x, v, a, s, u, (REAL)c->constants[V_RESET]);
            if (s == s_row) FN(store)(c, c->s, offset, n, s_row);
            if (u == u_row && u) FN(store)(c, c->v_seq, offset, n, u_row);
        }
        memcpy((REAL *)c->v + first, v, n * sizeof(REAL));
        if (adaptive) memcpy((REAL *)c->a + first, a, n * sizeof(REAL));
    }
#ifdef RANVIER_X86
    if (c->stream) _mm_sfence();
#endif
}

/* ds/du over a row: the table of surrogate.py. */
static void FN(surrogate)(int kind, int n, const REAL *restrict u, const REAL *restrict theta, REAL b, REAL *restrict g) {
    switch (kind) {
        case TRIANGLE:
            for (int i = 0; i < n; i++) {
                REAL rest = 1 - b * FABS(u[i] - theta[i]);
                g[i] = rest > 0 ? b * rest : 0;
            }
            return;
        case RECTANGLE: {
            REAL half = (REAL)0.5 / b;
            for (int i = 0; i < n; i++) g[i] = FABS(u[i] - theta[i]) < half ? b : 0;
            return;
        }
        case ATAN: {
            REAL slope = (REAL)1.57079632679489661923 * b, peak = b / 2;
            for (int i = 0; i < n; i++) {
                REAL z = slope * (u[i] - theta[i]);
                g[i] = peak / (1 + z * z);
            }
            return;
        }
        case SIGMOID:
            for (int i = 0; i < n; i++) {
                REAL e = EXP(b * FABS(u[i] - theta[i]));
                g[i] = b * e / ((1 + e) * (1 + e));
            }
            return;
        default: {
            REAL peak = (REAL)(2 * b / tanh((double)b / 2));
            for (int i = 0; i < n; i++) {
                REAL e = EXP(2 * b * FABS(u[i] - theta[i]));
                REAL bump = peak * e / ((1 + e) * (1 + e));
                g[i] = (u[i] > 0) & (u[i] < 1) ? bump : 0;
            }
        }
    }
}

typedef struct {
    REAL gv[BLOCK] ALIGNED, ga[BLOCK] ALIGNED;           /* gradients of the state, walking backwards */
    REAL sum[PARAMETERS][BLOCK] ALIGNED;                 /* gradients of the parameters, of one chunk */
} FN(gradients);

/* One step backwards. u: recomputed membrane; theta; a, v: state before the step; g: surrogate; gs, gu: incoming. */
static inline __attribute__((always_inline)) void FN(step_back)(
    int n, const FN(rows) * p, FN(gradients) * d, const REAL *restrict u, const REAL *restrict theta,
    const REAL *restrict a, const REAL *restrict v, const REAL *restrict x, const REAL *restrict g,
    const REAL *restrict gs, const REAL *restrict gu, REAL *restrict gx, REAL v_reset, REAL sign, int64_t options,
    const int soft, const int adaptive, const int parameters) {
    const REAL *restrict leak_in = p->leak_in, *restrict leak_out = p->leak_out, *restrict gain = p->row[GAIN];
    const REAL *restrict beta = p->row[BETA], *restrict rho = p->row[RHO];
    const int strict = (options & STRICT) != 0, leak_last = (options & LEAK_LAST) != 0;
    const REAL through_time = options & SPATIAL ? 0 : 1;
    /* With the leak last, the cut of "spatial" lies inside this step; else before it. */
    const REAL after = leak_last ? through_time : 1, before = leak_last ? 1 : through_time;
    const REAL through_reset = options & (DETACHED | SPATIAL) ? 0 : 1;
    for (int i = 0; i < n; i++) {
        REAL fired = strict ? (u[i] > theta[i] ? 1 : 0) : (u[i] >= theta[i] ? 1 : 0);
        REAL in = d->gv[i], silent = soft ? 1 : 1 - fired;
        REAL toward = soft ? -theta[i] : v_reset - leak_out[i] * u[i];
        REAL ds = gs[i] + (adaptive ? sign * d->ga[i] : 0) + through_reset * in * toward;
        REAL e = ds * g[i];
        REAL dtheta = soft ? -after * in * fired - e : -e;
        REAL du = gu[i] + after * in * leak_out[i] * silent + e;
        gx[i] = gain[i] * du;
        if (parameters) {
            d->sum[DECAY][i] += leak_last ? in * u[i] * silent : du * v[i];
            d->sum[GAIN][i] += du * x[i];
            d->sum[THRESHOLD][i] += dtheta;
        }
        if (adaptive) {
            REAL da = d->ga[i];
            if (parameters) {
                d->sum[BETA][i] += dtheta * a[i];
                d->sum[RHO][i] += da * a[i];
            }
            d->ga[i] = through_time * (rho[i] * da + beta[i] * dtheta);
        }
        d->gv[i] = before * leak_in[i] * du;
    }
}

static void FN(flush)(const call *c, FN(gradients) * d, int64_t slice, int64_t start, int n) {
    double *total = c->grad_parameters + slice * PARAMETERS * c->channels;
    for (int k = 0; k < PARAMETERS; k++, total += c->channels) {
        int64_t channel = start / c->inner % c->channels, left = c->inner - start % c->inner;
        for (int i = 0; i < n;) {
            int end = c->channels == 1 ? n : left < n - i ? i + (int)left : n;
            double sum = 0;
            for (; i < end; i++) sum += d->sum[k][i];
            total[channel] += sum;
            left = c->inner;
            if (++channel == c->channels) channel = 0;
        }
        memset(d->sum[k], 0, n * sizeof(REAL));
    }
}

/* Rows that a chunk is recomputed into; the second group only for gradients of the parameters. */
typedef struct {
    REAL u[CHUNK][BLOCK] ALIGNED, a[CHUNK][BLOCK] ALIGNED;
    REAL v[CHUNK][BLOCK] ALIGNED, x[CHUNK][BLOCK] ALIGNED;
} FN(chunk);

static void FN(lif_backward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    FN(rows) p;
    FN(gradients) d;
    FN(chunk) k;
    REAL v[BLOCK] ALIGNED, a[BLOCK] ALIGNED, g[BLOCK] ALIGNED, theta_row[BLOCK] ALIGNED, zero[BLOCK] ALIGNED;
    REAL x_row[BLOCK] ALIGNED, s_row[BLOCK] ALIGNED, gs_row[BLOCK] ALIGNED, gu_row[BLOCK] ALIGNED, gx_row[BLOCK] ALIGNED;
    const int64_t options = c->options;
    const int adaptive = (options & ADAPTIVE) != 0, parameters = c->grad_parameters != 0;
    const REAL v_reset = (REAL)c->constants[V_RESET], sign = options & NEGATIVE ? -1 : 1;
    p.filled = 0;
    memset(zero, 0, sizeof zero);
    memset(d.sum, 0, sizeof d.sum);
    for (int64_t first = start; first < stop; first += BLOCK) {
        int n = stop - first < BLOCK ? (int)(stop - first) : BLOCK;
        FN(fill)(c, &p, first, n);
        FN(load_state)(c->grad_v, first, n, d.gv);
        FN(load_state)(c->grad_a, first, n, d.ga);
        for (int64_t from = (c->steps - 1) / CHUNK * CHUNK; from >= 0 && c->steps > 0; from -= CHUNK) {
            int steps = c->steps - from < CHUNK ? (int)(c->steps - from) : CHUNK;
            if (from == 0) {
                FN(load_state)(c->v0, first, n, v);
                if (adaptive) FN(load_state)(c->a0, first, n, a);
            } else {
                const REAL *kept = (const REAL *)c->checkpoints + (from / CHUNK - 1) * (1 + adaptive) * c->size + first;
                FN(load_state)(kept, 0, n, v);
                if (adaptive) FN(load_state)(kept + c->size, 0, n, a);
            }
            for (int t = 0; t < steps; t++) {
                const REAL *x = FN(load)(c->storage, c->x, (from + t) * c->x_stride + first, n, x_row);
                if (adaptive) memcpy(k.a[t], a, n * sizeof(REAL));
                if (parameters) {
                    memcpy(k.v[t], v, n * sizeof(REAL));
                    memcpy(k.x[t], x, n * sizeof(REAL));
                }
                FN(any_step)(options, n, &p, x, v, a, s_row, k.u[t], v_reset);
            }
            for (int t = steps - 1; t >= 0; t--) {
                const REAL *theta = p.row[THRESHOLD];
                if (adaptive) {
                    for (int i = 0; i < n; i++) theta_row[i] = p.row[THRESHOLD][i] + p.row[BETA][i] * k.a[t][i];
                    theta = theta_row;
                }
                FN(surrogate)((int)(options >> SURROGATE_SHIFT), n, k.u[t], theta, (REAL)c->constants[TEMPERATURE], g);
                int64_t step = from + t, offset = step * c->size + first;
                const REAL *gs = c->grad_s ? FN(load)(c->storage, c->grad_s, step * c->grad_s_stride + first, n, gs_row) : zero;
                const REAL *gu =
                    c->grad_v_seq ? FN(load)(c->storage, c->grad_v_seq, step * c->grad_v_seq_stride + first, n, gu_row) : zero;
                REAL *gx = FN(target)(c, c->grad_x, offset, gx_row);
#define BACK(soft, adaptive, parameters) \
    FN(step_back)(n, &p, &d, k.u[t], theta, k.a[t], k.v[t], k.x[t], g, gs, gu, gx, v_reset, sign, options, soft, adaptive, parameters); break
                switch ((options & SOFT ? 1 : 0) | adaptive << 1 | parameters << 2) {
                    case 0: BACK(0, 0, 0);
                    case 1: BACK(1, 0, 0);
                    case 2: BACK(0, 1, 0);
                    case 3: BACK(1, 1, 0);
                    case 4: BACK(0, 0, 1);
                    case 5: BACK(1, 0, 1);
                    case 6: BACK(0, 1, 1);
                    default: BACK(1, 1, 1);
                }
#undef BACK
                if (gx == gx_row) FN(store)(c, c->grad_x, offset, n, gx_row);
            }
            if (parameters) FN(flush)(c, &d, slice, first, n);
        }
        memcpy((REAL *)c->grad_v0 + first, d.gv, n * sizeof(REAL));
        if (adaptive) memcpy((REAL *)c->grad_a0 + first, d.ga, n * sizeof(REAL));
    }
#ifdef RANVIER_X86
    if (c->stream) _mm_sfence();
#endif
}

#undef BLOCK
#undef ALIGNED
