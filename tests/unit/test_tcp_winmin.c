#include <criterion/criterion.h>

#include "stack/base/rand.h"
#include "stack/tcp/winmin.h"

Test(tcp_winmin, the_least_is_known_at_once_and_forgotten_behind_the_window) {
    struct winmin m;
    winmin_reset(&m);
    cr_assert_eq(winmin_add(&m, 100, 1000, 50), 50);
    cr_assert_eq(winmin_add(&m, 100, 1010, 20), 20);
    cr_assert_eq(winmin_add(&m, 100, 1050, 40), 20);
    cr_assert_eq(winmin_add(&m, 100, 1080, 30), 20);
    cr_assert_eq(winmin_add(&m, 100, 1110, 60), 20, "100 later it still counts");
    cr_assert_eq(winmin_add(&m, 100, 1111, 60), 30);
    cr_assert_eq(winmin_add(&m, 100, 5000, 70), 70, "nothing is left of what was");
}

Test(tcp_winmin, a_window_of_0_keeps_the_last_moment) {
    struct winmin m;
    winmin_reset(&m);
    winmin_add(&m, 0, 1, 5);
    cr_assert_eq(winmin_add(&m, 0, 1, 6), 5);
    cr_assert_eq(winmin_add(&m, 0, 2, 7), 7);
}

Test(tcp_winmin, it_is_never_less_than_the_true_one_and_not_much_older) {
    enum { N = 2000, WINDOW = 64 };
    static uint64_t v[N];
    struct rand r;
    struct winmin m;
    rand_init(&r, (const uint8_t[16]){7});
    winmin_reset(&m);
    for (int i = 0; i < N; i++) {
        v[i] = 100 + rand_below(&r, 1000);
        uint64_t got = winmin_add(&m, WINDOW, (uint64_t)i, v[i]), window = UINT64_MAX, last = v[i];
        for (int k = i; k >= 0 && k >= i - WINDOW; k--) {
            window = v[k] < window ? v[k] : window;
            if (k >= i - WINDOW / 4)
                last = v[k] < last ? v[k] : last;
        }
        cr_assert(got >= window && got <= last, "at %d", i);
    }
}
