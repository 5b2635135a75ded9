/* The diagonal linear recurrence on the CPU: a block of lanes walks through time, CHUNK steps of one mode after another.
 *
 * scan.py states the equations. Lanes (a channel of a sample) lie in one vector; the sequence of a block is copied CHUNK
 * steps at a time, because its rows lie far apart in memory, and then every mode passes over it in the first cache.
 * scan_body.h holds the algorithm, compiled once per instruction set, type (float, double) and field (real, complex).
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

enum { CHUNK = 64 };

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    int64_t steps, lanes, channels, modes;   /* T, B C, C, N; channel of lane l is l % C */
    int64_t state_bytes, complex;            /* of one real number; whether modes are complex */
    int64_t x_stride, grad_y_stride;         /* elements between two steps */
    const void *x, *a, *c, *h0;              /* [T, lanes], [C, N], [C, N], [lanes, N] or null: rest at 0 */
    void *y, *h, *checkpoints;               /* [T, lanes], [lanes, N], [chunks - 1, N, parts, lanes] or null */
    const void *grad_y, *grad_h;             /* null: zero */
    void *grad_x, *grad_h0;                  /* the last may be null: not wanted */
    double *grad_a, *grad_c;                 /* [slice, C, N, parts] */
} call;

#define PASTE_(a, b, c, d) a##_##b##_##c##_##d
#define PASTE(a, b, c, d) PASTE_(a, b, c, d)
#define FN(name) PASTE(name, REAL, FIELD, ISA)

#define ISA baseline
#define VECTOR_BYTES 16
#include "scan_types.h"

#ifdef RANVIER_X86
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define ISA avx2
#define VECTOR_BYTES 32
#include "scan_types.h"
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#define ISA avx512
#define VECTOR_BYTES 64
#include "scan_types.h"
#pragma GCC pop_options
#endif

typedef void (*kernel)(const call *, int64_t, int64_t, int64_t);
#define KERNELS(name, isa) \
    {{name##_float_real_##isa, name##_double_real_##isa}, {name##_float_complex_##isa, name##_double_complex_##isa}}
#ifdef RANVIER_X86
#define TABLE(name) {KERNELS(name, baseline), KERNELS(name, avx2), KERNELS(name, avx512)}
#else
#define TABLE(name) {KERNELS(name, baseline), KERNELS(name, baseline), KERNELS(name, baseline)}
#endif
static const kernel FORWARD[3][2][2] = TABLE(scan_forward), BACKWARD[3][2][2] = TABLE(scan_backward);

RANVIER_EXPORT int64_t ranvier_scan_call_bytes(void) { return (int64_t)sizeof(call); }

RANVIER_EXPORT void ranvier_scan_forward(const call *c, int64_t slice, int64_t start, int64_t stop) {
    FORWARD[ranvier_isa][c->complex][c->state_bytes == 8](c, slice, start, stop);
}

RANVIER_EXPORT void ranvier_scan_backward(const call *c, int64_t slice, int64_t start, int64_t stop) {
    BACKWARD[ranvier_isa][c->complex][c->state_bytes == 8](c, slice, start, stop);
}
