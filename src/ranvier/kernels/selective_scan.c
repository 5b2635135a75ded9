/* The selective scan on the CPU: a block of lanes walks through time, CHUNK steps of a few modes after another.
 *
 * selective_scan.py states the equations. Lanes are channels of one sample, side by side in one vector, so that what
 * drives and reads a mode is the same number for all of them. selective_scan_body.h holds the algorithm, compiled once
 * per instruction set and type (float, double).
 */
#include <stdlib.h>
#include <string.h>

#include "native.h"

/* Nothing fires here: sums may be contracted, unlike in lif.c. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=fast")
#elif defined(__clang__)
#pragma STDC FP_CONTRACT ON
#endif

enum { CHUNK = 64, GROUP = 4, SUMS = 2 * GROUP };

/* 1 / i! */
static const double TAYLOR[] = {1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,
                                1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    int64_t steps, batch, channels, modes;             /* T, B, C, N; lane l is channel l % C of sample l / C */
    int64_t state_bytes;                               /* of one number */
    int64_t x_stride, dt_stride, grad_y_stride;        /* elements between two steps */
    const void *x, *dt, *a, *b, *c, *d, *h0;           /* h0 may be null: rest at 0 */
    void *y, *h, *checkpoints;                         /* [T, lanes], [lanes, N], [chunks - 1, N, lanes] or null */
    const void *grad_y, *grad_h;                       /* null: zero */
    void *grad_x, *grad_dt, *grad_b, *grad_c, *grad_h0; /* of b and c [slice, T, B, N]; h0 may be null: not wanted */
    double *grad_a, *grad_d;                           /* [slice, C, N], [slice, C] */
} call;

#define PASTE_(a, b, c) a##_##b##_##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define FN(name) PASTE(name, REAL, ISA)

#define BODY "selective_scan_body.h"

#define ISA baseline
#define VECTOR_BYTES 16
#include "exponential_types.h"

#ifdef RANVIER_X86
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define ISA avx2
#define VECTOR_BYTES 32
#include "exponential_types.h"
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#define ISA avx512
#define VECTOR_BYTES 64
#include "exponential_types.h"
#pragma GCC pop_options
#endif

typedef void (*kernel)(const call *, int64_t, int64_t, int64_t);
#define KERNELS(name, isa) {name##_float_##isa, name##_double_##isa}
#ifdef RANVIER_X86
#define TABLE(name) {KERNELS(name, baseline), KERNELS(name, avx2), KERNELS(name, avx512)}
#else
#define TABLE(name) {KERNELS(name, baseline), KERNELS(name, baseline), KERNELS(name, baseline)}
#endif
static const kernel FORWARD[3][2] = TABLE(selective_forward), BACKWARD[3][2] = TABLE(selective_backward);

RANVIER_EXPORT int64_t ranvier_selective_scan_call_bytes(void) { return (int64_t)sizeof(call); }

RANVIER_EXPORT void ranvier_selective_scan_forward(const call *c, int64_t slice, int64_t start, int64_t stop) {
    FORWARD[ranvier_isa][c->state_bytes == 8](c, slice, start, stop);
}

RANVIER_EXPORT void ranvier_selective_scan_backward(const call *c, int64_t slice, int64_t start, int64_t stop) {
    BACKWARD[ranvier_isa][c->state_bytes == 8](c, slice, start, stop);
}
