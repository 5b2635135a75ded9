/* Event-driven linear and convolution layers: sums of the weight rows of active inputs.
 *
 * pack   spikes to bits, which checks that they are binary and counts them
 * unpack bits to one list of active channels per sample and pixel
 * linear, conv2d   sums of weight rows, on a slice of the output
 *
 * Weights are rows, one per input: [in][out], or [kernel_h][kernel_w][in / groups][out]. */
#include <stdlib.h>
#include <string.h>

#include "native.h"

#ifdef RANVIER_X86
#include <immintrin.h>
#endif

/* Lists are written 16 entries at a time. */
#define SLACK 16
/* Pixels that are packed together, and output pixels that are turned from rows to planes together. */
#define PIXELS 1024
#define TILE 32
/* Rows that a linear layer adds at once: wide enough rows come from memory, and few at a time stream better. */
#define DEPTH 8

struct conv2d {
    int64_t samples, in_channels, height, width, out_channels, out_height, out_width;
    int64_t kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, groups, channels_last;
};

static void begin(float *out, const float *bias, int64_t columns) {
    if (bias)
        memcpy(out, bias, columns * sizeof(float));
    else
        memset(out, 0, columns * sizeof(float));
}

#define LANES 4
#define MOST_VECTORS 12
#define NAME(x) x##_baseline
#include "gather_body.h"
#undef LANES
#undef NAME

#if defined(RANVIER_X86) && !defined(__clang__)

#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,popcnt")
#define LANES 8
#define NAME(x) x##_avx2
#include "gather_body.h"
#undef LANES
#undef MOST_VECTORS
#undef NAME
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,bmi,bmi2,popcnt,prefer-vector-width=512")
#define LANES 16
#define MOST_VECTORS 16
#define NAME(x) x##_avx512
#define COUNTING _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define SIXTEEN _mm512_set1_epi32(16)
#include "gather_body.h"
#pragma GCC pop_options

#define DISPATCH(name, ...)                           \
    (ranvier_isa == 2   ? name##_avx512(__VA_ARGS__) \
     : ranvier_isa == 1 ? name##_avx2(__VA_ARGS__)   \
                        : name##_baseline(__VA_ARGS__))
#else
#define DISPATCH(name, ...) name##_baseline(__VA_ARGS__)
#endif

/* The number of ones, or -1 where a value is neither 0 nor 1. `planes`: channels are planes of pixels, not rows. */
RANVIER_EXPORT int64_t ranvier_gather_pack(const float *s, int64_t samples, int64_t groups, int64_t channels,
                                           int64_t pixels, int planes, uint32_t *bits) {
    if (planes) return DISPATCH(pack_planes, s, samples, groups, channels, pixels, bits);
    return DISPATCH(pack_lists, s, samples * pixels * groups, channels, bits);
}

RANVIER_EXPORT void ranvier_gather_unpack(const uint32_t *bits, int64_t lists, int64_t words, int32_t *index,
                                          int64_t *start) {
    DISPATCH(unpack, bits, lists, words, index, start);
}

RANVIER_EXPORT void ranvier_gather_linear(const float *rows, const float *bias, const int32_t *index,
                                          const int64_t *start, int64_t samples, int64_t columns, int64_t first,
                                          int64_t last, float *out) {
    DISPATCH(linear, rows, bias, index, start, samples, columns, first, last, out);
}

/* Returns 0, or -1 where there is no memory for the list of one pixel. */
RANVIER_EXPORT int ranvier_gather_conv2d(const struct conv2d *d, const float *rows, const float *bias,
                                         const int32_t *index, const int64_t *start, int64_t first, int64_t last,
                                         float *out) {
    const size_t longest = d->kernel_h * d->kernel_w * (d->in_channels / d->groups) + SLACK;
    int32_t *list = malloc(longest * sizeof(int32_t));
    float *tile = malloc(TILE * d->out_channels * sizeof(float));
    if (list && tile) DISPATCH(conv2d, d, rows, bias, index, start, first, last, list, tile, out);
    const int failed = !list || !tile;
    free(list);
    free(tile);
    return -failed;
}
