#include "facts.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

static corten_status find_tally(struct ct_cli_tallies *tallies, const struct ct_cli_tally *like,
                                struct ct_cli_tally **tally, corten_error *error)
{
    for (size_t i = 0; i < tallies->count; i++) {
        struct ct_cli_tally *item = &tallies->items[i];
        bool same = item->dtype == like->dtype;
        if (same && like->op_type)
            same = strcmp(item->op_type, like->op_type) == 0 &&
                   strcmp(item->domain, like->domain) == 0;
        if (same) {
            *tally = item;
            return CORTEN_OK;
        }
    }
    struct ct_cli_tally *items = realloc(tallies->items, (tallies->count + 1) * sizeof *items);
    if (!items)
        return ct_cli_no_memory(error, "a count");
    tallies->items = items;
    items[tallies->count] = *like;
    *tally = &items[tallies->count++];
    return CORTEN_OK;
}

static corten_status count_weights(struct ct_cli_facts *facts, corten_error *error)
{
    for (size_t i = 0; i < facts->info.initializer_count; i++) {
        corten_value_info info;
        size_t size_bytes = 0;
        struct ct_cli_tally *tally = NULL;
        CT_CLI_TRY(corten_model_initializer(facts->model, i, &info, &size_bytes, error));
        CT_CLI_TRY(find_tally(&facts->weights, &(struct ct_cli_tally){.dtype = info.dtype}, &tally,
                              error));
        double n_elems = 1.0;
        for (int d = 0; d < info.rank; d++)
            n_elems *= (double)info.dims[d];
        struct ct_cli_tally *both[] = {tally, &facts->all_weights};
        for (int k = 0; k < 2; k++) {
            both[k]->count++;
            both[k]->n_elems += n_elems;
            both[k]->size_bytes += (double)size_bytes;
        }
    }
    return CORTEN_OK;
}

static corten_status count_operators(struct ct_cli_facts *facts, corten_error *error)
{
    for (size_t i = 0; i < facts->info.node_count; i++) {
        corten_node_info node;
        struct ct_cli_tally *tally = NULL;
        CT_CLI_TRY(corten_model_node(facts->model, i, &node, error));
        struct ct_cli_tally like = {.domain = node.domain, .op_type = node.op_type};
        CT_CLI_TRY(find_tally(&facts->operators, &like, &tally, error));
        struct ct_cli_tally *both[] = {tally, &facts->all_operators};
        for (int k = 0; k < 2; k++) {
            both[k]->count++;
            both[k]->flops += node.flops > 0 ? (double)node.flops : 0.0;
            both[k]->bytes += node.bytes > 0 ? (double)node.bytes : 0.0;
            both[k]->n_unknown += node.flops < 0 || node.bytes < 0;
        }
    }
    return CORTEN_OK;
}

static int by_cost(const void *a, const void *b)
{
    const struct ct_cli_tally *x = a;
    const struct ct_cli_tally *y = b;
    if (x->flops != y->flops)
        return x->flops < y->flops ? 1 : -1;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    int order = strcmp(x->op_type ? x->op_type : "", y->op_type ? y->op_type : "");
    return order != 0 ? order : (int)x->dtype - (int)y->dtype;
}

static corten_status count_all(struct ct_cli_facts *facts, corten_error *error)
{
    CT_CLI_TRY(count_weights(facts, error));
    CT_CLI_TRY(count_operators(facts, error));
    if (facts->operators.count > 0)
        qsort(facts->operators.items, facts->operators.count, sizeof *facts->operators.items,
              by_cost);
    return CORTEN_OK;
}

corten_status ct_cli_facts_init(struct ct_cli_facts *facts, corten_model *model,
                                corten_error *error)
{
    struct ct_cli_facts made = {.model = model};
    if (corten_model_infer(model, &made.shapes) == CORTEN_OK)
        made.shapes.status = CORTEN_OK;
    corten_model_get_info(model, &made.info);
    corten_status status = count_all(&made, error);
    if (status != CORTEN_OK) {
        ct_cli_facts_deinit(&made);
        return status;
    }
    *facts = made;
    return CORTEN_OK;
}

void ct_cli_facts_deinit(struct ct_cli_facts *facts)
{
    free(facts->weights.items);
    free(facts->operators.items);
    *facts = (struct ct_cli_facts){.model = NULL};
}

corten_status ct_cli_facts_value(const struct ct_cli_facts *facts, bool output, size_t index,
                                 corten_value_info *info, corten_error *error)
{
    return output ? corten_model_output(facts->model, index, info, error)
                  : corten_model_input(facts->model, index, info, error);
}

const char *ct_cli_domain_text(const char *domain)
{
    return domain[0] ? domain : "ai.onnx";
}
