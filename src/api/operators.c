/* The list of operators. */
#include "api/api.h"
#include "ops/registry.h"
#include "providers/cpu/cpu.h"

size_t corten_operator_count(void)
{
    size_t count;
    ct_op_rows(&count);
    return count;
}

corten_status corten_operator_get(size_t index, corten_operator_info *info, corten_error *error)
{
    CT_REQUIRE(info, error);
    size_t count;
    const struct ct_op_row *rows = ct_op_rows(&count);
    if (index >= count)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "operator %zu does not exist; there are %zu",
                       index, count);
    *info = (corten_operator_info){
        .domain = rows[index].domain,
        .name = rows[index].name,
        .since = rows[index].since,
        .dtypes = rows[index].dtypes,
        .providers = {ct_provider_cpu.name},
    };
    return CORTEN_OK;
}
