/* posixGroup names its members by uid. */
#include "directory/mapping.h"

struct directory_values mapping_group_dns(const struct config_directory *config, struct arena *a,
                                          struct directory_values values)
{
    if (!config_groups_read_only(config))
        return values;
    struct str *dns = ARENA_ARRAY(a, struct str, values.count + 1);
    for (size_t i = 0; i < values.count; i++)
        dns[i] =
            arena_fmt(a, "uid=" STR_FMT "," STR_FMT, STR_ARG(directory_dn_value(a, values.at[i])),
                      STR_ARG(config->users.create_in));
    return (struct directory_values){dns, values.count};
}
