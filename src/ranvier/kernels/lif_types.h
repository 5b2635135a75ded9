/* The body of lif.c for both state types, within one instruction set. */
#define TYPE float
#define REAL float
#define EXP decaying_exp
#define FABS fabsf
#include "lif_body.h"
#undef TYPE
#undef REAL
#undef EXP
#undef FABS

#define TYPE double
#define REAL double
#define EXP decaying_exp_double
#define FABS fabs
#include "lif_body.h"
#undef TYPE
#undef REAL
#undef EXP
#undef FABS
