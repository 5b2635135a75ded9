/* The body of lif.c for both state types, within one instruction set. */
#define TYPE float
#define REAL float
#define INTEGER int32_t
#include "lif_body.h"
#undef TYPE
#undef REAL
#undef INTEGER

#define TYPE double
#define REAL double
#define INTEGER int64_t
#include "lif_body.h"
#undef TYPE
#undef REAL
#undef INTEGER

#undef ISA
#undef VECTOR_BYTES
#undef STREAM
