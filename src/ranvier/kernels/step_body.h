/* The operations of step.c within one instruction set; n and at are those that step.py packs. */

#define LANES (VECTOR_BYTES / (int)sizeof(float))
#define VECTORS (PANEL / LANES)
#define VEC FN(vec)

typedef float VEC __attribute__((vector_size(VECTOR_BYTES), may_alias));

INLINE VEC FN(load)(const float *from) {
    VEC x;
    memcpy(&x, from, VECTOR_BYTES);
    return x;
}

/* exp(x) = 2^n (1 + r + ... r^7/7!) with |r| < 0.35, x held to the normal numbers; branchless, for loops of it. */
INLINE float FN(exponential)(float x) {
    float t = x < -87.0f ? -87.0f : x;
    t = t > 88.0f ? 88.0f : t;
    const float round = 0x1.8p23f, shifted = t * 1.44269504f + round, n = shifted - round;
    const float r = (t - n * 0x1.62ep-1f) - n * 0x1.0bfbe8p-15f;
    float sum = 1 + r * (1.0f / 7);
    sum = 1 + sum * r * (1.0f / 6);
    sum = 1 + sum * r * (1.0f / 5);
    sum = 1 + sum * r * (1.0f / 4);
    sum = 1 + sum * r * (1.0f / 3);
    sum = 1 + sum * r * (1.0f / 2);
    sum = 1 + sum * r;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits - 0x4b400000 + 127) << 23; /* 0x4b400000 are the bits of `round` */
    float power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

INLINE float FN(sigmoid)(float x) { return 1 / (1 + FN(exponential)(-x)); }

INLINE float FN(hyperbolic)(float x) { return 1 - 2 / (1 + FN(exponential)(2 * x)); }

/* log(1 + exp(x)); log(1 + t) = 2 artanh(t / (2 + t)), whose argument is at most 1/3. */
INLINE float FN(softplus)(float x) {
    const float size = x < 0 ? -x : x, t = FN(exponential)(-size), s = t / (2 + t), q = s * s;
    float sum = 1.0f / 15;
    sum = 1.0f / 13 + q * sum;
    sum = 1.0f / 11 + q * sum;
    sum = 1.0f / 9 + q * sum;
    sum = 1.0f / 7 + q * sum;
    sum = 1.0f / 5 + q * sum;
    sum = 1.0f / 3 + q * sum;
    sum = 1 + q * sum;
    return (x > 0 ? x : 0) + 2 * s * sum;
}

/* The error function within 1.5e-7: Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26. */
INLINE float FN(error)(float x) {
    const float size = x < 0 ? -x : x, t = 1 / (1 + 0.3275911f * size);
    float sum = -1.453152027f + t * 1.061405429f;
    sum = 1.421413741f + t * sum;
    sum = -0.284496736f + t * sum;
    sum = 0.254829592f + t * sum;
    const float y = 1 - t * sum * FN(exponential)(-size * size);
    return x < 0 ? -y : y;
}

INLINE float FN(dot)(const float *x, const float *y, int64_t n) {
    VEC sums = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) sums = MULTIPLY_ADD(FN(load)(x + i), FN(load)(y + i), sums);
    float sum = FOLD(sums);
    for (; i < n; i++) sum += x[i] * y[i];
    return sum;
}

static void FN(standardise)(const record *r) {
    const float *restrict x = r->at[0], *restrict mean = r->at[1], *restrict gain = r->at[2];
    float *restrict y = r->at[3];
    for (int64_t i = 0; i < r->n[0]; i++) {
        const float z = (x[i] - mean[i]) * gain[i];
        y[i] = z == z ? z : 0;
    }
}

static void FN(affine)(const record *r) {
    const float *restrict x = r->at[0], *restrict gain = r->at[1], *restrict offset = r->at[2];
    float *restrict y = r->at[3];
    for (int64_t i = 0; i < r->n[0]; i++) y[i] = x[i] * gain[i] + offset[i];
}

static void FN(add)(const record *r) {
    const float *restrict x = r->at[0], *restrict other = r->at[1];
    float *restrict y = r->at[2];
    for (int64_t i = 0; i < r->n[0]; i++) y[i] = x[i] + other[i];
}

/* Panels `first` to `first + together` of y = scale W x + b, with `count` columns: those named, or all. */
INLINE void FN(panels)(const record *r, int64_t first, const int together, const int bytes, const int32_t *named,
                       int64_t count) {
    const int64_t rows = r->n[0], columns = r->n[1];
    const char *weights = (const char *)r->at[0] + first * columns * PANEL * bytes;
    const float *scale = r->at[1], *bias = r->at[2], *x = r->at[3];
    float *y = r->at[4];
    VEC sums[TOGETHER * VECTORS] = {0};
    for (int64_t k = 0; k < count; k++) {
        const int64_t j = named ? named[k] : k;
        const VEC value = x[j] - (VEC){0};
        for (int p = 0; p < together; p++)
            for (int i = 0; i < VECTORS; i++) {
                const char *w = weights + ((p * columns + j) * PANEL + i * LANES) * bytes;
                const VEC weight = bytes == 1 ? WIDEN((const signed char *)w) : FN(load)((const float *)w);
                sums[p * VECTORS + i] = MULTIPLY_ADD(weight, value, sums[p * VECTORS + i]);
            }
    }
    for (int i = 0; i < together * VECTORS; i++) {
        const int64_t row = first * PANEL + i * LANES, left = rows - row < LANES ? rows - row : LANES;
        for (int64_t l = 0; l < left; l++)
            y[row + l] = (bytes == 1 ? sums[i][l] * scale[row + l] : sums[i][l]) + (bias ? bias[row + l] : 0);
    }
}

INLINE void FN(matrix)(const record *r, const int bytes, const int32_t *named, int64_t count) {
    const int64_t panels = (r->n[0] + PANEL - 1) / PANEL;
    int64_t first = 0;
    for (; first + TOGETHER <= panels; first += TOGETHER) FN(panels)(r, first, TOGETHER, bytes, named, count);
    for (; first < panels; first++) FN(panels)(r, first, 1, bytes, named, count);
}

static void FN(linear)(const record *r) {
    if (r->at[1])
        FN(matrix)(r, 1, NULL, r->n[1]);
    else
        FN(matrix)(r, 4, NULL, r->n[1]);
}

static void FN(spikes)(const record *r) {
    const float *x = r->at[3];
    int32_t *active = r->at[5];
    int64_t count = 0;
    for (int64_t j = 0; j < r->n[1]; j++) {
        active[count] = (int32_t)j;
        count += x[j] != 0;
    }
    if (r->at[1])
        FN(matrix)(r, 1, active, count);
    else
        FN(matrix)(r, 4, active, count);
}

static void FN(layer_norm)(const record *r) {
    const int64_t n = r->n[0];
    const float *restrict x = r->at[0], *restrict gain = r->at[1], *restrict offset = r->at[2];
    const float *ones = r->at[3];
    float *restrict y = r->at[4];
    const float mean = FN(dot)(x, ones, n) / n;
    for (int64_t i = 0; i < n; i++) y[i] = x[i] - mean;
    const float rate = 1 / sqrtf(FN(dot)(y, y, n) / n + (float)r->number);
    for (int64_t i = 0; i < n; i++) y[i] = y[i] * rate * gain[i] + offset[i];
}

static void FN(rms_norm)(const record *r) {
    const int64_t n = r->n[0];
    const float *restrict x = r->at[0], *restrict gain = r->at[1];
    float *restrict y = r->at[2];
    const float rate = 1 / sqrtf(FN(dot)(x, x, n) / n + (float)r->number);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * rate * gain[i];
}

static void FN(gru)(const record *r) {
    const int64_t d = r->n[0];
    const float *restrict x = r->at[0], *restrict past = r->at[1];
    float *restrict h = r->at[2];
    for (int64_t i = 0; i < d; i++) {
        const float reset = FN(sigmoid)(x[i] + past[i]), keep = FN(sigmoid)(x[d + i] + past[d + i]);
        const float drive = FN(hyperbolic)(x[2 * d + i] + reset * past[2 * d + i]);
        h[i] = (1 - keep) * drive + keep * h[i];
    }
}

static void FN(mix)(const record *r) {
    const int64_t d = r->n[0];
    const float *restrict x = r->at[0];
    float *restrict before = r->at[1];
    for (int64_t k = 0; k < r->n[1]; k++) {
        const float *restrict mu = r->at[2 + 2 * k];
        float *restrict y = r->at[3 + 2 * k];
        for (int64_t i = 0; i < d; i++) y[i] = before[i] + mu[i] * (x[i] - before[i]);
    }
    memcpy(before, x, d * sizeof(float));
}

static void FN(wkv)(const record *r) {
    const float *restrict k = r->at[0], *restrict v = r->at[1], *restrict gate = r->at[2];
    const float *restrict w = r->at[3], *restrict u = r->at[4];
    float *restrict a = r->at[5], *restrict b = r->at[6], *restrict p = r->at[7], *restrict y = r->at[8];
    for (int64_t i = 0; i < r->n[0]; i++) {
        const float now = u[i] + k[i], most = p[i] > now ? p[i] : now;
        float past = FN(exponential)(p[i] - most), present = FN(exponential)(now - most);
        y[i] = FN(sigmoid)(gate[i]) * (past * a[i] + present * v[i]) / (past * b[i] + present);
        const float kept = p[i] + w[i], next = kept > k[i] ? kept : k[i];
        past = FN(exponential)(kept - next);
        present = FN(exponential)(k[i] - next);
        a[i] = past * a[i] + present * v[i];
        b[i] = past * b[i] + present;
        p[i] = next;
    }
}

static void FN(square)(const record *r) {
    const float *restrict x = r->at[0];
    float *restrict y = r->at[1];
    for (int64_t i = 0; i < r->n[0]; i++) y[i] = x[i] > 0 ? x[i] * x[i] : 0;
}

static void FN(gate)(const record *r) {
    const float *restrict x = r->at[0], *restrict gate = r->at[1];
    float *restrict y = r->at[2];
    for (int64_t i = 0; i < r->n[0]; i++) y[i] = FN(sigmoid)(gate[i]) * x[i];
}

static void FN(convolve)(const record *r) {
    const int64_t e = r->n[0], before = r->n[1] - 1;
    const float *restrict u = r->at[0], *restrict taps = r->at[2], *restrict bias = r->at[3];
    float *restrict window = r->at[1], *restrict y = r->at[4];
    for (int64_t i = 0; i < e; i++) y[i] = bias[i] + u[i] * taps[before * e + i];
    for (int64_t lag = 0; lag < before; lag++)
        for (int64_t i = 0; i < e; i++) y[i] += window[lag * e + i] * taps[lag * e + i];
    for (int64_t i = 0; i < e; i++) y[i] *= FN(sigmoid)(y[i]);
    if (before) {
        memmove(window, window + e, (before - 1) * e * sizeof(float));
        memcpy(window + (before - 1) * e, u, e * sizeof(float));
    }
}

INLINE float FN(modes)(float *restrict h, const float *restrict a, const float *restrict b, const float *restrict c,
                       float dt, float drive, int64_t n) {
    for (int64_t k = 0; k < n; k++) h[k] = FN(exponential)(dt * a[k]) * h[k] + drive * b[k];
    return FN(dot)(h, c, n);
}

static void FN(select)(const record *r) {
    const int64_t e = r->n[0], n = r->n[1];
    const float *restrict u = r->at[0], *restrict dt = r->at[1], *a = r->at[2], *b = r->at[3], *c = r->at[4];
    const float *restrict d = r->at[5], *restrict z = r->at[7];
    float *h = r->at[6], *restrict y = r->at[8];
    for (int64_t i = 0; i < e; i++) y[i] = FN(softplus)(dt[i]);
    for (int64_t i = 0; i < e; i++) {
        const float step = y[i], drive = step * u[i];
        /* A count that the compiler knows makes the modes one vector. */
        y[i] = n == 16 ? FN(modes)(h + i * 16, a + i * 16, b, c, step, drive, 16)
                       : FN(modes)(h + i * n, a + i * n, b, c, step, drive, n);
    }
    for (int64_t i = 0; i < e; i++) y[i] = (y[i] + d[i] * u[i]) * z[i] * FN(sigmoid)(z[i]);
}

/* q turned towards each key, times the key: q = C q + S swapped(q) with a sign of its own in each channel of S. */
INLINE float FN(score)(const float *q, const float *swapped, const float *cosine, const float *sine, const float *k,
                       int64_t n) {
    VEC sums = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const VEC turned = MULTIPLY_ADD(FN(load)(swapped + i), FN(load)(sine + i),
                                        FN(load)(q + i) * FN(load)(cosine + i));
        sums = MULTIPLY_ADD(turned, FN(load)(k + i), sums);
    }
    float sum = FOLD(sums);
    for (; i < n; i++) sum += (q[i] * cosine[i] + swapped[i] * sine[i]) * k[i];
    return sum;
}

static void FN(attend)(const record *r) {
    const int64_t window = r->n[0], d = r->n[1], heads = r->n[2], size = d / heads;
    const float *q = r->at[0], *cosine = r->at[4], *sine = r->at[5];
    float *kv = r->at[1], *swapped = r->at[6], *scores = r->at[7], *restrict y = r->at[8];
    int64_t *filled = r->at[2], *next = r->at[3];
    const int64_t present = *next;
    memcpy(kv + present * 2 * d, q + d, 2 * d * sizeof(float));
    *next = (present + 1) % window;
    *filled += *filled < window;
    for (int64_t i = 0; i < d; i++) swapped[i] = q[i ^ 1];
    for (int64_t age = 0; age < *filled; age++) {
        const float *k = kv + (present - age + (age > present ? window : 0)) * 2 * d;
        for (int64_t head = 0; head < heads; head++)
            scores[head * window + age] = (float)r->number * FN(score)(q + head * size, swapped + head * size,
                                                                       cosine + age * size, sine + age * size,
                                                                       k + head * size, size);
    }
    memset(y, 0, d * sizeof(float));
    for (int64_t head = 0; head < heads; head++) {
        float *p = scores + head * window, most = p[0], sum = 0;
        for (int64_t age = 1; age < *filled; age++) most = p[age] > most ? p[age] : most;
        for (int64_t age = 0; age < *filled; age++) p[age] = FN(exponential)(p[age] - most);
        for (int64_t age = 0; age < *filled; age++) sum += p[age];
        for (int64_t age = 0; age < *filled; age++) p[age] /= sum;
    }
    for (int64_t age = 0; age < *filled; age++) {
        const float *restrict v = kv + (present - age + (age > present ? window : 0)) * 2 * d + d;
        for (int64_t head = 0; head < heads; head++) {
            const float p = scores[head * window + age];
            for (int64_t i = head * size; i < (head + 1) * size; i++) y[i] += p * v[i];
        }
    }
}

static void FN(gelu)(const record *r) {
    const float *restrict x = r->at[0];
    float *restrict y = r->at[1];
    for (int64_t i = 0; i < r->n[0]; i++) y[i] = 0.5f * x[i] * (1 + FN(error)(x[i] * 0.70710678f));
}

static void FN(leak)(const record *r) {
    const float *restrict x = r->at[0], *restrict decay = r->at[1], *restrict gain = r->at[2];
    float *restrict v = r->at[3];
    for (int64_t i = 0; i < r->n[0]; i++) v[i] = decay[i] * v[i] + gain[i] * x[i];
}

static void FN(fire)(const record *r) {
    const float *restrict x = r->at[0], *restrict decay = r->at[1], *restrict gain = r->at[2];
    const float *restrict threshold = r->at[3];
    float *restrict v = r->at[4], *restrict s = r->at[5];
    const int64_t strict = r->n[1];
    const float reset = (float)r->number;
    for (int64_t i = 0; i < r->n[0]; i++) {
        const float u = decay[i] * v[i] + gain[i] * x[i];
        const int fired = strict ? u > threshold[i] : u >= threshold[i];
        s[i] = fired ? 1 : 0;
        v[i] = fired ? reset : u;
    }
}

static void FN(run)(const record *r, int64_t count) {
    for (const record *end = r + count; r < end; r++) switch (r->op) {
        case STANDARDISE: FN(standardise)(r); break;
        case AFFINE: FN(affine)(r); break;
        case ADD: FN(add)(r); break;
        case LINEAR: FN(linear)(r); break;
        case SPIKES: FN(spikes)(r); break;
        case LAYER_NORM: FN(layer_norm)(r); break;
        case RMS_NORM: FN(rms_norm)(r); break;
        case GRU: FN(gru)(r); break;
        case MIX: FN(mix)(r); break;
        case WKV: FN(wkv)(r); break;
        case SQUARE: FN(square)(r); break;
        case GATE: FN(gate)(r); break;
        case CONVOLVE: FN(convolve)(r); break;
        case SELECT: FN(select)(r); break;
        case ATTEND: FN(attend)(r); break;
        case GELU: FN(gelu)(r); break;
        case LEAK: FN(leak)(r); break;
        case FIRE: FN(fire)(r); break;
        }
}

#undef LANES
#undef VECTORS
#undef VEC
#undef ISA
#undef VECTOR_BYTES
#undef TOGETHER
#undef MULTIPLY_ADD
#undef WIDEN
#undef FOLD
