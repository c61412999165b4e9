/* Conformance suites on disk: which cases there are, which of them are known to fail and whose
 * outputs are draws. A case is
 * a folder with model.onnx and test_data_set_N, as the ONNX project lays out its backend tests. */
#ifndef CT_CLI_SUITE_H
#define CT_CLI_SUITE_H

#include <corten/corten.h>

struct ct_cli_suite_case {
    char *folder;
    char *kind;         /* name of the parent folder */
    const char *name;   /* last part of `folder` */
    const char *reason; /* why it is expected to fail; NULL: it is expected to pass */
    const char
        *distribution; /* of its draws (distribution.h); NULL: the outputs are what is expected */
};

/* A line of a list: NAME and a text. */
struct ct_cli_suite_line {
    char *name, *text;
    bool used; /* there is such a case */
};

struct ct_cli_suite_list {
    struct ct_cli_suite_line *lines;
    size_t count;
};

struct ct_cli_suite {
    struct ct_cli_suite_case *cases; /* in the order of their folders */
    size_t count, capacity;
    struct ct_cli_suite_list exceptions, draws;
};

/** Finds the cases beneath `roots`. With `pattern` (see glob(7)) only those whose name, or
 *  KIND/NAME, fits it. `suite` is zeroed before; deinit it also after a failure. */
corten_status ct_cli_suite_find(struct ct_cli_suite *suite, const char *const *roots,
                                size_t root_count, const char *pattern, corten_error *error);
/** Reads expected failures: lines "NAME reason" or "KIND/NAME reason"; '#' starts a comment. A
 *  line without a reason, or the same name twice, is an error. */
corten_status ct_cli_suite_except(struct ct_cli_suite *suite, const char *path,
                                  corten_error *error);
/** Reads cases whose outputs are draws: lines "NAME DISTRIBUTION reason", else as above. */
corten_status ct_cli_suite_draw(struct ct_cli_suite *suite, const char *path, corten_error *error);
void ct_cli_suite_deinit(struct ct_cli_suite *suite);

#endif
