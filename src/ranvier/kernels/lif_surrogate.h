/* ds/du in C, for the same state type and instruction set as lif_body.h, which includes it. */

/* exp(-y) for y >= 0; the float version, relative error below 3e-7, is free of calls. */
INLINE VEC FN(decaying_exp)(VEC y) {
    if (sizeof(REAL) == sizeof(double)) {
        VEC e;
        for (int i = 0; i < LANES; i++) e[i] = (REAL)exp(-(double)y[i]);
        return e;
    }
    VEC t = FN(where)(y > (REAL)87, FN(all)(-87), -y);
    VEC n = (t * (REAL)1.44269504 + (REAL)12582912) - (REAL)12582912;
    VEC r = (t - n * (REAL)0.693359375) + n * (REAL)2.12194440e-4;
    VEC p = (REAL)0.0083333310 + r * (REAL)0.0013888889;
    p = (REAL)0.5 + r * ((REAL)0.16666667 + r * ((REAL)0.041666668 + r * p));
    return (1 + r * (1 + r * p)) * (VEC)((__builtin_convertvector(n, MASK) + 127) << 23);
}

/* ds/du of a vector: the table of surrogate.py. */
INLINE VEC FN(slope)(const int kind, VEC u, VEC theta, REAL b, REAL tanh_peak) {
    const VEC zero = {0}, z = u - theta;
    switch (kind) {
        case TRIANGLE: {
            VEC rest = 1 - b * FN(abs)(z);
            return FN(where)(rest > 0, b * rest, zero);
        }
        case RECTANGLE:
            return FN(where)(FN(abs)(z) < (REAL)0.5 / b, FN(all)(b), zero);
        case ATAN: {
            VEC scaled = (REAL)1.57079632679489661923 * b * z;
            return b / 2 / (1 + scaled * scaled);
        }
        case SIGMOID: {
            VEC e = FN(decaying_exp)(b * FN(abs)(z));
            return b * e / ((1 + e) * (1 + e));
        }
        default: {
            VEC e = FN(decaying_exp)(2 * b * FN(abs)(z));
            MASK inside = (u > 0) & (u < 1);
            return FN(where)(inside, tanh_peak * e / ((1 + e) * (1 + e)), zero);
        }
    }
}
