#include "stack/base/number.h"

bool number_parse(const char **s, uint64_t max, uint64_t *out) {
    const char *p = *s;
    uint64_t v = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v) || v > max)
            return false;
    if (p == *s)
        return false;
    *s = p;
    *out = v;
    return true;
}
