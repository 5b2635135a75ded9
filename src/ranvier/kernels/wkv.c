/* The recurrence of RWKV-4 on the CPU: a block of lanes walks through time while its state stays in the first cache.
 *
 * wkv.py states the equations. Lanes (a channel of a sample) lie in vectors, VECTORS of them in a block, so that their
 * chains of dependent steps overlap. Of the two exponentials of each maximum one is always 1. wkv_body.h holds the
 * algorithm, compiled once per instruction set and type (float, double); without contraction of a*b+c all instruction
 * sets give the same bits.
 */
#include <stdlib.h>
#include <string.h>

#include "native.h"

enum { CHUNK = 64, VECTORS = 4 };

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    int64_t steps, lanes, channels;              /* T, B C, C; channel of lane l is l % C */
    int64_t state_bytes;                         /* of one number */
    int64_t k_stride, v_stride, grad_y_stride;   /* elements between two steps */
    const void *k, *v, *w, *u;                   /* [T, lanes] twice, [C] twice */
    const void *a0, *b0, *p0;                    /* [lanes] or null: rest */
    void *y, *a, *b, *p, *checkpoints;           /* [T, lanes], [lanes] thrice, [chunks - 1, 3, lanes] or null */
    const void *grad_y, *grad_a, *grad_b;        /* null: zero */
    void *grad_k, *grad_v, *grad_a0, *grad_b0;   /* the last two may be null: not wanted */
    double *grad_w, *grad_u;                     /* [slice, C] */
} call;

#define PASTE_(a, b, c) a##_##b##_##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define FN(name) PASTE(name, REAL, ISA)

#define BODY "wkv_body.h"

#define ISA baseline
#define VECTOR_BYTES 16
#include "exponential_types.h"

#ifdef RANVIER_X86
#pragma GCC push_options
#pragma GCC target("avx2")
#define ISA avx2
#define VECTOR_BYTES 32
#include "exponential_types.h"
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,prefer-vector-width=512")
#define ISA avx512
#define VECTOR_BYTES 64
#include "exponential_types.h"
#pragma GCC pop_options
#endif

typedef void (*kernel)(const call *, int64_t, int64_t, int64_t);
#ifdef RANVIER_X86
#define TABLE(name) \
    {{name##_float_baseline, name##_double_baseline}, {name##_float_avx2, name##_double_avx2}, \
     {name##_float_avx512, name##_double_avx512}}
#else
#define TABLE(name) \
    {{name##_float_baseline, name##_double_baseline}, {name##_float_baseline, name##_double_baseline}, \
     {name##_float_baseline, name##_double_baseline}}
#endif
static const kernel FORWARD[3][2] = TABLE(wkv_forward), BACKWARD[3][2] = TABLE(wkv_backward);

RANVIER_EXPORT int64_t ranvier_wkv_call_bytes(void) { return (int64_t)sizeof(call); }

RANVIER_EXPORT void ranvier_wkv_forward(const call *c, int64_t slice, int64_t start, int64_t stop) {
    FORWARD[ranvier_isa][c->state_bytes == 8](c, slice, start, stop);
}

RANVIER_EXPORT void ranvier_wkv_backward(const call *c, int64_t slice, int64_t start, int64_t stop) {
    BACKWARD[ranvier_isa][c->state_bytes == 8](c, slice, start, stop);
}
