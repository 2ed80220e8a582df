/* Keeps one number in two files, DIR/left and DIR/right, by way of a journal, DIR/journal.
 *
 * usage: journaled save DIR ACKS [forgetful]        saves 1 and acknowledges it; whether it removes
 *                                                   the journal without a sync of what it wrote
 *        journaled recover DIR [journal] [data]     applies a journal that is whole, and removes it
 *
 * The words are the syncs that the recovery remembers: of the journal, which the next crash must not
 * take away once it was applied in part, and of what it writes, before it removes the journal.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int directory;

static void must(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void put(const char *name, const char *text, int syncs)
{
    int length = (int)strlen(text);
    int file = openat(directory, name, O_WRONLY | O_CREAT, 0644);
    must(file >= 0, "open");
    must(pwrite(file, text, length, 0) == length, "write");
    if (syncs)
        must(fsync(file) == 0, "fsync");
    must(close(file) == 0, "close");
}

static void apply(const char *text, int syncs)
{
    put("left", text, syncs);
    put("right", text, syncs);
    if (syncs)
        must(fsync(directory) == 0, "fsync of the directory");
    must(unlinkat(directory, "journal", 0) == 0, "unlink");
    must(fsync(directory) == 0, "fsync of the directory");
}

static void save(const char *acks_name, int syncs)
{
    int acks = open(acks_name, O_WRONLY | O_CREAT | O_APPEND, 0644);
    must(acks >= 0, "open ACKS");
    put("journal", "00000001\n", 1);
    must(fsync(directory) == 0, "fsync of the directory");
    apply("00000001\n", syncs);
    must(write(acks, "ACK 1\n", 6) == 6, "write ACKS");
}

static void recover(int syncs_journal, int syncs_data)
{
    char text[10] = "";
    int journal = openat(directory, "journal", O_RDONLY);
    if (journal < 0)
        return;
    if (read(journal, text, 9) == 9 && text[8] == '\n') {
        if (syncs_journal) {
            must(fsync(journal) == 0, "fsync of the journal");
            must(fsync(directory) == 0, "fsync of the directory");
        }
        apply(text, syncs_data);
    } else
        must(unlinkat(directory, "journal", 0) == 0, "unlink");
    close(journal);
}

int main(int count, char **words)
{
    int syncs_journal = 0, syncs_data = 0;
    must(count >= 3, "usage: journaled save DIR ACKS, or journaled recover DIR [journal] [data]");
    for (int at = 3; at < count; at++) {
        syncs_journal |= strcmp(words[at], "journal") == 0;
        syncs_data |= strcmp(words[at], "data") == 0;
    }
    directory = open(words[2], O_RDONLY | O_DIRECTORY);
    must(directory >= 0, "open DIR");
    if (strcmp(words[1], "save") == 0)
        save(words[3], count < 5);
    else
        recover(syncs_journal, syncs_data);
    return 0;
}
