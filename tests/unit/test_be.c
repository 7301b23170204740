#include <criterion/criterion.h>
#include <string.h>

#include "stack/base/be.h"

Test(be, bytes_stand_in_network_order) {
    be16_t a = be16(0x1234);
    be32_t b = be32(0x12345678);
    cr_assert_eq(memcmp(&a, "\x12\x34", 2), 0);
    cr_assert_eq(memcmp(&b, "\x12\x34\x56\x78", 4), 0);
}

Test(be, get_undoes_put) {
    cr_assert_eq(be16_get(be16(0xabcd)), 0xabcd);
    cr_assert_eq(be32_get(be32(0xdeadbeef)), 0xdeadbeef);
}

Test(be, a_header_may_lie_at_any_address) {
    uint8_t raw[8] = {0, 0x12, 0x34, 0x56, 0x78};
    const be32_t *p = (const void *)(raw + 1);
    cr_assert_eq(_Alignof(be32_t), 1);
    cr_assert_eq(be32_get(*p), 0x12345678);
}
