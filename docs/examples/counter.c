/* Saves a number in DIR/number, and acknowledges each on the file ACKS.
 *
 * usage: counter DIR ACKS [safe]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int must(int result)
{
    if (result < 0) {
        perror("counter");
        exit(1);
    }
    return result;
}

static void save(int directory, int number, int safe)
{
    int file = must(openat(directory, "number.new", O_WRONLY | O_CREAT | O_TRUNC, 0644));
    must(dprintf(file, "%d\n", number));
    if (safe)
        must(fsync(file));
    must(close(file));
    must(renameat(directory, "number.new", directory, "number"));
    if (safe)
        must(fsync(directory));
}

int main(int count, char **words)
{
    if (count < 3) {
        fprintf(stderr, "usage: counter DIR ACKS [safe]\n");
        return 2;
    }
    int directory = must(open(words[1], O_RDONLY | O_DIRECTORY));
    int acks = must(open(words[2], O_WRONLY | O_CREAT | O_APPEND, 0644));
    for (int number = 1; number <= 2; number++) {
        save(directory, number, count > 3);
        must(dprintf(acks, "ACK %d\n", number));
    }
    return 0;
}
