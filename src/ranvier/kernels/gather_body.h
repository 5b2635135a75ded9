/* The body of gather.c, compiled once per instruction set: LANES floats make a vector, NAME(x) is the name here. */

typedef float NAME(vec) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* Add the listed rows to `vectors` vectors of columns, held in registers. `vectors` is a constant wherever inlined. */
static inline __attribute__((always_inline)) void NAME(add_block)(
    const int vectors, float *out, const float *rows, int64_t stride, const int32_t *index, int64_t count) {
    NAME(vec) sum[MOST_VECTORS];
#pragma GCC unroll 16
    for (int k = 0; k < vectors; k++) sum[k] = *(const NAME(vec) *)(out + k * LANES);
    for (int64_t i = 0; i < count; i++) {
        const float *row = rows + index[i] * stride;
        __asm__("" : "+r"(row)); /* one address a row: compilers otherwise compute one for each vector */
#pragma GCC unroll 16
        for (int k = 0; k < vectors; k++) sum[k] += *(const NAME(vec) *)(row + k * LANES);
    }
#pragma GCC unroll 16
    for (int k = 0; k < vectors; k++) *(NAME(vec) *)(out + k * LANES) = sum[k];
}

#define BLOCKS(vectors)                               \
    for (; c + (vectors) * LANES <= columns; c += (vectors) * LANES) \
        NAME(add_block)(vectors, out + c, rows + c, stride, index + first, count)

/* out[c] += sum of rows[index[i]][c], in the order of the list, `depth` rows at a time.
 * Every column is one running sum, so that the result depends neither on `depth` nor on the vector width. */
static void NAME(add_rows)(float *restrict out, const float *restrict rows, int64_t stride, int64_t columns,
                           const int32_t *restrict index, int64_t length, int64_t depth) {
    for (int64_t first = 0; first < length; first += depth) {
        const int64_t count = length - first < depth ? length - first : depth;
        int64_t c = 0;
#if MOST_VECTORS == 16
        BLOCKS(16);
#endif
        BLOCKS(12);
        BLOCKS(8);
        BLOCKS(4);
        BLOCKS(1);
        for (int64_t i = first; i < first + count; i++) {
            const float *row = rows + index[i] * stride;
            for (int64_t tail = c; tail < columns; tail++) out[tail] += row[tail];
        }
    }
}

#undef BLOCKS

/* Bit c of a list's words is channel c; returns the number of ones, or -1 where a value is neither 0 nor 1. */
static int64_t NAME(pack_lists)(const float *s, int64_t lists, int64_t channels, uint32_t *bits) {
    int64_t ones = 0;
    for (int64_t list = 0; list < lists; list++)
        for (int64_t first = 0; first < channels; first += 32, bits++) {
            const float *x = s + list * channels + first;
            const int count = channels - first < 32 ? (int)(channels - first) : 32;
            uint32_t word = 0, other = 0;
            if (count == 32)
                for (int c = 0; c < 32; c++) {
                    word |= x[c] == 1.0f ? UINT32_C(1) << c : 0;
                    other |= (x[c] != 1.0f) & (x[c] != 0.0f);
                }
            else
                for (int c = 0; c < count; c++) {
                    word |= x[c] == 1.0f ? UINT32_C(1) << c : 0;
                    other |= (x[c] != 1.0f) & (x[c] != 0.0f);
                }
            if (other) return -1;
            *bits = word;
            ones += __builtin_popcount(word);
        }
    return ones;
}

/* The same for channel planes `[samples][groups][channels][pixels]`; words are `[samples][pixels][groups][...]`. */
static int64_t NAME(pack_planes)(const float *s, int64_t samples, int64_t groups, int64_t channels, int64_t pixels,
                                 uint32_t *bits) {
    const int64_t words = (channels + 31) / 32;
    int64_t ones = 0;
    for (int64_t n = 0; n < samples; n++)
        for (int64_t g = 0; g < groups; g++)
            for (int64_t w = 0; w < words; w++) {
                const int64_t first = 32 * w, count = channels - first < 32 ? channels - first : 32;
                const float *plane = s + ((n * groups + g) * channels + first) * pixels;
                for (int64_t p0 = 0; p0 < pixels; p0 += PIXELS) {
                    const int64_t tile = pixels - p0 < PIXELS ? pixels - p0 : PIXELS;
                    uint32_t word[PIXELS] = {0}, other = 0;
                    for (int64_t c = 0; c < count; c++) {
                        const float *x = plane + c * pixels + p0;
                        const uint32_t bit = UINT32_C(1) << c;
                        for (int64_t p = 0; p < tile; p++) {
                            word[p] |= x[p] == 1.0f ? bit : 0;
                            other |= (x[p] != 1.0f) & (x[p] != 0.0f);
                        }
                    }
                    if (other) return -1;
                    for (int64_t p = 0; p < tile; p++) {
                        bits[((n * pixels + p0 + p) * groups + g) * words + w] = word[p];
                        ones += __builtin_popcount(word[p]);
                    }
                }
            }
    return ones;
}

/* List the set bits: list l is index[start[l] .. start[l + 1]). `index` has SLACK entries more than there are ones. */
static void NAME(unpack)(const uint32_t *bits, int64_t lists, int64_t words, int32_t *index, int64_t *start) {
    int64_t n = 0;
    for (int64_t list = 0; list < lists; list++) {
        start[list] = n;
        for (int32_t w = 0; w < words; w++) {
            uint32_t word = *bits++;
#if LANES == 16
            const __m512i low = _mm512_add_epi32(_mm512_set1_epi32(32 * w), COUNTING);
            const __m512i high = _mm512_add_epi32(low, SIXTEEN);
            _mm512_storeu_si512(index + n, _mm512_maskz_compress_epi32((__mmask16)word, low));
            n += __builtin_popcount(word & 0xffff);
            _mm512_storeu_si512(index + n, _mm512_maskz_compress_epi32((__mmask16)(word >> 16), high));
            n += __builtin_popcount(word >> 16);
#else
            for (; word; word &= word - 1) index[n++] = 32 * w + __builtin_ctz(word);
#endif
        }
    }
    start[lists] = n;
}

static void NAME(linear)(const float *rows, const float *bias, const int32_t *index, const int64_t *start,
                         int64_t samples, int64_t columns, int64_t first, int64_t last, float *out) {
    for (int64_t n = 0; n < samples; n++) {
        float *y = out + n * columns;
        begin(y + first, bias ? bias + first : NULL, last - first);
        NAME(add_rows)(y + first, rows + first, columns, last - first, index + start[n], start[n + 1] - start[n],
                       DEPTH);
    }
}

/* Output rows [first, last) of all samples. A list of weight rows is put together for each output pixel; that is
 * where stride, padding and dilation end, and what remains is `add_rows`. */
static void NAME(conv2d)(const struct conv2d *restrict d, const float *rows, const float *bias,
                         const int32_t *restrict index, const int64_t *restrict start, int64_t first, int64_t last,
                         int32_t *restrict list, float *tile, float *out) {
    const int64_t in_group = d->in_channels / d->groups, out_group = d->out_channels / d->groups;
    for (int64_t row = first; row < last; row++) {
        const int64_t n = row / d->out_height, top = row % d->out_height * d->stride_h - d->padding_h;
        for (int64_t x0 = 0; x0 < d->out_width; x0 += TILE) {
            const int64_t x1 = x0 + TILE < d->out_width ? x0 + TILE : d->out_width;
            float *y = d->channels_last ? out + (row * d->out_width + x0) * d->out_channels : tile;
            for (int64_t x = x0; x < x1; x++, y += d->out_channels) {
                begin(y, bias, d->out_channels);
                for (int64_t g = 0; g < d->groups; g++) {
                    int64_t length = 0;
                    for (int64_t ky = 0; ky < d->kernel_h; ky++) {
                        const int64_t in_y = top + ky * d->dilation_h;
                        if (in_y < 0 || in_y >= d->height) continue;
                        for (int64_t kx = 0; kx < d->kernel_w; kx++) {
                            const int64_t in_x = x * d->stride_w - d->padding_w + kx * d->dilation_w;
                            if (in_x < 0 || in_x >= d->width) continue;
                            const int64_t l = ((n * d->height + in_y) * d->width + in_x) * d->groups + g;
                            const int64_t count = start[l + 1] - start[l];
                            const int32_t *restrict from = index + start[l];
                            const int32_t base = (int32_t)((ky * d->kernel_w + kx) * in_group);
                            for (int64_t i = 0; i < count; i += SLACK)
                                for (int64_t j = i; j < i + SLACK; j++) list[length + j] = from[j] + base;
                            length += count;
                        }
                    }
                    NAME(add_rows)(y + g * out_group, rows + g * out_group, d->out_channels, out_group, list, length,
                                   length);
                }
            }
            if (!d->channels_last) {
                float *plane = out + (n * d->out_channels * d->out_height + row % d->out_height) * d->out_width + x0;
                for (int64_t o = 0; o < d->out_channels; o++, plane += d->out_height * d->out_width)
                    for (int64_t x = 0; x < x1 - x0; x++) plane[x] = tile[x * d->out_channels + o];
            }
        }
    }
}
