/* Options as tables. One row says how an option is written, where its value is stored, what it
 * defaults to and how it reads in the help; the parser, the defaults, --help and the freeing of
 * lists all walk the same rows. */
#ifndef CT_CLI_OPTION_H
#define CT_CLI_OPTION_H

#include <stdio.h>

#include <corten/corten.h>

enum ct_cli_option_type {
    CT_CLI_FLAG,   /* bool, takes no argument                         */
    CT_CLI_INT,    /* int64_t between `least` and `most`              */
    CT_CLI_REAL,   /* double between `least` and `most`               */
    CT_CLI_TEXT,   /* const char *, NULL when absent                  */
    CT_CLI_LIST,   /* struct ct_cli_list, may be given several times  */
    CT_CLI_CHOICE, /* int, one of `choices`                           */
    CT_CLI_REALS   /* struct ct_cli_reals, numbers with commas        */
};

/** Arguments of an option in the order they were given; borrowed from the command line. */
struct ct_cli_list {
    const char **items;
    size_t count;
};

enum { CT_CLI_REALS_MAX = 4 };

struct ct_cli_reals {
    double values[CT_CLI_REALS_MAX];
    size_t count;
};

/** The choices of an option end with a NULL name. */
struct ct_cli_choice {
    const char *name;
    int value;
};

struct ct_cli_option {
    const char *name; /* without the dashes; NULL ends a table */
    char letter;      /* 0: none */
    enum ct_cli_option_type type;
    size_t offset;        /* of the field in the struct of the group */
    const char *argument; /* as the help shows it; NULL for a flag */
    const char *help;
    const char *fallback; /* default, parsed like an argument; NULL: zero */
    double least, most;   /* of INT and REAL */
    const struct ct_cli_choice *choices;
    /* Refuses an argument whose form is wrong; NULL takes all. */
    corten_status (*check)(const char *argument, corten_error *error);
};

/** Options that belong together; their fields are relative to `offset` in the command's struct. */
struct ct_cli_group {
    const char *title; /* NULL ends the groups of a command */
    const struct ct_cli_option *options;
    size_t offset;
};

/** Stores the defaults of all options into `args`, which is zeroed. */
corten_status ct_cli_options_default(const struct ct_cli_group *groups, void *args,
                                     corten_error *error);
/** Reads options and operands from `words`. Operands are stored, in order, into `operands`, which
 *  has room for `count` of them. `*help` is set by --help or -h. Errors are all of usage. */
corten_status ct_cli_options_parse(const struct ct_cli_group *groups, void *args,
                                   const char *const *words, size_t count, const char **operands,
                                   size_t *operand_count, bool *help, corten_error *error);
/** Frees the lists in `args`. */
void ct_cli_options_release(const struct ct_cli_group *groups, void *args);
/** Prints the options of all groups with their help. */
void ct_cli_options_print(const struct ct_cli_group *groups, FILE *to);

#endif
