#include <criterion/criterion.h>
#include <string.h>

#include "stack/base/counters.h"

Test(counters, every_one_has_a_name_a_value_and_a_meaning) {
    struct counters c;
    uint64_t *raw = (uint64_t *)&c, value;
    unsigned n = sizeof(c) / sizeof(uint64_t);
    for (unsigned i = 0; i < n; i++)
        raw[i] = 1000 + i;
    for (unsigned i = 0; i < n; i++) {
        const char *what = NULL, *name = counters_get(&c, i, &value, &what);
        cr_assert_not_null(name);
        cr_assert(strlen(name) > 0 && strlen(what) > 0);
        cr_assert_eq(value, 1000 + i);
    }
    const char *what;
    cr_assert_null(counters_get(&c, n, &value, &what));
    cr_assert_null(counters_get(&c, UINT32_MAX, &value, &what));
}

Test(counters, names_are_unique) {
    struct counters c = {0};
    uint64_t v;
    const char *a, *b, *what;
    for (unsigned i = 0; (a = counters_get(&c, i, &v, &what)) != NULL; i++)
        for (unsigned j = 0; j < i; j++) {
            b = counters_get(&c, j, &v, &what);
            cr_assert(strcmp(a, b) != 0, "%s", a);
        }
}
