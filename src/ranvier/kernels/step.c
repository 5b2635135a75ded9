/* One step of a whole network for one lane on the CPU: a program of operations, run by a single call.
 *
 * step.py writes the program and says what each operation computes; the body is compiled once per instruction set. At
 * one step the time goes into reading the weights: matrices lie in panels of PANEL rows, column after column, so that
 * they are read from front to back, sums need no folding, and a column whose input is zero can be left out.
 *
 * Unlike in the other kernels, sums of products are fused (FMA), so that instruction sets may differ in the last bits.
 */
#include <math.h>
#include <string.h>

#include "native.h"

#ifdef RANVIER_X86
#include <immintrin.h>
#endif

enum { PANEL = 16 };

/* The order of `Op` in step.py. */
enum {
    STANDARDISE, AFFINE, ADD, LINEAR, SPIKES, LAYER_NORM, RMS_NORM, GRU, MIX, WKV, SQUARE, GATE, CONVOLVE, SELECT,
    ATTEND, GELU, LEAK, FIRE
};

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    int64_t op, n[3];
    double number;
    void *at[10];
} record;

#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define FN(name) PASTE(name, ISA)

#define ISA baseline
#define VECTOR_BYTES 16
#define TOGETHER 2
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#define WIDEN(p) ((VEC){(p)[0], (p)[1], (p)[2], (p)[3]})
#define FOLD(v) (((v)[0] + (v)[2]) + ((v)[1] + (v)[3]))
#include "step_body.h"

#ifdef RANVIER_X86
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define ISA avx2
#define VECTOR_BYTES 32
#define TOGETHER 4
#define MULTIPLY_ADD(a, b, c) ((VEC)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define WIDEN(p) ((VEC)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p)))))
#define FOLD(v) ((((v)[0] + (v)[4]) + ((v)[2] + (v)[6])) + (((v)[1] + (v)[5]) + ((v)[3] + (v)[7])))
#include "step_body.h"
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
#define ISA avx512
#define VECTOR_BYTES 64
#define TOGETHER 4
#define MULTIPLY_ADD(a, b, c) ((VEC)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define WIDEN(p) ((VEC)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p)))))
#define FOLD(v) _mm512_reduce_add_ps((__m512)(v))
#include "step_body.h"
#pragma GCC pop_options
#endif

typedef void (*runner)(const record *, int64_t);
#ifdef RANVIER_X86
static const runner RUN[3] = {run_baseline, run_avx2, run_avx512};
#else
static const runner RUN[3] = {run_baseline, run_baseline, run_baseline};
#endif

RANVIER_EXPORT int64_t ranvier_step_record_bytes(void) { return (int64_t)sizeof(record); }

RANVIER_EXPORT void ranvier_step(const record *program, int64_t count) { RUN[ranvier_isa](program, count); }
