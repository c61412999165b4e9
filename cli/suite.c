#include "suite.h"

#include <errno.h>
#include <fnmatch.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "distribution.h"
#include "file.h"
#include "text.h"

/* Splits a folder into the case's name and kind. */
static corten_status make_case(const char *folder, struct ct_cli_suite_case *out,
                               corten_error *error)
{
    struct ct_cli_suite_case made = {.folder = strdup(folder)};
    if (!made.folder)
        return ct_cli_no_memory(error, "a case");
    size_t size = strlen(made.folder);
    while (size > 1 && made.folder[size - 1] == '/')
        made.folder[--size] = '\0';
    char *slash = strrchr(made.folder, '/');
    made.name = slash ? slash + 1 : made.folder;
    if (slash) {
        char *start = slash;
        while (start > made.folder && start[-1] != '/')
            start--;
        made.kind = strndup(start, (size_t)(slash - start));
    } else {
        made.kind = strdup(".");
    }
    if (!made.kind) {
        free(made.folder);
        return ct_cli_no_memory(error, "a case");
    }
    *out = made;
    return CORTEN_OK;
}

static bool names_case(const struct ct_cli_suite_case *item, const char *name)
{
    size_t size = strlen(item->kind);
    if (strcmp(item->name, name) == 0)
        return true;
    return strncmp(item->kind, name, size) == 0 && name[size] == '/' &&
           strcmp(item->name, name + size + 1) == 0;
}

static bool fits(const struct ct_cli_suite_case *item, const char *pattern)
{
    char full[1024];
    snprintf(full, sizeof full, "%s/%s", item->kind, item->name);
    return fnmatch(pattern, item->name, 0) == 0 || fnmatch(pattern, full, FNM_PATHNAME) == 0;
}

static corten_status add_case(struct ct_cli_suite *suite, const char *folder, const char *pattern,
                              corten_error *error)
{
    if (suite->count == suite->capacity) {
        size_t capacity = suite->capacity ? 2 * suite->capacity : 256;
        struct ct_cli_suite_case *cases = realloc(suite->cases, capacity * sizeof *cases);
        if (!cases)
            return ct_cli_no_memory(error, "the cases");
        suite->cases = cases;
        suite->capacity = capacity;
    }
    struct ct_cli_suite_case *item = &suite->cases[suite->count];
    CT_CLI_TRY(make_case(folder, item, error));
    if (pattern && !fits(item, pattern)) {
        free(item->folder);
        free(item->kind);
        return CORTEN_OK;
    }
    suite->count++;
    return CORTEN_OK;
}

static bool has_model(const char *folder)
{
    char *path = NULL;
    if (asprintf(&path, "%s/model.onnx", folder) < 0)
        return false;
    bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

static corten_status visit(struct ct_cli_suite *suite, FTS *walk, FTSENT *entry,
                           const char *pattern, corten_error *error)
{
    switch (entry->fts_info) {
    case FTS_D:
        if (!has_model(entry->fts_path))
            return CORTEN_OK;
        /* Nothing beneath a case is a case. */
        fts_set(walk, entry, FTS_SKIP);
        return add_case(suite, entry->fts_path, pattern, error);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot read '%s': %s", entry->fts_path,
                           strerror(entry->fts_errno));
    default: return CORTEN_OK;
    }
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

corten_status ct_cli_suite_find(struct ct_cli_suite *suite, const char *const *roots,
                                size_t root_count, const char *pattern, corten_error *error)
{
    char **paths = calloc(root_count + 1, sizeof *paths);
    if (!paths)
        return ct_cli_no_memory(error, "the folders");
    /* fts takes pointers to non-const text, which it only reads. */
    memcpy(paths, roots, root_count * sizeof *paths);
    FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    free(paths);
    if (!walk)
        return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot read folders: %s", strerror(errno));
    corten_status status = CORTEN_OK;
    FTSENT *entry = NULL;
    while (status == CORTEN_OK && (entry = fts_read(walk)) != NULL)
        status = visit(suite, walk, entry, pattern, error);
    fts_close(walk);
    if (status == CORTEN_OK && suite->count == 0)
        status =
            ct_cli_fail(error, CORTEN_NO_SUCH_FILE, "no folder with a model.onnx%s%s beneath '%s'",
                        pattern ? " that fits " : "", pattern ? pattern : "", roots[0]);
    return status;
}

/* The cases that a list names learn its text. */
static void link_exception(struct ct_cli_suite_case *item, const char *text)
{
    item->reason = text;
}

static void link_draw(struct ct_cli_suite_case *item, const char *text)
{
    item->distribution = text;
}

typedef void (*link_fn)(struct ct_cli_suite_case *item, const char *text);

static corten_status add_line(struct ct_cli_suite *suite, struct ct_cli_suite_list *list,
                              link_fn link, const char *line, size_t number, corten_error *error)
{
    line += strspn(line, " \t");
    size_t name_size = strcspn(line, " \t");
    const char *text = line + name_size + strspn(line + name_size, " \t");
    if (name_size == 0)
        return CORTEN_OK;
    if (text[0] == '\0')
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "line %zu: '%s' has no reason", number,
                           line);
    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->lines[i].name, line, name_size) == 0 &&
            list->lines[i].name[name_size] == '\0')
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "line %zu: '%s' is listed twice",
                               number, list->lines[i].name);
    struct ct_cli_suite_line *grown = realloc(list->lines, (list->count + 1) * sizeof *grown);
    if (!grown)
        return ct_cli_no_memory(error, "a list of cases");
    list->lines = grown;
    struct ct_cli_suite_line *added = &grown[list->count++];
    *added = (struct ct_cli_suite_line){.name = strndup(line, name_size), .text = strdup(text)};
    if (!added->name || !added->text)
        return ct_cli_no_memory(error, "a list of cases");
    for (size_t i = 0; i < suite->count; i++) {
        if (!names_case(&suite->cases[i], added->name))
            continue;
        link(&suite->cases[i], added->text);
        added->used = true;
    }
    return CORTEN_OK;
}

static corten_status read_list(struct ct_cli_suite *suite, struct ct_cli_suite_list *list,
                               link_fn link, const char *path, corten_error *error)
{
    void *bytes = NULL;
    size_t size = 0;
    CT_CLI_TRY(ct_cli_file_load(path, &bytes, &size, error));
    corten_status status = CORTEN_OK;
    char *rest = bytes;
    for (size_t number = 1; rest && status == CORTEN_OK; number++) {
        char *line = strsep(&rest, "\n");
        line[strcspn(line, "#\r")] = '\0';
        size_t used = strlen(line);
        while (used > 0 && (line[used - 1] == ' ' || line[used - 1] == '\t'))
            line[--used] = '\0';
        status = add_line(suite, list, link, line, number, error);
    }
    free(bytes);
    return status == CORTEN_OK ? status : ct_cli_prefix(error, status, "'%s'", path);
}

corten_status ct_cli_suite_except(struct ct_cli_suite *suite, const char *path, corten_error *error)
{
    return read_list(suite, &suite->exceptions, link_exception, path, error);
}

corten_status ct_cli_suite_draw(struct ct_cli_suite *suite, const char *path, corten_error *error)
{
    CT_CLI_TRY(read_list(suite, &suite->draws, link_draw, path, error));
    for (size_t i = 0; i < suite->draws.count; i++) {
        struct ct_cli_suite_line *line = &suite->draws.lines[i];
        size_t size = strcspn(line->text, " \t");
        bool has_reason = line->text[size] != '\0';
        line->text[size] = '\0'; /* what is left is the distribution, which the cases point to */
        if (!has_reason || !ct_cli_distribution_known(line->text))
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                               "'%s': '%s' needs the name of a distribution and a reason", path,
                               line->name);
    }
    return CORTEN_OK;
}

static void list_deinit(struct ct_cli_suite_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->lines[i].name);
        free(list->lines[i].text);
    }
    free(list->lines);
}

void ct_cli_suite_deinit(struct ct_cli_suite *suite)
{
    for (size_t i = 0; i < suite->count; i++) {
        free(suite->cases[i].folder);
        free(suite->cases[i].kind);
    }
    list_deinit(&suite->exceptions);
    list_deinit(&suite->draws);
    free(suite->cases);
    *suite = (struct ct_cli_suite){.cases = NULL};
}
