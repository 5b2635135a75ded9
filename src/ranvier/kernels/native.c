/* What the library says about itself: the hash of its source and the instruction set in use. */
#include "native.h"

int ranvier_isa = 0;

RANVIER_EXPORT const char *ranvier_source_hash(void) { return RANVIER_SOURCE_HASH; }

/* Highest instruction set of this machine, at most `limit` (tests lower it to compare all versions). */
RANVIER_EXPORT int ranvier_select_isa(int limit) {
    int best = 0;
#ifdef RANVIER_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) best = 1;
    if (best == 1 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        best = 2;
#endif
    ranvier_isa = best < limit ? best : limit;
    return ranvier_isa;
}
