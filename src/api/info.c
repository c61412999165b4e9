/* Types and shapes as the caller sees them. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"

/* "tensor(float)": ONNX's names differ from ours for two types. */
static const char *const tensor_types[] = {
#define CORTEN_X(name, number, bits, text) [number] = "tensor(" text ")",
    CORTEN_DTYPE_MAP(CORTEN_X)
#undef CORTEN_X
};

static const char *tensor_type(ct_dtype dtype)
{
    if (dtype == CORTEN_F32)
        return "tensor(float)";
    if (dtype == CORTEN_F64)
        return "tensor(double)";
    return ct_dtype_valid(dtype) ? tensor_types[dtype] : "tensor(?)";
}

const char *ct_type_text(const struct ct_fact *fact, struct ct_arena *arena)
{
    const char *item = "?", *text = NULL;
    if (fact->kind == CORTEN_TENSOR)
        return tensor_type(fact->dtype);
    if (fact->kind != CORTEN_SPARSE && fact->elem)
        item = ct_type_text(fact->elem, arena);
    const char *plain = tensor_type(fact->dtype) + strlen("tensor("); /* "int64)" */
    switch ((corten_kind)fact->kind) {
    case CORTEN_SEQUENCE: text = ct_arena_printf(arena, "seq(%s)", item); break;
    case CORTEN_OPTIONAL: text = ct_arena_printf(arena, "optional(%s)", item); break;
    case CORTEN_MAP:
        text = ct_arena_printf(arena, "map(%.*s,%s)", (int)strlen(plain) - 1, plain, item);
        break;
    case CORTEN_SPARSE: text = ct_arena_printf(arena, "sparse_tensor(%s", plain); break;
    case CORTEN_TENSOR: break;
    }
    return text ? text : "";
}

static ct_dtype innermost_dtype(const struct ct_fact *fact)
{
    while (fact->kind != CORTEN_TENSOR && fact->kind != CORTEN_SPARSE && fact->elem)
        fact = fact->elem;
    return fact->dtype;
}

void ct_fill_info(corten_value_info *info, const char *name, const struct ct_fact *fact,
                  const struct ct_symbols *symbols, const char *type_text)
{
    *info = (corten_value_info){
        .name = name,
        .kind = (corten_kind)fact->kind,
        .dtype = innermost_dtype(fact),
        .rank = fact->kind == CORTEN_TENSOR ? fact->rank : -1,
        .type_text = type_text,
    };
    for (int i = 0; i < CORTEN_MAX_RANK; i++)
        info->dim_names[i] = "";
    for (int i = 0; i < info->rank; i++) {
        bool known = ct_dim_known(fact->dims[i]);
        info->dims[i] = known ? fact->dims[i] : -1;
        if (!known)
            info->dim_names[i] = ct_symbol_name(symbols, fact->dims[i]);
    }
}
