/* A Raft store in C, and its driver for `wavetank check --command './journal {dir}'`.
 *
 * The store is one file: each request that changes something, behind its checksum, a line each.
 * Opening it makes these requests again, up to the first line that is not whole. What a bug looks
 * like is shown by a second argument: `forget-directory` leaves out the sync that makes the name of
 * the file durable, `forget-file` the one that makes an acknowledged line durable.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct entry {
    unsigned long term;
    char *command; /* as it came, in hexadecimal */
};

static struct entry *entries; /* entry 1 is entries[0] */
static unsigned long count;
static char state[4096] = "0 -"; /* term and vote */
static FILE *journal;
static const char *forgotten = "";

static unsigned checksum(const char *text) {
    unsigned sum = 2166136261u; /* FNV-1a */
    for (; *text; text++) sum = (sum ^ (unsigned char)*text) * 16777619u;
    return sum;
}

/* Does in memory what a request asks for; returns an error's word and text, or NULL. */
static const char *apply(const char *request) {
    char *copy = strdup(request), *rest = copy, *verb = strsep(&rest, " ");
    const char *error = NULL;
    if (!strcmp(verb, "save-state")) {
        snprintf(state, sizeof state, "%s", rest);
    } else if (!strcmp(verb, "truncate-suffix")) {
        unsigned long index = strtoul(rest, NULL, 10);
        if (index <= count) count = index - 1;
    } else {
        while (rest && !error) {
            unsigned long index = strtoul(strsep(&rest, " "), NULL, 10);
            unsigned long term = strtoul(strsep(&rest, " "), NULL, 10);
            char *command = strsep(&rest, " ");
            if (index != count + 1) {
                error = "refused entries must follow the last one";
                break;
            }
            entries = realloc(entries, (count + 1) * sizeof *entries);
            entries[count++] = (struct entry){term, strdup(command)};
        }
    }
    free(copy);
    return error;
}

/* Makes a request durable, then does it. */
static const char *change(const char *request) {
    unsigned long before = count;
    const char *error = apply(request);
    if (error) {
        count = before;
        return error;
    }
    fprintf(journal, "%08x %s\n", checksum(request), request);
    if (fflush(journal)) return "io the journal could not be written";
    if (strcmp(forgotten, "forget-file") && fdatasync(fileno(journal)))
        return "io the journal could not be synced";
    return NULL;
}

static void open_store(const char *directory) {
    char path[4096], *line = NULL;
    size_t room = 0;
    ssize_t length;
    long whole = 0;
    snprintf(path, sizeof path, "%s/journal", directory);
    journal = fopen(path, "a+");
    if (!journal) {
        printf("error io %s cannot be opened\n", path);
        exit(1);
    }
    rewind(journal);
    while ((length = getline(&line, &room, journal)) > 10 && line[length - 1] == '\n') {
        line[length - 1] = 0;
        if (strtoul(line, NULL, 16) != checksum(line + 9) || apply(line + 9)) break;
        whole += length;
    }
    free(line);
    /* What is shown from now on must be durable, and what was cut off must never come back. */
    if (ftruncate(fileno(journal), whole) || fsync(fileno(journal))) exit(1);
    if (strcmp(forgotten, "forget-directory")) {
        int descriptor = open(directory, O_RDONLY | O_DIRECTORY);
        if (fsync(descriptor)) exit(1);
        close(descriptor);
    }
}

static void answer(char *request) {
    unsigned long start, end, index;
    const char *error;
    if (!strcmp(request, "bounds")) {
        printf("ok 1 %lu\n", count);
    } else if (!strcmp(request, "load-state")) {
        printf("ok %s\n", state);
    } else if (sscanf(request, "read %lu %lu", &start, &end) == 2) {
        printf("ok");
        for (index = start ? start : 1; index < end && index <= count; index++)
            printf(" %lu %lu %s", index, entries[index - 1].term, entries[index - 1].command);
        printf("\n");
    } else if (!strcmp(request, "close")) {
        printf("ok\n");
    } else if ((error = change(request))) {
        printf("error %s\n", error);
    } else {
        printf("ok\n");
    }
    fflush(stdout);
}

int main(int arguments, char **argument) {
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    if (arguments > 2) forgotten = argument[2];
    open_store(argument[1]);
    puts("ready 1 votes truncate-suffix durable-appends atomic-batches refuses-gaps");
    fflush(stdout);
    while ((length = getline(&line, &room, stdin)) > 0) {
        line[length - 1] = 0;
        answer(line);
        if (!strcmp(line, "close")) break;
    }
    return 0;
}
