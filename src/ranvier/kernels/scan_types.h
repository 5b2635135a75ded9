/* The body of scan.c for both types and both fields, within one instruction set. */
#define FIELD real
#define PARTS 1
#define REAL float
#include "scan_body.h"
#undef REAL
#define REAL double
#include "scan_body.h"
#undef REAL
#undef FIELD
#undef PARTS

#define FIELD complex
#define PARTS 2
#define REAL float
#include "scan_body.h"
#undef REAL
#define REAL double
#include "scan_body.h"
#undef REAL
#undef FIELD
#undef PARTS

#undef ISA
#undef VECTOR_BYTES
