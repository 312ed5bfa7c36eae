/* The SCIM system on the other side of a job. */
#include "reconcile/reconcile.h"
#include "remote/client.h"

struct remote_client *reconcile_provider(const struct config_job *job, const atomic_bool *stop)
{
    const struct remote_settings s = {.url = job->url,
                                      .token_file = job->token_file,
                                      .ca_file = job->ca_file,
                                      .paging = job->paging,
                                      .rate_per_s = job->rate_per_s,
                                      .timeout_s = job->timeout_s,
                                      .stop = stop};
    return remote_open(&s);
}
