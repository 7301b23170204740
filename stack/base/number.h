/* Decimal numbers in text. */
#ifndef STACK_BASE_NUMBER_H
#define STACK_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Reads digits, and moves *s behind them. False: there are none, or they say more than max; then *s
 * is where it was. */
bool number_parse(const char **s, uint64_t max, uint64_t *out);

#endif
