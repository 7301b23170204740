#include "stack/base/counters.h"

#include <stddef.h>

static const struct {
    const char *name, *what;
    size_t offset;
} table[] = {
#define X(name, what) {#name, what, offsetof(struct counters, name)},
    STACK_COUNTERS(X)
#undef X
};

const char *counters_get(const struct counters *c, unsigned i, uint64_t *value, const char **what) {
    if (i >= sizeof(table) / sizeof(table[0]))
        return NULL;
    *value = *(const uint64_t *)((const char *)c + table[i].offset);
    *what = table[i].what;
    return table[i].name;
}
