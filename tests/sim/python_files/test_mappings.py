"""Mappings against those of the real machine, and what they cost the calls beside them."""

import mmap
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from random import Random

import pytest
from counting import lines_run

from wavetank.sim import Data, SimDisk
from wavetank.sim.python_files import PythonFiles

SIZE = 5 * mmap.PAGESIZE + 100


def use_mappings(directory: str, seed: int) -> list[bytes]:
    """Write to a file through its descriptor, mappings and buffers; return what is seen."""
    chance = Random(seed)
    path = f"{directory}/f"
    with open(path, "wb") as file:
        file.write(chance.randbytes(SIZE))
    fd = os.open(path, os.O_RDWR)
    mappings = [mmap.mmap(fd, 0), mmap.mmap(fd, 3 * mmap.PAGESIZE)]
    private = mmap.mmap(fd, 0, access=mmap.ACCESS_COPY)
    view = memoryview(mappings[0])
    seen: list[bytes] = []
    for _ in range(40):
        at = chance.randrange(3 * mmap.PAGESIZE - 300)
        content = chance.randbytes(chance.choice([1, 10, 300]))
        end = at + len(content)
        mapping = chance.choice(mappings)
        match chance.randrange(9):
            case 0:
                os.pwrite(fd, content, at)
            case 1:
                mapping[at:end] = content
            case 2:
                mapping[at] = content[0]
            case 3:
                mapping.seek(at)
                mapping.write(content)
            case 4:
                mapping.move(at, chance.randrange(100), len(content))
            case 5:
                view[at:end] = content
            case 6:
                memoryview(mapping)[at:end] = content
            case 7:
                private[at:end] = content
                seen.append(private[at:end])
            case _:
                mapping[at : at + 50 : 7] = bytes(8)
        seen += [os.pread(fd, SIZE, 0), *(each[:] for each in mappings)]
    os.close(fd)
    view.release()
    mappings[0].resize(SIZE + mmap.PAGESIZE)
    mappings[0][SIZE + 9 : SIZE + 12] = b"end"
    seen.append(mappings[0][:])
    mappings[0].close()
    return [*seen, Path(path).read_bytes()]


def simulated(seed: int) -> list[bytes]:
    with PythonFiles() as files, files.process(SimDisk(files.empty_image())):
        return use_mappings(files.directory, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_mappings_show_what_real_ones_show(seed: int, tmp_path: Path) -> None:
    assert simulated(seed) == use_mappings(str(tmp_path), seed)


WITHOUT_HELP = """
import os
del os.memfd_create
import sys, test_mappings
assert test_mappings.simulated(1) == test_mappings.use_mappings(sys.argv[1], 1)
"""


def test_mappings_are_the_same_where_no_kernel_tells_what_was_written(tmp_path: Path) -> None:
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parents[1] / "support")])
    subprocess.run(
        [sys.executable, "-c", WITHOUT_HELP, str(tmp_path)],
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


@pytest.mark.slow
def test_a_write_through_a_buffer_is_recorded_before_the_next_call_and_once() -> None:
    with PythonFiles() as files:
        disk = SimDisk(files.empty_image())
        with files.process(disk):
            path = f"{files.directory}/f"
            with open(path, "wb+") as file:
                file.truncate(SIZE)
                mapping = mmap.mmap(file.fileno(), 0)
            view = memoryview(mapping)
            for number in range(3):
                view[5000 + number] = 1 + number
                os.stat(files.directory)
                os.stat(files.directory)
            mapping.flush()
    data = [(op.block, op.start, op.content) for op in disk.log if isinstance(op, Data)]
    assert data == [(1, 904 + number, bytes([1 + number])) for number in range(3)]


USES = ["stat", "write elsewhere", "write to it", "assign", "buffer"]


def cost_beside_a_mapping(files: PythonFiles, call: str, blocks: int) -> tuple[int, int]:
    """Return the lines that five calls run beside a mapping, and the most bytes they hold."""
    with files.process(SimDisk(files.empty_image())):
        path = f"{files.directory}/f"
        with open(path, "wb+") as file:
            file.truncate(blocks * 4096)
            mapping = mmap.mmap(file.fileno(), 0)
        fd, other = os.open(path, os.O_RDWR), os.open(f"{path}2", os.O_RDWR | os.O_CREAT)
        view = memoryview(mapping)

        def use() -> None:
            for number in range(5):
                match call:
                    case "stat":
                        os.stat(path)
                    case "write elsewhere":
                        os.pwrite(other, b"x", 0)
                    case "write to it":
                        os.pwrite(fd, b"x", 4096 * number)
                    case "assign":
                        mapping[4096 * number] = 7
                    case _:
                        view[4096 * number] = 7
                        os.stat(path)

        use()
        tracemalloc.start()
        use()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return lines_run(use), most


def test_a_call_costs_the_same_beside_a_large_mapping() -> None:
    with PythonFiles() as files:
        for call in USES:
            few_lines, _ = cost_beside_a_mapping(files, call, 16)
            many_lines, most_bytes = cost_beside_a_mapping(files, call, 2048)
            assert many_lines <= 1.2 * few_lines, call
            assert most_bytes < 200_000, call
