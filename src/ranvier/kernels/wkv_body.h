/* Forward and recomputing backward for one type (REAL) and instruction set (ISA); see wkv.c. */

#define LANES (VECTOR_BYTES / BYTES)
#define BLOCK (VECTORS * LANES)
#define VEC FN(vec)
#define MASK FN(mask)
#define STATE FN(state)
#define SPACE FN(space)

typedef REAL VEC __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef INTEGER MASK __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef struct {
    VEC a, b, p;
} STATE;

/* What one block of lanes works with. */
typedef struct {
    STATE h[VECTORS], seen[CHUNK][VECTORS];              /* the second: before each step of a chunk */
    VEC w[VECTORS], u[VECTORS];
    VEC grad_a[VECTORS], grad_b[VECTORS];                /* of the state after the step at hand */
    VEC grad_w[VECTORS], grad_u[VECTORS];                /* sums of a chunk */
} SPACE;

INLINE VEC FN(where)(MASK m, VEC yes, VEC no) { return (VEC)(((MASK)yes & m) | ((MASK)no & ~m)); }

/* exp(-|x|); zero where it would leave the normal numbers. */
INLINE VEC FN(falling)(VEC x) {
    const VEC least = (VEC){0} + LEAST, down = FN(where)(x < 0, x, -x);
    const MASK gone = down < least;
    VEC t = FN(where)(gone, least, down), shifted = t * (REAL)1.4426950408889634 + ROUND, n = shifted - ROUND;
    VEC r = (t - n * LN2_HIGH) - n * LN2_LOW, sum = (VEC){0} + 1;
    for (int i = DEGREE; i > 0; i--) sum = 1 + sum * r * ((REAL)1 / i);
    VEC power = (VEC)(((MASK)shifted - (MASK)((VEC){0} + ROUND) + BIAS) << MANTISSA);
    return (VEC)((MASK)(sum * power) & ~gone);
}

/* exp(x - max(x, y)) and exp(y - max(x, y)): one of the two is 1. */
INLINE MASK FN(weights)(VEC x, VEC y, VEC *of_x, VEC *of_y) {
    const VEC difference = x - y, e = FN(falling)(difference), one = (VEC){0} + 1;
    const MASK first = difference >= 0;
    *of_x = FN(where)(first, one, e);
    *of_y = FN(where)(first, e, one);
    return first;
}

INLINE STATE FN(advance)(STATE h, VEC k, VEC v, VEC w) {
    VEC past, present, kept = h.p + w;
    MASK older = FN(weights)(kept, k, &past, &present);
    return (STATE){past * h.a + present * v, past * h.b + present, FN(where)(older, kept, k)};
}

/* n numbers of a row, the vectors one after the other; where n is a whole block, the compiler knows. */
INLINE VEC FN(load)(const REAL *row, int i, int n) {
    VEC x = {0};
    int left = n - i * LANES;
    if (left >= LANES)
        memcpy(&x, row + i * LANES, VECTOR_BYTES);
    else if (left > 0)
        memcpy(&x, row + i * LANES, left * sizeof(REAL));
    return x;
}

INLINE void FN(store)(REAL *row, int i, int n, VEC x) {
    int left = n - i * LANES;
    if (left >= LANES)
        memcpy(row + i * LANES, &x, VECTOR_BYTES);
    else if (left > 0)
        memcpy(row + i * LANES, &x, left * sizeof(REAL));
}

/* One number of each lane, of its channel, or a constant where there is none. */
INLINE void FN(gather)(const void *from, int64_t rows, int64_t first, int n, REAL otherwise, VEC *to, int64_t step) {
    for (int lane = 0; lane < BLOCK; lane++)
        ((REAL *)(to + lane / LANES * step))[lane % LANES] =
            from && lane < n ? ((const REAL *)from)[(first + lane) % rows] : otherwise;
}

static void FN(open)(SPACE *s, const call *c, int64_t first, int n) {
    const int64_t apart = sizeof(STATE) / sizeof(VEC);
    FN(gather)(c->w, c->channels, first, n, 0, s->w, 1);
    FN(gather)(c->u, c->channels, first, n, 0, s->u, 1);
    FN(gather)(c->a0, c->lanes, first, n, 0, &s->h[0].a, apart);
    FN(gather)(c->b0, c->lanes, first, n, 0, &s->h[0].b, apart);
    FN(gather)(c->p0, c->lanes, first, n, (REAL)-1e38, &s->h[0].p, apart);
}

/* a, b and p at the start of a chunk, [3, lanes]. */
INLINE REAL *FN(checkpoint)(const call *c, int64_t chunk) {
    return (REAL *)c->checkpoints + (chunk - 1) * 3 * c->lanes;
}

INLINE void FN(keep)(const SPACE *s, int n, REAL *a, REAL *b, REAL *p) {
    for (int i = 0; i < VECTORS; i++) {
        FN(store)(a, i, n, s->h[i].a);
        FN(store)(b, i, n, s->h[i].b);
        FN(store)(p, i, n, s->h[i].p);
    }
}

INLINE void FN(forward_block)(SPACE *s, const call *c, int64_t first, int n) {
    for (int64_t t = 0; t < c->steps; t++) {
        if (c->checkpoints && t && t % CHUNK == 0) {
            REAL *to = FN(checkpoint)(c, t / CHUNK) + first;
            FN(keep)(s, n, to, to + c->lanes, to + 2 * c->lanes);
        }
        const REAL *k_row = (const REAL *)c->k + t * c->k_stride + first;
        const REAL *v_row = (const REAL *)c->v + t * c->v_stride + first;
        REAL *y_row = (REAL *)c->y + t * c->lanes + first;
        for (int i = 0; i < VECTORS; i++) {
            const STATE h = s->h[i];
            VEC k = FN(load)(k_row, i, n), v = FN(load)(v_row, i, n), past, present;
            FN(weights)(h.p, s->u[i] + k, &past, &present);
            FN(store)(y_row, i, n, (past * h.a + present * v) / (past * h.b + present));
            s->h[i] = FN(advance)(h, k, v, s->w[i]);
        }
    }
    FN(keep)(s, n, (REAL *)c->a + first, (REAL *)c->b + first, (REAL *)c->p + first);
}

static void FN(wkv_forward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    (void)slice;
    SPACE *s = aligned_alloc(64, (sizeof(SPACE) + 63) / 64 * 64);
    if (!s) abort();
    for (int64_t first = start; first < stop; first += BLOCK) {
        int n = stop - first < BLOCK ? (int)(stop - first) : BLOCK;
        FN(open)(s, c, first, n);
        if (n == BLOCK)
            FN(forward_block)(s, c, first, BLOCK);
        else
            FN(forward_block)(s, c, first, n);
    }
    free(s);
}

/* A chunk, forwards once more and then backwards. */
INLINE void FN(backward_chunk)(SPACE *s, const call *c, int64_t chunk, int64_t first, int n) {
    const int64_t from = chunk * CHUNK;
    const int steps = c->steps - from < CHUNK ? (int)(c->steps - from) : CHUNK;
    const REAL *k_rows = (const REAL *)c->k + from * c->k_stride + first;
    const REAL *v_rows = (const REAL *)c->v + from * c->v_stride + first;
    const REAL *grad_rows = c->grad_y ? (const REAL *)c->grad_y + from * c->grad_y_stride + first : NULL;
    for (int t = 0; t < steps; t++)
        for (int i = 0; i < VECTORS; i++) {
            s->seen[t][i] = s->h[i];
            VEC k = FN(load)(k_rows + t * c->k_stride, i, n), v = FN(load)(v_rows + t * c->v_stride, i, n);
            s->h[i] = FN(advance)(s->h[i], k, v, s->w[i]);
        }
    for (int t = steps - 1; t >= 0; t--) {
        const int64_t row = (from + t) * c->lanes + first;
        for (int i = 0; i < VECTORS; i++) {
            const STATE h = s->seen[t][i];
            const VEC k = FN(load)(k_rows + t * c->k_stride, i, n), v = FN(load)(v_rows + t * c->v_stride, i, n);
            VEC past, present, kept, added;
            FN(weights)(h.p, s->u[i] + k, &past, &present);
            const VEC sum = past * h.b + present, y = (past * h.a + present * v) / sum;
            const VEC grad_y = grad_rows ? FN(load)(grad_rows + t * c->grad_y_stride, i, n) : (VEC){0};
            const VEC of_value = grad_y / sum, of_weight = -of_value * y;
            FN(weights)(h.p + s->w[i], k, &kept, &added);
            const VEC of_u = present * (of_value * v + of_weight), grad_a = s->grad_a[i], grad_b = s->grad_b[i];
            FN(store)((REAL *)c->grad_k + row, i, n, of_u + added * (grad_a * v + grad_b));
            FN(store)((REAL *)c->grad_v + row, i, n, present * of_value + added * grad_a);
            s->grad_u[i] += of_u;
            s->grad_w[i] += kept * (grad_a * h.a + grad_b * h.b);
            s->grad_a[i] = past * of_value + kept * grad_a;
            s->grad_b[i] = past * of_weight + kept * grad_b;
        }
    }
}

INLINE void FN(sum_by_channel)(VEC *from, const call *c, int64_t first, int n, double *to) {
    for (int lane = 0; lane < n; lane++) to[(first + lane) % c->channels] += from[lane / LANES][lane % LANES];
    memset(from, 0, VECTORS * sizeof(VEC));
}

static void FN(wkv_backward)(const call *c, int64_t slice, int64_t start, int64_t stop) {
    SPACE *s = aligned_alloc(64, (sizeof(SPACE) + 63) / 64 * 64);
    if (!s) abort();
    memset(s->grad_w, 0, sizeof s->grad_w);
    memset(s->grad_u, 0, sizeof s->grad_u);
    for (int64_t first = start; first < stop; first += BLOCK) {
        int n = stop - first < BLOCK ? (int)(stop - first) : BLOCK;
        FN(gather)(c->grad_a, c->lanes, first, n, 0, s->grad_a, 1);
        FN(gather)(c->grad_b, c->lanes, first, n, 0, s->grad_b, 1);
        for (int64_t chunk = (c->steps + CHUNK - 1) / CHUNK - 1; chunk >= 0; chunk--) {
            FN(open)(s, c, first, n);
            if (chunk)
                for (int i = 0; i < VECTORS; i++) {
                    const REAL *a = FN(checkpoint)(c, chunk) + first, *b = a + c->lanes, *p = b + c->lanes;
                    s->h[i] = (STATE){FN(load)(a, i, n), FN(load)(b, i, n), FN(load)(p, i, n)};
                }
            if (n == BLOCK)
                FN(backward_chunk)(s, c, chunk, first, BLOCK);
            else
                FN(backward_chunk)(s, c, chunk, first, n);
            FN(sum_by_channel)(s->grad_w, c, first, n, c->grad_w + slice * c->channels);
            FN(sum_by_channel)(s->grad_u, c, first, n, c->grad_u + slice * c->channels);
        }
        for (int i = 0; c->grad_a0 && i < VECTORS; i++) {
            FN(store)((REAL *)c->grad_a0 + first, i, n, s->grad_a[i]);
            FN(store)((REAL *)c->grad_b0 + first, i, n, s->grad_b[i]);
        }
    }
    free(s);
}

#undef LANES
#undef BLOCK
#undef VEC
#undef MASK
#undef STATE
#undef SPACE
