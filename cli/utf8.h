/* UTF-8: checking, cleaning, and the way from and to code points. */
#ifndef CT_CLI_UTF8_H
#define CT_CLI_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Reads one code point; returns its bytes (1 to 4), or 0 if they are not valid. */
size_t ct_cli_utf8_decode(const char *text, size_t size_bytes, uint32_t *point);
/** Writes one code point (at most 4 bytes); returns its bytes, or 0 if it is not valid. */
size_t ct_cli_utf8_encode(uint32_t point, char *text);
bool ct_cli_utf8_valid(const char *text, size_t size_bytes);
/** Copies with U+FFFD for each bad byte; `out` holds 3 * size_bytes + 1, and ends with 0. */
void ct_cli_utf8_clean(const char *text, size_t size_bytes, char *out);

#endif
