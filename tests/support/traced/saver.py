"""The twin of saver.c: saves numbers in DIR/config, and acknowledges each on the file ACKS.

usage: saver.py DIR ACKS [file] [directory]: which syncs it remembers.
"""

import os
import sys


def save(directory: int, number: int) -> None:
    file = os.open("config.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, dir_fd=directory)
    os.write(file, f"{number}\n".encode())
    if "file" in sys.argv[3:]:
        os.fsync(file)
    os.close(file)
    os.rename("config.new", "config", src_dir_fd=directory, dst_dir_fd=directory)
    if "directory" in sys.argv[3:]:
        os.fsync(directory)


directory = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
acks = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
for number in (1, 2, 3):
    save(directory, number)
    os.write(acks, f"ACK {number}\n".encode())
