/* The spiking recurrence on the CPU: all time steps of a block of neurons while their state stays in cache.
 *
 * lif.py states the equations; this file must fire the very same spikes as its reference loop on every instruction
 * set, hence -ffp-contract=off and no reassociation in the forward. lif_body.h holds the algorithm; it is compiled
 * once per instruction set and state type (float, double). Only `call` crosses the border to Python (lif_cpu.py packs
 * the same struct), and every exported function works on the neurons [start, stop) so that threads can share a layer.
 */
#include <math.h>
#include <string.h>

#include "native.h"
#ifdef RANVIER_X86
#include <immintrin.h>
#endif

enum { SOFT = 1, LEAK_LAST = 2, STRICT = 4, ADAPTIVE = 8, NEGATIVE = 16, DETACHED = 32, SPATIAL = 64 };
enum { SURROGATE_SHIFT = 12 };
enum { TRIANGLE, RECTANGLE, ATAN, SIGMOID, TANH };
enum { FLOAT32, FLOAT64, FLOAT16, BFLOAT16 };
enum { DECAY, GAIN, THRESHOLD, BETA, RHO, PARAMETERS };
enum { V_RESET = 5, TEMPERATURE = 6 };
enum { CHUNK = 64 };
/* A row is long enough to keep memory busy and short enough for CHUNK of them to stay near. Rows of one block share few
 * cache sets, so that looking further ahead would evict what was asked for. Both measured. */
enum { BLOCK_BYTES = 1024, ROWS_AHEAD = 6 };

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define LIKELY(c) __builtin_expect((c), 1)
#define UNLIKELY(c) __builtin_expect((c), 0)

typedef struct {
    int64_t steps, size;                      /* T, and neurons in one step */
    int64_t channels, inner;                  /* channel of neuron n is (n / inner) % channels */
    int64_t options, storage, state_bytes;
    int64_t x_stride, grad_s_stride, grad_v_seq_stride; /* elements between two steps */
    const void *x, *v0, *a0;                  /* initial states may be null: rest at 0 */
    const void *parameter[PARAMETERS];        /* [channels] in the state type, or null: use the constant */
    void *s, *v, *a, *v_seq, *checkpoints;    /* all but s may be null: not wanted */
    const void *grad_s, *grad_v, *grad_a, *grad_v_seq; /* each may be null: zero */
    void *grad_x, *grad_v0, *grad_a0;         /* the last two may be null */
    double *grad_parameters;                  /* [slice, PARAMETERS, channels], may be null */
    int64_t stream;                           /* outputs bypass the cache */
    double constants[7];
} call;

static inline uint32_t bits_of(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static inline float float_of(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }

static inline float from_half(uint16_t h) {
    uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13;
    float value = float_of(magnitude) * 0x1p112f;            /* moves the exponent bias, denormals included */
    uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u | magnitude : bits_of(value);
    return float_of(special | (uint32_t)(h & 0x8000) << 16);
}

static inline uint16_t to_half(float f) {
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
    uint32_t normal = (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000u) >> 13;      /* round to even */
    uint32_t tiny = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);       /* the adder rounds denormals */
    uint32_t finite = magnitude < 0x38800000u ? tiny : normal;
    uint32_t large = magnitude > 0x7f800000u ? 0x7e00 : 0x7c00;
    return (uint16_t)(sign | (magnitude >= 0x477ff000u ? large : finite));
}

static inline float from_bfloat(uint16_t h) { return float_of((uint32_t)h << 16); }

static inline uint16_t to_bfloat(float f) {
    uint32_t u = bits_of(f);
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000u ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}

#define PASTE_(a, b, c) a##_##b##_##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define FN(name) PASTE(name, TYPE, ISA)

#define ISA baseline
#define VECTOR_BYTES 16
#ifdef RANVIER_X86
#define STREAM(p, v) _mm_stream_si128((__m128i *)(p), (__m128i)(v))
#endif
#include "lif_types.h"

#ifdef RANVIER_X86
#pragma GCC push_options
#pragma GCC target("avx2,f16c,bmi2")
#define ISA avx2
#define VECTOR_BYTES 32
#define STREAM(p, v) _mm256_stream_si256((__m256i *)(p), (__m256i)(v))
#include "lif_types.h"
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,f16c,bmi2,prefer-vector-width=512")
#define ISA avx512
#define VECTOR_BYTES 64
#define STREAM(p, v) _mm512_stream_si512((__m512i *)(p), (__m512i)(v))
#include "lif_types.h"
#pragma GCC pop_options
#else
#define lif_forward_float_avx2 lif_forward_float_baseline
#define lif_forward_double_avx2 lif_forward_double_baseline
#define lif_backward_float_avx2 lif_backward_float_baseline
#define lif_backward_double_avx2 lif_backward_double_baseline
#define lif_forward_float_avx512 lif_forward_float_baseline
#define lif_forward_double_avx512 lif_forward_double_baseline
#define lif_backward_float_avx512 lif_backward_float_baseline
#define lif_backward_double_avx512 lif_backward_double_baseline
#endif

typedef void (*kernel)(const call *, int64_t, int64_t, int64_t);
static const kernel FORWARD[3][2] = {{lif_forward_float_baseline, lif_forward_double_baseline},
                                     {lif_forward_float_avx2, lif_forward_double_avx2},
                                     {lif_forward_float_avx512, lif_forward_double_avx512}};
static const kernel BACKWARD[3][2] = {{lif_backward_float_baseline, lif_backward_double_baseline},
                                      {lif_backward_float_avx2, lif_backward_double_avx2},
                                      {lif_backward_float_avx512, lif_backward_double_avx512}};

RANVIER_EXPORT int64_t ranvier_lif_call_bytes(void) { return (int64_t)sizeof(call); }

RANVIER_EXPORT void ranvier_lif_forward(const call *c, int64_t slice, int64_t start, int64_t stop) {
    FORWARD[ranvier_isa][c->state_bytes == 8](c, slice, start, stop);
}

RANVIER_EXPORT void ranvier_lif_backward(const call *c, int64_t slice, int64_t start, int64_t stop) {
    BACKWARD[ranvier_isa][c->state_bytes == 8](c, slice, start, stop);
}
