/* Put by scripts/lint.sh before each file that clang-tidy reads, but for those that define these
 * functions: tells its analyzer, which sees one file at a time, that failing never returns
 * CORTEN_OK. */
#if __has_include("base/status.h")
#include "base/status.h"
#define ct_fail(error, status, ...) (ct_fail((error), (status), __VA_ARGS__), (status))
#define ct_fail_memory(error, size_bytes, what)                                                    \
    (ct_fail_memory((error), (size_bytes), (what)), CORTEN_OUT_OF_MEMORY)
#else
#include "text.h"
#define ct_cli_fail(error, status, ...) (ct_cli_fail((error), (status), __VA_ARGS__), (status))
#define ct_cli_no_memory(error, what) (ct_cli_no_memory((error), (what)), CORTEN_OUT_OF_MEMORY)
#endif
