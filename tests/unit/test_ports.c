#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stack/net/ports.h"

static void expect(const char *text, const char *as) {
    struct ports p;
    char out[PORTS_TEXT];
    cr_assert_eq(ports_parse(text, &p), 0, "%s", text);
    ports_format(&p, out);
    cr_assert_str_eq(out, as);
}

Test(ports, text_becomes_ranges_in_order_and_text_again) {
    expect("", "");
    expect("\n", "");
    expect("8080", "8080");
    expect("9148-9200,8080\n", "8080,9148-9200");
    expect("1 2\t3,5", "1-3,5");
    expect("10-20,30-40,15-35", "10-40");
    expect("10-20,30-40,21-29", "10-40");
    expect("1,3,5,7,2-6", "1-7");
    expect("0,65535,65534", "0,65534-65535");
    expect("5,1-10", "1-10");
}

Test(ports, what_is_no_set_changes_nothing) {
    static const char *const bad[] = {"x",     "1-",          "-1",  "2-1",
                                      "65536", "99999999999", "1;2", "1-2-3"};
    struct ports p;
    ports_parse("7", &p);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(ports_parse(bad[i], &p), -EINVAL, "%s", bad[i]);
    char many[PORTS_TEXT + 16] = "";
    for (int i = 0; i <= PORTS_RANGES; i++)
        sprintf(many + strlen(many), "%d ", 40000 + 2 * i);
    cr_assert_eq(ports_parse(many, &p), -E2BIG);
    cr_assert(p.n == 1 && ports_contain(&p, 7) && !ports_contain(&p, 8));
    strcat(many, "40000-50000");
    cr_assert_eq(ports_parse(many, &p), -E2BIG, "a later range does not undo it");
}

Test(ports, the_longest_text_has_room) {
    struct ports p = {.n = PORTS_RANGES};
    char text[PORTS_TEXT];
    for (uint16_t i = 0; i < PORTS_RANGES; i++)
        p.range[i] = (struct port_range){(uint16_t)(20000 + 10 * i), (uint16_t)(20001 + 10 * i)};
    ports_format(&p, text);
    cr_assert_eq(strlen(text), PORTS_TEXT - 1);
    cr_assert(ports_contain(&p, 20311) && !ports_contain(&p, 20312) && !ports_contain(&p, 1));
}
