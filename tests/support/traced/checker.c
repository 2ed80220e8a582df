/* A persistent checker: the file "f" must begin with as many letters as were acknowledged. */
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    char directory[4096], acked[4096], path[4200];
    int count;
    while (scanf(" check %4095s %4095s %d", directory, acked, &count) == 3) {
        int length = 0, letter;
        snprintf(path, sizeof path, "%s/f", directory);
        FILE *file = fopen(path, "r");
        while (file && (letter = fgetc(file)) != EOF) {
            if (letter == '!') abort();
            length++;
        }
        if (file) fclose(file);
        if (length >= count) puts("ok");
        else printf("bad %d of %d letters\n", length, count);
        fflush(stdout);
    }
    return 0;
}
