/* Several changes of a run at once: threads with a connection each, as requests have. */
#include "service/mend.h"

#include "base/memory.h"
#include "base/own.h"
#include "service/internal.h"

struct mend_hands {
    struct worker_pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t none_left;
    size_t left; /* tasks that are not over */
};

struct task {
    struct mend_hands *hands;
    mend_task *run;
    void *arg;
    size_t number;
};

struct mend_hands *service_mend_hands(const struct mend_ground *g)
{
    struct mend_hands *h = must(calloc(1, sizeof *h));
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->none_left, NULL);
    h->pool = workers_start(g->directory, DIRECTORY_WRITER, g->config->server.writers, 0);
    return h;
}

void service_mend_hands_free(struct mend_hands *h)
{
    if (!h)
        return;
    workers_stop(h->pool);
    pthread_cond_destroy(&h->none_left);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static void run_task(void *arg, struct directory_conn *conn)
{
    struct task *t = arg;
    struct mend_hands *h = t->hands;
    t->run(t->arg, t->number, conn);
    pthread_mutex_lock(&h->lock);
    if (!--h->left)
        pthread_cond_signal(&h->none_left);
    pthread_mutex_unlock(&h->lock);
}

void service_mend_together(struct mend_hands *h, struct mend_tasks tasks)
{
    OWNED_ARENA struct arena *a = arena_new();
    struct task *each = ARENA_ARRAY(a, struct task, tasks.count + 1);
    h->left = tasks.count; /* nobody else is at work yet */
    for (size_t i = 0; i < tasks.count; i++) {
        each[i] = (struct task){h, tasks.run, tasks.arg, i};
        workers_continue(
            h->pool, STR_NONE,
            &(struct service_task){.run = run_task, .arg = &each[i], .search.nothing = true});
    }
    pthread_mutex_lock(&h->lock);
    while (h->left)
        pthread_cond_wait(&h->none_left, &h->lock);
    pthread_mutex_unlock(&h->lock);
}
