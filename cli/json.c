#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "utf8.h"

void ct_cli_json_init(struct ct_cli_json *json)
{
    json->root = cJSON_CreateObject();
    json->failed = !json->root;
}

void ct_cli_json_deinit(struct ct_cli_json *json)
{
    cJSON_Delete(json->root);
    json->root = NULL;
}

static cJSON *add(struct ct_cli_json *json, cJSON *to, const char *key, cJSON *item)
{
    bool added = false;
    if (to && item)
        added = key ? cJSON_AddItemToObject(to, key, item) : cJSON_AddItemToArray(to, item);
    if (added)
        return item;
    cJSON_Delete(item);
    json->failed = true;
    return NULL;
}

void ct_cli_json_number(struct ct_cli_json *json, cJSON *to, const char *key, double number)
{
    /* JSON has no NaN or infinity; their names are strings. */
    if (isfinite(number))
        add(json, to, key, cJSON_CreateNumber(number));
    else
        ct_cli_json_text(json, to, key, isnan(number) ? "nan" : number > 0.0 ? "inf" : "-inf");
}

void ct_cli_json_raw(struct ct_cli_json *json, cJSON *to, const char *key, const char *number)
{
    add(json, to, key, cJSON_CreateRaw(number));
}

void ct_cli_json_text(struct ct_cli_json *json, cJSON *to, const char *key, const char *text)
{
    size_t size = strlen(text);
    if (ct_cli_utf8_valid(text, size)) {
        add(json, to, key, cJSON_CreateString(text));
        return;
    }
    char *clean = malloc(3 * size + 1);
    if (!clean) {
        json->failed = true;
        return;
    }
    ct_cli_utf8_clean(text, size, clean);
    add(json, to, key, cJSON_CreateString(clean));
    free(clean);
}

void ct_cli_json_bool(struct ct_cli_json *json, cJSON *to, const char *key, bool value)
{
    add(json, to, key, cJSON_CreateBool(value));
}

cJSON *ct_cli_json_object(struct ct_cli_json *json, cJSON *to, const char *key)
{
    return add(json, to, key, cJSON_CreateObject());
}

cJSON *ct_cli_json_array(struct ct_cli_json *json, cJSON *to, const char *key)
{
    return add(json, to, key, cJSON_CreateArray());
}

void ct_cli_json_shape(struct ct_cli_json *json, cJSON *to, int rank, const int64_t *dims,
                       const char *const *names)
{
    if (rank < 0) {
        add(json, to, "shape", cJSON_CreateNull());
        return;
    }
    cJSON *shape = ct_cli_json_array(json, to, "shape");
    for (int i = 0; i < rank; i++) {
        if (dims[i] >= 0)
            ct_cli_json_number(json, shape, NULL, (double)dims[i]);
        else if (names && names[i] && names[i][0])
            ct_cli_json_text(json, shape, NULL, names[i]);
        else
            add(json, shape, NULL, cJSON_CreateNull());
    }
}

corten_status ct_cli_json_print(const struct ct_cli_json *json, FILE *to, corten_error *error)
{
    char *text = json->failed ? NULL : cJSON_Print(json->root);
    if (!text)
        return ct_cli_no_memory(error, "the JSON document");
    fprintf(to, "%s\n", text);
    cJSON_free(text);
    return CORTEN_OK;
}
