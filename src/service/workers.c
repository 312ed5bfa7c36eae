/* Threads with a connection each. A key always goes to the same thread, so requests about one
 * organization or one user run one after another here; against other bridges the precondition in
 * each operation guards. */
#include "service/internal.h"

#include <assert.h>

#include "base/hash.h"
#include "base/memory.h"

struct job {
    struct service_task what;
    int asked; /* its search is under way; 0 = not */
    struct job *next;
};

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first, **last;
    size_t waiting; /* the one that runs is among them */
    bool stop;
    struct directory_conn *conn;
};

struct worker_pool {
    struct worker *at;
    unsigned count;
    size_t ceiling;
    atomic_size_t waiting;
};

/* Takes what waits, up to as many as can be asked ahead. */
static struct job *next_jobs(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->stop)
        pthread_cond_wait(&w->wake, &w->lock);
    struct job *jobs = w->first, **end = &w->first;
    for (int n = 0; *end && n < DIRECTORY_AHEAD_MAX; n++)
        end = &(*end)->next;
    w->first = *end;
    *end = NULL;
    if (!w->first)
        w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    return jobs;
}

static void ask_ahead(struct worker *w, struct job *jobs)
{
    for (struct job *job = jobs; jobs && jobs->next && job; job = job->next)
        job->asked = directory_ask_ahead(w->conn, job->what.arena, &job->what.search);
}

static void run(struct worker *w, struct job *job)
{
    job->what.run(job->what.arg, w->conn);
    if (job->asked)
        directory_drop_ahead(w->conn, job->asked);
    directory_deadline(w->conn, 0);
    free(job);
    pthread_mutex_lock(&w->lock);
    w->waiting--;
    pthread_mutex_unlock(&w->lock);
}

struct worker_start {
    struct worker_pool *pool;
    struct worker *worker;
};

static void *work(void *arg)
{
    struct worker_start start = *(struct worker_start *)arg;
    free(arg);
    for (struct job *jobs; (jobs = next_jobs(start.worker));) {
        ask_ahead(start.worker, jobs);
        while (jobs) {
            struct job *job = jobs;
            jobs = job->next;
            run(start.worker, job);
            atomic_fetch_sub(&start.pool->waiting, 1);
        }
    }
    return NULL;
}

struct worker_pool *workers_start(struct directory *d, enum directory_account account,
                                  unsigned threads, size_t queue)
{
    struct worker_pool *p = must(calloc(1, sizeof *p));
    p->at = must(calloc(threads, sizeof *p->at));
    p->count = threads;
    p->ceiling = queue;
    for (unsigned i = 0; i < threads; i++) {
        struct worker *w = &p->at[i];
        pthread_mutex_init(&w->lock, NULL);
        pthread_cond_init(&w->wake, NULL);
        w->last = &w->first;
        w->conn = directory_open(d, account);
        struct worker_start *start = must(malloc(sizeof *start));
        *start = (struct worker_start){p, w};
        if (pthread_create(&w->thread, NULL, work, start) != 0)
            memory_out();
    }
    return p;
}

void workers_stop(struct worker_pool *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->count; i++) {
        pthread_mutex_lock(&p->at[i].lock);
        p->at[i].stop = true;
        pthread_cond_signal(&p->at[i].wake);
        pthread_mutex_unlock(&p->at[i].lock);
    }
    for (unsigned i = 0; i < p->count; i++) {
        pthread_join(p->at[i].thread, NULL);
        directory_close(p->at[i].conn);
        pthread_mutex_destroy(&p->at[i].lock);
        pthread_cond_destroy(&p->at[i].wake);
    }
    free(p->at);
    free(p);
}

static struct worker *choose(struct worker_pool *p, struct str key)
{
    if (key.len)
        return &p->at[hash_keyed(key.at, key.len) % p->count];
    struct worker *best = &p->at[0];
    size_t shortest = SIZE_MAX;
    for (unsigned i = 0; i < p->count; i++) {
        pthread_mutex_lock(&p->at[i].lock);
        size_t waiting = p->at[i].waiting;
        pthread_mutex_unlock(&p->at[i].lock);
        if (waiting < shortest) {
            shortest = waiting;
            best = &p->at[i];
        }
    }
    return best;
}

static void enqueue(struct worker_pool *p, struct str key, const struct service_task *what)
{
    struct worker *w = choose(p, key);
    struct job *job = must(malloc(sizeof *job));
    *job = (struct job){.what = *what};
    pthread_mutex_lock(&w->lock);
    *w->last = job;
    w->last = &job->next;
    w->waiting++;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

bool workers_submit(struct worker_pool *p, struct str key, const struct service_task *what,
                    struct error *err)
{
    if (atomic_fetch_add(&p->waiting, 1) >= p->ceiling) {
        atomic_fetch_sub(&p->waiting, 1);
        return error_set(err, ERR_UNAVAILABLE,
                         "too many requests are waiting for the directory; try again");
    }
    enqueue(p, key, what);
    return true;
}

void workers_continue(struct worker_pool *p, struct str key, const struct service_task *what)
{
    atomic_fetch_add(&p->waiting, 1);
    enqueue(p, key, what);
}

size_t workers_waiting(const struct worker_pool *p)
{
    return atomic_load(&p->waiting);
}
