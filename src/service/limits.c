/* The configuration's figures under the names that src/scim has for them. */
#include "service/service.h"

struct scim_limits service_limits(const struct config *config)
{
    const struct config_limits *l = &config->limits;
    return (struct scim_limits){
        .filter = {.chars = l->filter_chars, .nodes = l->filter_nodes, .depth = l->filter_depth},
        .operations = l->patch_operations,
        .values = l->patch_values,
        .value_bytes = l->value_kb * 1024,
        .values_per_attribute = l->values_per_attribute,
    };
}
