/* The scripts' own language. */
#include <criterion/criterion.h>

#include "tests/tcp/script_text.h"

Test(script_text, a_whole_segment) {
    struct seg_text s;
    cr_assert_null(seg_text_parse("P. 1:11(10) ack 5 win 100 urg 3 <nop,nop,sack 1:2 3:4>", &s));
    cr_assert(s.flags == 0x18 && s.lo == 1 && s.len == 10);
    cr_assert(s.has_ack && s.ack == 5 && s.has_win && s.win == 100 && s.has_urg && s.urg == 3);
    cr_assert(s.has_opts);
    cr_assert_str_eq(s.opts, "nop,nop,sack 1:2 3:4");
    cr_assert_null(seg_text_parse("none -5:0(5)", &s));
    cr_assert(s.flags == 0 && s.lo == -5 && !s.has_ack && !s.has_win && !s.has_opts);
    cr_assert_null(seg_text_parse("S 0:0(0) <>", &s));
    cr_assert(s.has_opts && s.opts[0] == '\0');
}

Test(script_text, mistakes_are_told) {
    static const char *const bad[] = {
        "X 0:0(0)", "S", "S 0:5(4)", "S 0:0(0) ack", "S 0:0(0) foo 1", "S 0:0(0) <mss 1"};
    struct seg_text s;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_not_null(seg_text_parse(bad[i], &s), "%s", bad[i]);
}

Test(script_text, options_come_back_as_they_were) {
    static const char *const lists[] = {
        "mss 1460,sackOK,TS val 100 ecr 7,nop,wscale 7",
        "nop,nop,TS val 1 ecr 4294967295,nop,nop,sack 101:201 -5:0",
        "mss 1,nop,nop,sackOK",
    };
    uint8_t raw[44];
    char text[SEG_TEXT];
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        int n = opts_from_text(lists[i], 0, 1000, raw);
        cr_assert(n > 0 && n % 4 == 0);
        cr_assert_str_eq(opts_to_text(raw, (size_t)n, 1000, text), lists[i]);
    }
    cr_assert_eq(opts_from_text("TS val 1 ecr last", 77, 0, raw), 12);
    cr_assert_str_eq(opts_to_text(raw, 10, 0, text), "TS val 1 ecr 77");
    cr_assert_eq(opts_from_text("bogus", 0, 0, raw), -1);
    cr_assert_str_eq(opts_to_text((const uint8_t[]){2, 9, 0, 0}, 4, 0, text), "MALFORMED");
}

Test(script_text, stars_match_one_word) {
    cr_assert(opts_match("nop,nop,TS val * ecr 5", "nop,nop,TS val 123 ecr 5"));
    cr_assert(!opts_match("nop,nop,TS val * ecr 5", "nop,nop,TS val 123 ecr 6"));
    cr_assert(!opts_match("nop", "nop,nop"));
    cr_assert(!opts_match("mss 1", "mss 12"));
    cr_assert(opts_match("", ""));
    cr_assert(!opts_match("", "nop"));
    cr_assert(opts_match("mss *,nop, wscale *", "mss 1460,nop,wscale 7"));
}
