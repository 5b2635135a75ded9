/* Forward and recomputing backward for one type (REAL) and instruction set (ISA); see selective_scan.c.
 *
 * Modes are taken GROUP at a time, so that their chains of dependent sums overlap; the last group is filled up with
 * modes that stay zero. */

#define LANES (VECTOR_BYTES / BYTES)
#if LANES == 2
#define EVEN 0, 2
#define ODD 1, 3
#elif LANES == 4
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#elif LANES == 8
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#else
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#endif
#define VEC FN(vec)
#define MASK FN(mask)
#define SPACE FN(space)

typedef REAL VEC __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef INTEGER MASK __attribute__((vector_size(VECTOR_BYTES), may_alias));

/* What one block of lanes works with. */
typedef struct {
    int64_t modes;                                    /* filled up to whole groups */
    VEC *a, *h, *rest, *grad_a;                       /* [modes]; in the backward h is the adjoint, kept times lambda */
    REAL *b, *c;                                      /* [CHUNK, modes], of the chunk at hand */
    VEC d, grad_d;
    VEC x[CHUNK], dt[CHUNK], y[CHUNK];                /* in the backward y is the gradient of y */
    VEC grad_drive[CHUNK], grad_dt[CHUNK];            /* the first: of dt x */
    VEC seen[CHUNK + 1][GROUP], kept[CHUNK][GROUP];   /* h of a chunk, and of the step before it; exp(dt a) */
} SPACE;

INLINE VEC FN(where)(MASK m, VEC yes, VEC no) { return (VEC)(((MASK)yes & m) | ((MASK)no & ~m)); }

/* exp(x); zero and infinite where it would leave the normal numbers. */
INLINE VEC FN(exponential)(VEC x) {
    const VEC least = (VEC){0} + LEAST, most = (VEC){0} + MOST;
    const MASK low = x < least, high = x > most;
    const VEC t = FN(where)(low, least, FN(where)(high, most, x));
    const VEC shifted = t * (REAL)1.4426950408889634 + ROUND, n = shifted - ROUND;
    const VEC r = (t - n * LN2_HIGH) - n * LN2_LOW;
    VEC sum = (VEC){0} + (REAL)TAYLOR[DEGREE];
    for (int i = DEGREE - 1; i >= 0; i--) sum = sum * r + (REAL)TAYLOR[i];
    const VEC power = (VEC)(((MASK)shifted - (MASK)((VEC){0} + ROUND) + BIAS) << MANTISSA);
    return FN(where)(high, (VEC){0} + (REAL)__builtin_inf(), (VEC)((MASK)(sum * power) & ~low));
}

/* The sums of neighbours: of u in the lower half of what it returns, of v in the upper. */
INLINE VEC FN(neighbours)(VEC u, VEC v) {
#ifdef __clang__
    return __builtin_shufflevector(u, v, EVEN) + __builtin_shufflevector(u, v, ODD);
#else
    return __builtin_shuffle(u, v, (MASK){EVEN}) + __builtin_shuffle(u, v, (MASK){ODD});
#endif
}

/* The sums over the lanes of SUMS vectors, all at once; the vectors are used up. */
INLINE void FN(totals)(VEC *parts, REAL *sums) {
    int vectors = SUMS;
    for (int lanes = LANES; lanes > 1; lanes /= 2)
        if (vectors > 1) {
            vectors /= 2;
            for (int i = 0; i < vectors; i++) parts[i] = FN(neighbours)(parts[2 * i], parts[2 * i + 1]);
        } else
            parts[0] = FN(neighbours)(parts[0], parts[0]);
    memcpy(sums, parts, SUMS * sizeof(REAL));
}

/* Numbers [row of a lane, mode] to vectors of lanes and back. */
static void FN(gather)(const void *from, int64_t first, int64_t modes, int n, VEC *to) {
    for (int lane = 0; from && lane < n; lane++) {
        const REAL *row = (const REAL *)from + (first + lane) * modes;
        for (int64_t i = 0; i < modes; i++) ((REAL *)to)[i * LANES + lane] = row[i];
    }
}

static void FN(scatter)(const VEC *from, int64_t first, int64_t modes, int n, void *to) {
    for (int lane = 0; to && lane < n; lane++) {
        REAL *row = (REAL *)to + (first + lane) * modes;
        for (int64_t i = 0; i < modes; i++) row[i] = ((const REAL *)from)[i * LANES + lane];
    }
}

/* A chunk of a sequence: rows of n lanes, far apart; lanes that are not there hold zeros, for sums over lanes. */
static void FN(copy_in)(const void *from, int64_t offset, int64_t stride, int steps, int n, VEC *to) {
    const REAL *row = (const REAL *)from + offset;
    if (n == LANES)
        for (int k = 0; k < steps; k++) memcpy(to + k, row + k * stride, VECTOR_BYTES);
    else
        for (int k = 0; k < steps; k++) {
            to[k] = (VEC){0};
            memcpy(to + k, row + k * stride, n * sizeof(REAL));
        }
}

static void FN(copy_out)(const VEC *from, int64_t offset, int64_t stride, int steps, int n, void *to) {
    REAL *row = (REAL *)to + offset;
    if (n == LANES)
        for (int k = 0; k < steps; k++) memcpy(row + k * stride, from + k, VECTOR_BYTES);
    else
        for (int k = 0; k < steps; k++) memcpy(row + k * stride, from + k, n * sizeof(REAL));
}

/* b or c of a chunk of one sample, each step filled up with zeros to whole groups. */
static void FN(copy_modes)(const void *from, const call *c, int64_t t, int64_t sample, int steps, int64_t apart, REAL *to) {
    const REAL *row = (const REAL *)from + (t * c->batch + sample) * c->modes;
    for (int k = 0; k < steps; k++) memcpy(to + k * apart, row + k * c->batch * c->modes, c->modes * sizeof(REAL));
}

/* The state at the start of a chunk, [mode, lane]. */
INLINE REAL *FN(checkpoint)(const call *c, int64_t chunk, int64_t first) {
    return (REAL *)c->checkpoints + (chunk - 1) * c->modes * c->batch * c->channels + first;
}

static SPACE *FN(open)(const call *c) {
    int64_t modes = (c->modes + GROUP - 1) / GROUP * GROUP;
    size_t head = (sizeof(SPACE) + 63) / 64 * 64, tail = 4 * modes * sizeof(VEC) + 2 * CHUNK * modes * sizeof(REAL);
    char *memory = aligned_alloc(64, (head + tail + 63) / 64 * 64);
    if (!memory) abort();
    memset(memory + head, 0, tail);
    SPACE *s = (SPACE *)memory;
    s->modes = modes;
    s->a = (VEC *)(memory + head);
    s->h = s->a + modes;
    s->rest = s->h + modes;
    s->grad_a = s->rest + modes;
    s->b = (REAL *)(s->grad_a + modes);
    s->c = s->b + CHUNK * modes;
    return s;
}

/* Lanes from `first` on that one vector takes: none of the next sample, whose b and c differ. */
INLINE int FN(block)(const call *c, int64_t first, int64_t stop) {
    int64_t n = c->channels - first % c->channels;
    if (n > stop - first) n = stop - first;
    return n < LANES ? (int)n : LANES;
}

/* What does not change along a sequence. */
static void FN(settle)(SPACE *s, const call *c, int64_t first, int n) {
    FN(gather)(c->a, first % c->channels, c->modes, n, s->a);
    s->d = (VEC){0};
    memcpy(&s->d, (const REAL *)c->d + first % c->channels, n * sizeof(REAL));
}

/* Inputs of a chunk of steps. */
static int FN(read)(SPACE *s, const call *c, int64_t t, int64_t first, int n) {
    int steps = c->steps - t < CHUNK ? (int)(c->steps - t) : CHUNK;
    FN(copy_in)(c->x, first + t * c->x_stride, c->x_stride, steps, n, s->x);
    FN(copy_in)(c->dt, first + t * c->dt_stride, c->dt_stride, steps, n, s->dt);
    FN(copy_modes)(c->b, c, t, first / c->channels, steps, s->modes, s->b);
    FN(copy_modes)(c->c, c, t, first / c->channels, steps, s->modes, s->c);
    return steps;
}

static void FN(forward_chunk)(SPACE *s, int steps) {
    for (int k = 0; k < steps; k++) s->y[k] = s->d * s->x[k];
    for (int64_t g = 0; g < s->modes; g += GROUP) {
        VEC a[GROUP], h[GROUP];
        for (int j = 0; j < GROUP; j++) a[j] = s->a[g + j], h[j] = s->h[g + j];
        for (int k = 0; k < steps; k++) {
            const REAL *b = s->b + k * s->modes + g, *c = s->c + k * s->modes + g;
            VEC y = s->y[k], dt = s->dt[k], drive = dt * s->x[k];
            for (int j = 0; j < GROUP; j++) {
                h[j] = FN(exponential)(dt * a[j]) * h[j] + drive * b[j];
                y += h[j] * c[j];
            }
            s->y[k] = y;
        }
        for (int j = 0; j < GROUP; j++) s->h[g + j] = h[j];
    }
}

static void FN(selective_forward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    (void)slice;
    const int64_t lanes = c->batch * c->channels;
    SPACE *s = FN(open)(c);
    for (int64_t first = start; first < stop;) {
        const int n = FN(block)(c, first, stop);
        FN(settle)(s, c, first, n);
        memset(s->h, 0, s->modes * sizeof(VEC));
        FN(gather)(c->h0, first, c->modes, n, s->h);
        for (int64_t t = 0; t < c->steps; t += CHUNK) {
            if (c->checkpoints && t) {
                REAL *to = FN(checkpoint)(c, t / CHUNK, first);
                for (int64_t i = 0; i < c->modes; i++) memcpy(to + i * lanes, s->h + i, n * sizeof(REAL));
            }
            const int steps = FN(read)(s, c, t, first, n);
            FN(forward_chunk)(s, steps);
            FN(copy_out)(s->y, first + t * lanes, lanes, steps, n, c->y);
        }
        FN(scatter)(s->h, first, c->modes, n, c->h);
        first += n;
    }
    free(s);
}

/* One group of modes, of which `real` are none that stay zero, over a chunk: forwards once more and then backwards. */
INLINE void FN(backward_chunk)(SPACE *s, int64_t g, int steps, int real, int64_t stride, REAL *of_b, REAL *of_c) {
    VEC a[GROUP], adjoint[GROUP], grad_a[GROUP] = {0};
    for (int j = 0; j < GROUP; j++) a[j] = s->a[g + j], adjoint[j] = s->h[g + j];
    for (int k = 0; k < steps; k++) {
        const REAL *b = s->b + k * s->modes + g;
        const VEC dt = s->dt[k], drive = dt * s->x[k];
        for (int j = 0; j < GROUP; j++) {
            s->kept[k][j] = FN(exponential)(dt * a[j]);
            s->seen[k + 1][j] = s->kept[k][j] * s->seen[k][j] + drive * b[j];
        }
    }
    for (int k = steps - 1; k >= 0; k--) {
        const REAL *b = s->b + k * s->modes + g, *c = s->c + k * s->modes + g;
        const VEC grad_y = s->y[k], dt = s->dt[k], drive = dt * s->x[k];
        VEC grad_drive = s->grad_drive[k], grad_dt = s->grad_dt[k], parts[SUMS];
        REAL sums[SUMS];
        for (int j = 0; j < GROUP; j++) {
            const VEC lambda = adjoint[j] + grad_y * c[j];
            adjoint[j] = s->kept[k][j] * lambda;
            const VEC of_exponent = adjoint[j] * s->seen[k][j];
            grad_drive += lambda * b[j];
            grad_dt += a[j] * of_exponent;
            grad_a[j] += dt * of_exponent;
            parts[j] = lambda * drive;
            parts[GROUP + j] = grad_y * s->seen[k + 1][j];
        }
        FN(totals)(parts, sums);
        for (int j = 0; j < real; j++) {
            of_b[k * stride + j] += sums[j];
            of_c[k * stride + j] += sums[GROUP + j];
        }
        s->grad_drive[k] = grad_drive;
        s->grad_dt[k] = grad_dt;
    }
    for (int j = 0; j < GROUP; j++) s->h[g + j] = adjoint[j], s->grad_a[g + j] += grad_a[j];
}

/* A chunk of all modes, from its checkpoint. */
static void FN(backward_modes)(SPACE *s, const call *c, int64_t slice, int64_t chunk, int64_t first, int n) {
    const int64_t lanes = c->batch * c->channels, t = chunk * CHUNK, stride = c->batch * c->modes;
    const int64_t of_step = (slice * c->steps + t) * stride + first / c->channels * c->modes;
    const int steps = FN(read)(s, c, t, first, n);
    if (c->grad_y)
        FN(copy_in)(c->grad_y, first + t * c->grad_y_stride, c->grad_y_stride, steps, n, s->y);
    else
        memset(s->y, 0, sizeof s->y);
    memset(s->grad_drive, 0, sizeof s->grad_drive);
    memset(s->grad_dt, 0, sizeof s->grad_dt);
    for (int64_t g = 0; g < s->modes; g += GROUP) {
        const int real = c->modes - g < GROUP ? (int)(c->modes - g) : GROUP;
        for (int j = 0; j < GROUP; j++) {
            s->seen[0][j] = s->rest[g + j];
            if (chunk && j < real)
                memcpy(&s->seen[0][j], FN(checkpoint)(c, chunk, first) + (g + j) * lanes, n * sizeof(REAL));
        }
        REAL *of_b = (REAL *)c->grad_b + of_step + g, *of_c = (REAL *)c->grad_c + of_step + g;
        if (real == GROUP)
            FN(backward_chunk)(s, g, steps, GROUP, stride, of_b, of_c);
        else
            FN(backward_chunk)(s, g, steps, real, stride, of_b, of_c);
    }
    for (int k = 0; k < steps; k++) {
        s->grad_d += s->y[k] * s->x[k];
        s->grad_dt[k] += s->grad_drive[k] * s->x[k];
        s->grad_drive[k] = s->grad_drive[k] * s->dt[k] + s->d * s->y[k];
    }
    FN(copy_out)(s->grad_drive, first + t * lanes, lanes, steps, n, c->grad_x);
    FN(copy_out)(s->grad_dt, first + t * lanes, lanes, steps, n, c->grad_dt);
}

static void FN(selective_backward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    SPACE *s = FN(open)(c);
    const int64_t bytes = s->modes * sizeof(VEC);
    for (int64_t first = start; first < stop;) {
        const int n = FN(block)(c, first, stop);
        FN(settle)(s, c, first, n);
        memset(s->rest, 0, bytes);
        FN(gather)(c->h0, first, c->modes, n, s->rest);
        memset(s->h, 0, bytes);
        FN(gather)(c->grad_h, first, c->modes, n, s->h);
        memset(s->grad_a, 0, bytes);
        s->grad_d = (VEC){0};
        for (int64_t chunk = (c->steps + CHUNK - 1) / CHUNK - 1; chunk >= 0; chunk--)
            FN(backward_modes)(s, c, slice, chunk, first, n);
        FN(scatter)(s->h, first, c->modes, n, c->grad_h0);
        for (int lane = 0; lane < n; lane++) {
            const int64_t channel = slice * c->channels + first % c->channels + lane;
            c->grad_d[channel] += s->grad_d[lane];
            for (int64_t i = 0; i < c->modes; i++) c->grad_a[channel * c->modes + i] += s->grad_a[i][lane];
        }
        first += n;
    }
    free(s);
}

#undef LANES
#undef EVEN
#undef ODD
#undef VEC
#undef MASK
#undef SPACE
