/* Saves numbers in DIR/config, and acknowledges each on the file ACKS.
 *
 * usage: saver DIR ACKS [file] [directory]: which syncs it remembers.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int syncs_file, syncs_directory;

static void must(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void save(int directory, int number)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%d\n", number);
    int file = openat(directory, "config.new", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    must(file >= 0, "open");
    must(write(file, text, length) == length, "write");
    if (syncs_file)
        must(fsync(file) == 0, "fsync");
    must(close(file) == 0, "close");
    must(renameat(directory, "config.new", directory, "config") == 0, "rename");
    if (syncs_directory)
        must(fsync(directory) == 0, "fsync of the directory");
}

int main(int count, char **words)
{
    must(count >= 3, "usage: saver DIR ACKS [file] [directory]");
    for (int at = 3; at < count; at++) {
        syncs_file |= strcmp(words[at], "file") == 0;
        syncs_directory |= strcmp(words[at], "directory") == 0;
    }
    int directory = open(words[1], O_RDONLY | O_DIRECTORY);
    must(directory >= 0, "open DIR");
    int acks = open(words[2], O_WRONLY | O_CREAT | O_APPEND, 0644);
    must(acks >= 0, "open ACKS");
    for (int number = 1; number <= 3; number++) {
        char line[32];
        save(directory, number);
        int length = snprintf(line, sizeof line, "ACK %d\n", number);
        must(write(acks, line, length) == length, "write ACKS");
    }
    return 0;
}
