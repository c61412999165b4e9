/* The CPU provider: a thin shell over ops/. */
#ifndef CT_PROVIDERS_CPU_CPU_H
#define CT_PROVIDERS_CPU_CPU_H

#include "plan/provider.h"

extern const struct ct_provider ct_provider_cpu;

#endif
