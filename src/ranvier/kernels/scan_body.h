/* Forward and recomputing backward for one type (REAL), field (PARTS) and instruction set (ISA); see scan.c.
 *
 * A mode is PARTS vectors, real and imaginary, with one number per lane. Modes are taken GROUP at a time, so that their
 * chains of dependent sums overlap; the last group is filled up with modes that stay zero. */

#define LANES (VECTOR_BYTES / (int)sizeof(REAL))
#define GROUP 4
#define VEC FN(vec)
#define MODE FN(mode)
#define SPACE FN(space)

typedef REAL VEC __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef struct {
    VEC part[PARTS];
} MODE;

/* What one block of lanes works with. */
typedef struct {
    int64_t groups;
    MODE *a, *c, *h, *grad_a, *grad_c; /* [modes, filled up to whole groups]; in the backward h is conj(a) lambda */
    VEC x[CHUNK], y[CHUNK], grad_x[CHUNK];
    MODE seen[CHUNK + 1][GROUP];       /* backward: h of a chunk, and of the step before it */
} SPACE;

INLINE MODE FN(advance)(MODE a, MODE h, VEC x) {
#if PARTS == 2
    return (MODE){{a.part[0] * h.part[0] + (x - a.part[1] * h.part[1]), a.part[0] * h.part[1] + a.part[1] * h.part[0]}};
#else
    return (MODE){{a.part[0] * h.part[0] + x}};
#endif
}

/* y + Re(c h) */
INLINE VEC FN(read)(MODE c, MODE h, VEC y) {
    y += c.part[0] * h.part[0];
#if PARTS == 2
    y -= c.part[1] * h.part[1];
#endif
    return y;
}

/* sum + p conj(q) */
INLINE MODE FN(correlate)(MODE p, MODE q, MODE sum) {
    sum.part[0] += p.part[0] * q.part[0];
#if PARTS == 2
    sum.part[0] += p.part[1] * q.part[1];
    sum.part[1] += p.part[1] * q.part[0];
    sum.part[1] -= p.part[0] * q.part[1];
#endif
    return sum;
}

/* Numbers [row of a lane, mode, part] to vectors of lanes and back; rows repeat after `rows`. */
static void FN(gather)(const void *from, int64_t rows, int64_t modes, int64_t first, int n, MODE *to) {
    for (int lane = 0; from && lane < n; lane++) {
        const REAL *row = (const REAL *)from + (first + lane) % rows * modes * PARTS;
        for (int64_t i = 0; i < modes * PARTS; i++) ((REAL *)to)[i * LANES + lane] = row[i];
    }
}

static void FN(scatter)(const MODE *from, int64_t modes, int64_t first, int n, void *to) {
    for (int lane = 0; to && lane < n; lane++) {
        REAL *row = (REAL *)to + (first + lane) * modes * PARTS;
        for (int64_t i = 0; i < modes * PARTS; i++) row[i] = ((const REAL *)from)[i * LANES + lane];
    }
}

static void FN(sum_by_channel)(const MODE *from, const call *c, int64_t first, int n, double *to) {
    for (int lane = 0; lane < n; lane++) {
        double *row = to + (first + lane) % c->channels * c->modes * PARTS;
        for (int64_t i = 0; i < c->modes * PARTS; i++) row[i] += ((const REAL *)from)[i * LANES + lane];
    }
}

/* A chunk of a sequence: rows of n lanes, far apart. */
static void FN(copy_in)(const void *from, int64_t offset, int64_t stride, int steps, int n, VEC *to) {
    const REAL *row = (const REAL *)from + offset;
    if (n == LANES)
        for (int k = 0; k < steps; k++) memcpy(to + k, row + k * stride, VECTOR_BYTES);
    else
        for (int k = 0; k < steps; k++) memcpy(to + k, row + k * stride, n * sizeof(REAL));
}

static void FN(copy_out)(const VEC *from, int64_t offset, int64_t stride, int steps, int n, void *to) {
    REAL *row = (REAL *)to + offset;
    if (n == LANES)
        for (int k = 0; k < steps; k++) memcpy(row + k * stride, from + k, VECTOR_BYTES);
    else
        for (int k = 0; k < steps; k++) memcpy(row + k * stride, from + k, n * sizeof(REAL));
}

/* The state at the start of a chunk, [mode, part, lane]. */
INLINE REAL *FN(checkpoint)(const call *c, int64_t chunk, int64_t first) {
    return (REAL *)c->checkpoints + (chunk - 1) * c->modes * PARTS * c->lanes + first;
}

static SPACE *FN(open)(const call *c) {
    int64_t groups = (c->modes + GROUP - 1) / GROUP, bytes = groups * GROUP * sizeof(MODE);
    size_t head = (sizeof(SPACE) + 63) / 64 * 64;
    char *memory = aligned_alloc(64, (head + 5 * bytes + 63) / 64 * 64);
    if (!memory) abort();
    SPACE *w = memset(memory, 0, head + 5 * bytes);
    w->groups = groups;
    w->a = (MODE *)(memory + head);
    w->c = (MODE *)(memory + head + bytes);
    w->h = (MODE *)(memory + head + 2 * bytes);
    w->grad_a = (MODE *)(memory + head + 3 * bytes);
    w->grad_c = (MODE *)(memory + head + 4 * bytes);
    return w;
}

static void FN(forward_chunk)(SPACE *w, int steps) {
    for (int k = 0; k < steps; k++) w->y[k] = (VEC){0};
    for (int64_t g = 0; g < w->groups; g++) {
        MODE a[GROUP], c[GROUP], h[GROUP];
        for (int j = 0; j < GROUP; j++) a[j] = w->a[g * GROUP + j], c[j] = w->c[g * GROUP + j], h[j] = w->h[g * GROUP + j];
        for (int k = 0; k < steps; k++) {
            VEC y = w->y[k], x = w->x[k];
            for (int j = 0; j < GROUP; j++) {
                h[j] = FN(advance)(a[j], h[j], x);
                y = FN(read)(c[j], h[j], y);
            }
            w->y[k] = y;
        }
        for (int j = 0; j < GROUP; j++) w->h[g * GROUP + j] = h[j];
    }
}

static void FN(scan_forward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    (void)slice;
    SPACE *w = FN(open)(c);
    for (int64_t first = start; first < stop; first += LANES) {
        int n = stop - first < LANES ? (int)(stop - first) : LANES;
        FN(gather)(c->a, c->channels, c->modes, first, n, w->a);
        FN(gather)(c->c, c->channels, c->modes, first, n, w->c);
        memset(w->h, 0, w->groups * GROUP * sizeof(MODE));
        FN(gather)(c->h0, c->lanes, c->modes, first, n, w->h);
        for (int64_t t = 0; t < c->steps; t += CHUNK) {
            int steps = c->steps - t < CHUNK ? (int)(c->steps - t) : CHUNK;
            if (c->checkpoints && t) {
                REAL *to = FN(checkpoint)(c, t / CHUNK, first);
                for (int64_t i = 0; i < c->modes * PARTS; i++)
                    memcpy(to + i * c->lanes, (VEC *)w->h + i, n * sizeof(REAL));
            }
            FN(copy_in)(c->x, first + t * c->x_stride, c->x_stride, steps, n, w->x);
            FN(forward_chunk)(w, steps);
            FN(copy_out)(w->y, first + t * c->lanes, c->lanes, steps, n, c->y);
        }
        FN(scatter)(w->h, c->modes, first, n, c->h);
    }
    free(w);
}

/* One group of modes over a chunk, forwards once more and then backwards. */
static void FN(backward_chunk)(SPACE *w, int64_t g, int steps) {
    MODE a[GROUP], c[GROUP], adjoint[GROUP], grad_a[GROUP] = {0}, grad_c[GROUP] = {0};
    for (int j = 0; j < GROUP; j++)
        a[j] = w->a[g * GROUP + j], c[j] = w->c[g * GROUP + j], adjoint[j] = w->h[g * GROUP + j];
    for (int k = 0; k < steps; k++)
        for (int j = 0; j < GROUP; j++) w->seen[k + 1][j] = FN(advance)(a[j], w->seen[k][j], w->x[k]);
    for (int j = 0; j < GROUP; j++) {
        for (int k = steps - 1; k >= 0; k--) {
            VEC grad_y = w->y[k];
            MODE lambda = adjoint[j], read = {{grad_y}};
            lambda.part[0] += c[j].part[0] * grad_y;
#if PARTS == 2
            lambda.part[1] -= c[j].part[1] * grad_y;
#endif
            w->grad_x[k] += lambda.part[0];
            grad_a[j] = FN(correlate)(lambda, w->seen[k][j], grad_a[j]);
            grad_c[j] = FN(correlate)(read, w->seen[k + 1][j], grad_c[j]);
            adjoint[j] = FN(correlate)(lambda, a[j], (MODE){0});
        }
    }
    for (int j = 0; j < GROUP; j++) {
        w->h[g * GROUP + j] = adjoint[j];
        for (int p = 0; p < PARTS; p++) {
            w->grad_a[g * GROUP + j].part[p] += grad_a[j].part[p];
            w->grad_c[g * GROUP + j].part[p] += grad_c[j].part[p];
        }
    }
}

static void FN(scan_backward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    SPACE *w = FN(open)(c);
    int64_t bytes = w->groups * GROUP * sizeof(MODE), size = c->channels * c->modes * PARTS;
    MODE *rest = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!rest) abort();
    for (int64_t first = start; first < stop; first += LANES) {
        int n = stop - first < LANES ? (int)(stop - first) : LANES;
        FN(gather)(c->a, c->channels, c->modes, first, n, w->a);
        FN(gather)(c->c, c->channels, c->modes, first, n, w->c);
        memset(rest, 0, bytes);
        FN(gather)(c->h0, c->lanes, c->modes, first, n, rest);
        memset(w->h, 0, bytes);
        FN(gather)(c->grad_h, c->lanes, c->modes, first, n, w->h);
        memset(w->grad_a, 0, bytes);
        memset(w->grad_c, 0, bytes);
        for (int64_t chunk = (c->steps + CHUNK - 1) / CHUNK - 1; chunk >= 0; chunk--) {
            int64_t t = chunk * CHUNK;
            int steps = c->steps - t < CHUNK ? (int)(c->steps - t) : CHUNK;
            FN(copy_in)(c->x, first + t * c->x_stride, c->x_stride, steps, n, w->x);
            if (c->grad_y) FN(copy_in)(c->grad_y, first + t * c->grad_y_stride, c->grad_y_stride, steps, n, w->y);
            memset(w->grad_x, 0, sizeof w->grad_x);
            for (int64_t g = 0; g < w->groups; g++) {
                for (int j = 0; j < GROUP; j++) {
                    int64_t mode = g * GROUP + j;
                    w->seen[0][j] = rest[mode];
                    for (int p = 0; chunk && mode < c->modes && p < PARTS; p++)
                        memcpy(&w->seen[0][j].part[p],
                               FN(checkpoint)(c, chunk, first) + (mode * PARTS + p) * c->lanes, n * sizeof(REAL));
                }
                FN(backward_chunk)(w, g, steps);
            }
            FN(copy_out)(w->grad_x, first + t * c->lanes, c->lanes, steps, n, c->grad_x);
        }
        FN(scatter)(w->h, c->modes, first, n, c->grad_h0);
        FN(sum_by_channel)(w->grad_a, c, first, n, c->grad_a + slice * size);
        FN(sum_by_channel)(w->grad_c, c, first, n, c->grad_c + slice * size);
    }
    free(rest);
    free(w);
}

#undef LANES
#undef GROUP
#undef VEC
#undef MODE
#undef SPACE
