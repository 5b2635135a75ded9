/* A BODY that needs an exponential for both types, within one instruction set.
 *
 * An exponential is 2^n (1 + r + r^2/2! + ... r^DEGREE/DEGREE!) with |r| < 0.35; LN2_HIGH has so few bits that n
 * times it is exact, and adding ROUND leaves the nearest whole number in the low bits. */
#define REAL float
#define BYTES 4
#define INTEGER int32_t
#define DEGREE 7
#define MANTISSA 23
#define BIAS 127
#define LEAST -87.0f
#define MOST 88.0f
#define ROUND 0x1.8p23f
#define LN2_HIGH 0x1.62ep-1f
#define LN2_LOW 0x1.0bfbe8p-15f
#include BODY
#undef REAL
#undef BYTES
#undef INTEGER
#undef DEGREE
#undef MANTISSA
#undef BIAS
#undef LEAST
#undef MOST
#undef ROUND
#undef LN2_HIGH
#undef LN2_LOW

#define REAL double
#define BYTES 8
#define INTEGER int64_t
#define DEGREE 13
#define MANTISSA 52
#define BIAS 1023
#define LEAST -708.0
#define MOST 709.0
#define ROUND 0x1.8p52
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#include BODY
#undef REAL
#undef BYTES
#undef INTEGER
#undef DEGREE
#undef MANTISSA
#undef BIAS
#undef LEAST
#undef MOST
#undef ROUND
#undef LN2_HIGH
#undef LN2_LOW

#undef ISA
#undef VECTOR_BYTES
