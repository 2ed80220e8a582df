"""Which line of source made a system call, from stacks as strace notes them."""

from wavetank.sim.traces.strace.source_lines import places_of

RUNTIME = ("runtime.main", "runtime.goexit.abi0")


def stack(binary: str, *symbols: str) -> tuple[str, ...]:
    """Return a stack of a binary that is not there, so that no tool knows its lines."""
    return tuple(f"{binary}({symbol}+0x1) [0x{at:x}]" for at, symbol in enumerate(symbols, 1))


def test_a_function_stands_where_no_line_is_known() -> None:
    made_by = stack("/missing/store", "append", "main")
    assert places_of([made_by]) == {made_by: "append"}


def test_the_systems_libraries_are_passed_over() -> None:
    made_by = (*stack("/usr/lib/libc.so.6", "fsync"), *stack("/missing/store", "append", "main"))
    assert places_of([made_by]) == {made_by: "append"}


def test_the_standard_library_of_a_go_program_is_passed_over() -> None:
    library = ("internal/runtime/syscall/linux.Syscall6", "syscall.Fsync", "os.(*File).Sync")
    made_by = stack(
        "/missing/store", *library, "example.org/wal.(*Log).Append", "main.main", *RUNTIME
    )
    assert places_of([made_by]) == {made_by: "example.org/wal.(*Log).Append"}


def test_of_a_go_program_without_own_code_on_the_stack_the_innermost_function_stands() -> None:
    made_by = stack("/missing/store", "runtime.futex", *RUNTIME)
    assert places_of([made_by]) == {made_by: "runtime.futex"}


def test_no_function_of_a_program_that_is_not_go_counts_as_gos_library() -> None:
    made_by = stack("/missing/store", "os.write", "main")
    assert places_of([made_by]) == {made_by: "os.write"}
