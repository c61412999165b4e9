#include "option.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { NAME_COUNT_MAX = 64 };

/* How an option is named in an error: with the dashes the person typed. */
struct found {
    const struct ct_cli_option *option;
    void *field;
};

static void *field_of(const struct ct_cli_group *group, const struct ct_cli_option *option,
                      void *args)
{
    return (char *)args + group->offset + option->offset;
}

static struct found find_by_name(const struct ct_cli_group *groups, void *args, const char *name,
                                 size_t size_bytes)
{
    for (const struct ct_cli_group *group = groups; group->title; group++)
        for (const struct ct_cli_option *option = group->options; option->name; option++)
            if (strlen(option->name) == size_bytes && memcmp(option->name, name, size_bytes) == 0)
                return (struct found){option, field_of(group, option, args)};
    return (struct found){NULL, NULL};
}

static struct found find_by_letter(const struct ct_cli_group *groups, void *args, char letter)
{
    for (const struct ct_cli_group *group = groups; group->title; group++)
        for (const struct ct_cli_option *option = group->options; option->name; option++)
            if (option->letter == letter)
                return (struct found){option, field_of(group, option, args)};
    return (struct found){NULL, NULL};
}

static corten_status unknown(const struct ct_cli_group *groups, const char *name,
                             corten_error *error)
{
    const char *names[NAME_COUNT_MAX];
    size_t count = 0;
    for (const struct ct_cli_group *group = groups; group->title; group++)
        for (const struct ct_cli_option *option = group->options; option->name; option++)
            if (count < NAME_COUNT_MAX)
                names[count++] = option->name;
    const char *nearest = ct_cli_nearest(name, names, count);
    if (nearest)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "unknown option '--%s'; did you mean '--%s'?", name, nearest);
    return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "unknown option '--%s'", name);
}

static corten_status store_reals(const struct ct_cli_option *option, struct ct_cli_reals *reals,
                                 const char *argument, corten_error *error)
{
    struct ct_cli_reals parsed = {.count = 0};
    const char *part = argument;
    while (part) {
        const char *comma = strchr(part, ',');
        size_t size = comma ? (size_t)(comma - part) : strlen(part);
        char text[64];
        if (size >= sizeof text || parsed.count == CT_CLI_REALS_MAX)
            break;
        memcpy(text, part, size);
        text[size] = '\0';
        if (!ct_cli_parse_real(text, &parsed.values[parsed.count]))
            break;
        parsed.count++;
        part = comma ? comma + 1 : NULL;
    }
    if (part)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "option '--%s': '%s' is not a list of at most %d numbers with commas",
                           option->name, argument, CT_CLI_REALS_MAX);
    *reals = parsed;
    return CORTEN_OK;
}

static corten_status store_choice(const struct ct_cli_option *option, int *value,
                                  const char *argument, corten_error *error)
{
    char known[256] = "";
    for (const struct ct_cli_choice *choice = option->choices; choice->name; choice++) {
        if (strcmp(choice->name, argument) == 0) {
            *value = choice->value;
            return CORTEN_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", choice->name);
    }
    return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "option '--%s': '%s' is not one of %s",
                       option->name, argument, known);
}

static corten_status store_item(struct ct_cli_list *list, const char *argument, corten_error *error)
{
    const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return ct_cli_no_memory(error, "the options");
    list->items = items;
    list->items[list->count++] = argument;
    return CORTEN_OK;
}

static corten_status store(const struct ct_cli_option *option, void *field, const char *argument,
                           corten_error *error)
{
    double number = 0.0;
    int64_t integer = 0;
    if (option->check) {
        corten_status status = option->check(argument, error);
        if (status != CORTEN_OK)
            return ct_cli_prefix(error, status, "option '--%s'", option->name);
    }
    switch (option->type) {
    case CT_CLI_FLAG: *(bool *)field = true; return CORTEN_OK;
    case CT_CLI_INT:
        if (!ct_cli_parse_int(argument, &integer) || (double)integer < option->least ||
            (double)integer > option->most)
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                               "option '--%s': '%s' is not a whole number from %.0f to %.0f",
                               option->name, argument, option->least, option->most);
        *(int64_t *)field = integer;
        return CORTEN_OK;
    case CT_CLI_REAL:
        if (!ct_cli_parse_real(argument, &number) || number < option->least ||
            number > option->most)
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                               "option '--%s': '%s' is not a number from %g to %g", option->name,
                               argument, option->least, option->most);
        *(double *)field = number;
        return CORTEN_OK;
    case CT_CLI_TEXT: *(const char **)field = argument; return CORTEN_OK;
    case CT_CLI_LIST: return store_item(field, argument, error);
    case CT_CLI_CHOICE: return store_choice(option, field, argument, error);
    case CT_CLI_REALS: return store_reals(option, field, argument, error);
    }
    return CORTEN_OK;
}

corten_status ct_cli_options_default(const struct ct_cli_group *groups, void *args,
                                     corten_error *error)
{
    for (const struct ct_cli_group *group = groups; group->title; group++)
        for (const struct ct_cli_option *option = group->options; option->name; option++)
            if (option->fallback)
                CT_CLI_TRY(store(option, field_of(group, option, args), option->fallback, error));
    return CORTEN_OK;
}

/* One word that starts with a dash, and the next one where it is the option's argument. */
static corten_status parse_option(const struct ct_cli_group *groups, void *args,
                                  const char *const *words, size_t count, size_t *index,
                                  corten_error *error)
{
    const char *word = words[*index];
    const char *argument = NULL;
    struct found found;
    if (word[1] == '-') {
        const char *name = word + 2;
        size_t size = strcspn(name, "=");
        if (name[size] == '=')
            argument = name + size + 1;
        found = find_by_name(groups, args, name, size);
        if (!found.option) {
            char shown[64];
            snprintf(shown, sizeof shown, "%.*s", (int)(size < 60 ? size : 60), name);
            return unknown(groups, shown, error);
        }
    } else {
        found = find_by_letter(groups, args, word[1]);
        if (!found.option)
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "unknown option '%.60s'", word);
        if (word[2] != '\0')
            argument = word + 2;
    }
    if (found.option->type == CT_CLI_FLAG) {
        if (argument)
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                               "option '--%s' takes no argument, found '%.60s'", found.option->name,
                               argument);
        return store(found.option, found.field, "", error);
    }
    if (!argument) {
        if (*index + 1 >= count)
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "option '--%s' needs %s",
                               found.option->name, found.option->argument);
        argument = words[++*index];
    }
    return store(found.option, found.field, argument, error);
}

corten_status ct_cli_options_parse(const struct ct_cli_group *groups, void *args,
                                   const char *const *words, size_t count, const char **operands,
                                   size_t *operand_count, bool *help, corten_error *error)
{
    bool only_operands = false;
    *operand_count = 0;
    *help = false;
    for (size_t i = 0; i < count; i++) {
        const char *word = words[i];
        if (only_operands || word[0] != '-' || word[1] == '\0') {
            operands[(*operand_count)++] = word;
        } else if (strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            *help = true;
            return CORTEN_OK;
        } else {
            CT_CLI_TRY(parse_option(groups, args, words, count, &i, error));
        }
    }
    return CORTEN_OK;
}

void ct_cli_options_release(const struct ct_cli_group *groups, void *args)
{
    for (const struct ct_cli_group *group = groups; group->title; group++) {
        for (const struct ct_cli_option *option = group->options; option->name; option++) {
            if (option->type != CT_CLI_LIST)
                continue;
            struct ct_cli_list *list = field_of(group, option, args);
            free(list->items);
            *list = (struct ct_cli_list){NULL, 0};
        }
    }
}

/* Text in a column of its own, broken between words. */
static void print_wrapped(FILE *to, const char *text, int indent, int width)
{
    int column = 0;
    while (*text) {
        int size = (int)strcspn(text, " ");
        if (column > 0 && column + 1 + size > width) {
            fprintf(to, "\n%*s", indent, "");
            column = 0;
        }
        column += fprintf(to, "%s%.*s", column > 0 ? " " : "", size, text);
        text += size;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

void ct_cli_options_print(const struct ct_cli_group *groups, FILE *to)
{
    enum { INDENT = 30, WIDTH = 66 };
    for (const struct ct_cli_group *group = groups; group->title; group++) {
        fprintf(to, "\n%s:\n", group->title);
        for (const struct ct_cli_option *option = group->options; option->name; option++) {
            char letter[8] = "    ";
            if (option->letter)
                snprintf(letter, sizeof letter, "-%c, ", option->letter);
            int column =
                fprintf(to, "  %s--%s%s%s", letter, option->name, option->argument ? " " : "",
                        option->argument ? option->argument : "");
            if (column >= INDENT)
                column = fprintf(to, "\n") - 1;
            fprintf(to, "%*s", INDENT - column, "");
            char text[512];
            snprintf(text, sizeof text, "%s%s%s%s", option->help,
                     option->fallback ? " (default: " : "",
                     option->fallback ? option->fallback : "", option->fallback ? ")" : "");
            print_wrapped(to, text, INDENT, WIDTH);
        }
    }
    fprintf(to, "\n  -h, --help                  print this help\n");
}
