#include <criterion/criterion.h>

#include "stack/base/number.h"

static void expect(const char *text, uint64_t max, uint64_t value, size_t digits) {
    const char *s = text;
    uint64_t v;
    cr_assert(number_parse(&s, max, &v), "%s", text);
    cr_assert_eq(v, value);
    cr_assert_eq(s, text + digits);
}

static void refused(const char *text, uint64_t max) {
    const char *s = text;
    uint64_t v = 7;
    cr_assert_not(number_parse(&s, max, &v), "%s", text);
    cr_assert(s == text && v == 7, "nothing has changed");
}

Test(number, digits_up_to_whatever_follows) {
    expect("0", 0, 0, 1);
    expect("007", 7, 7, 3);
    expect("50ms", 100, 50, 2);
    expect("65535-", 65535, 65535, 5);
    expect("18446744073709551615", UINT64_MAX, UINT64_MAX, 20);
}

Test(number, none_or_too_large) {
    refused("", 9);
    refused("x1", 9);
    refused("-1", 9);
    refused("+1", 9);
    refused("10", 9);
    refused("18446744073709551616", UINT64_MAX);
    refused("99999999999999999999999", UINT64_MAX);
}
