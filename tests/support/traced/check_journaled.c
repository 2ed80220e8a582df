/* Checks what a recovery of journaled.c left: DIR/left and DIR/right hold one number, and not an
 * older one than was acknowledged last.
 *
 * usage: check_journaled DIR COUNT
 */
#include <stdio.h>
#include <stdlib.h>

static int number(const char *directory, const char *name)
{
    char path[4096];
    int found = 0;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    if (fscanf(file, "%d", &found) != 1)
        found = 0;
    fclose(file);
    return found;
}

int main(int count, char **words)
{
    if (count < 3)
        return 2;
    int left = number(words[1], "left"), right = number(words[1], "right");
    if (left != right) {
        printf("left holds %d but right holds %d\n", left, right);
        return 1;
    }
    if (left < atoi(words[2])) {
        printf("expected %s or more but left holds %d\n", words[2], left);
        return 1;
    }
    return 0;
}
