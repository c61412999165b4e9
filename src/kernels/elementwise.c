#include "kernels/elementwise.h"

static const struct ct_elementwise_kernel kernels[] = {
#define CT_ELEMENTWISE(class_, isa, suffix)                                                        \
    {"elementwise_" #suffix, CT_CLASS_##class_, CT_ISA_##isa, ct_unary_##suffix,                   \
     ct_binary_##suffix},
#include "kernels/elementwise.def"
#undef CT_ELEMENTWISE
};

static const char *const unary_texts[] = {
#define CT_X(name, text) text,
    CT_UNARY_MAP(CT_X)
#undef CT_X
};

static const char *const binary_texts[] = {
#define CT_X(name, text) text,
    CT_BINARY_MAP(CT_X)
#undef CT_X
};

const struct ct_elementwise_kernel *ct_elementwise_kernels(size_t *count)
{
    *count = sizeof kernels / sizeof kernels[0];
    return kernels;
}

const struct ct_elementwise_kernel *ct_elementwise_select(enum ct_class class_)
{
    unsigned features = ct_cpu_features();
    const struct ct_elementwise_kernel *kernel = kernels;
    while (kernel->class_ != class_ || !(features >> kernel->isa & 1))
        kernel++; /* the row of the reference ends it */
    return kernel;
}

const char *ct_unary_text(enum ct_unary op)
{
    return unary_texts[op];
}

const char *ct_binary_text(enum ct_binary op)
{
    return binary_texts[op];
}
