/* Shared by all C kernels of Ranvier: one exported-symbol macro and runtime choice of the instruction set.
 *
 * Every kernel file includes its own body once per instruction set (see lif.c), between RANVIER_TARGET_PUSH/POP.
 * Nothing here may change results between instruction sets: no fused multiply-add, no reassociation;
 * step.c alone is held to a tolerance. */
#ifndef RANVIER_NATIVE_H
#define RANVIER_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#define RANVIER_EXPORT __attribute__((visibility("default")))

#if defined(__x86_64__) && defined(__GNUC__)
#define RANVIER_X86 1
#endif

/* 0: what every machine of this architecture has, 1: AVX2, 2: AVX-512. Set once when the library is loaded. */
extern int ranvier_isa;

#endif
