#include <criterion/criterion.h>
#include <string.h>

#include "stack/base/log.h"

static struct log l;
static char text[LOG_LINELEN];

Test(log, lines_come_back_in_order_with_their_time) {
    uint64_t cursor = 0, at;
    cr_assert_eq(log_read(&l, &cursor, &at, text), 0);
    log_write(&l, 5, "a %d", 1);
    log_write(&l, 6, "b");
    cr_assert_eq(log_read(&l, &cursor, &at, text), 1);
    cr_assert_str_eq(text, "a 1");
    cr_assert_eq(at, 5);
    cr_assert_eq(log_read(&l, &cursor, &at, text), 1);
    cr_assert_str_eq(text, "b");
    cr_assert_eq(log_read(&l, &cursor, &at, text), 0);
}

Test(log, a_slow_reader_skips_what_was_overwritten) {
    uint64_t cursor = 0, at;
    for (int i = 0; i < LOG_LINES + 10; i++)
        log_write(&l, 1, "%d", i);
    cr_assert_eq(log_read(&l, &cursor, &at, text), 1);
    cr_assert_str_eq(text, "10");
    int n = 1;
    while (log_read(&l, &cursor, &at, text))
        n++;
    cr_assert_eq(n, LOG_LINES);
}

Test(log, a_long_line_is_cut) {
    uint64_t cursor = 0, at;
    log_write(&l, 1, "%0500d", 7);
    cr_assert_eq(log_read(&l, &cursor, &at, text), 1);
    cr_assert_eq(strlen(text), LOG_LINELEN - 1);
}

Test(log, lines_above_the_level_are_not_written) {
    struct {
        struct log log;
        uint64_t now_ns;
    } *st = calloc(1, sizeof(*st));
    st->log.level = LOG_INFO;
    stack_log(st, LOG_DEBUG, "no");
    stack_log(st, LOG_INFO, "yes");
    cr_assert_eq(st->log.next, 1);
    free(st);
}
