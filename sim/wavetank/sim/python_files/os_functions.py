"""What becomes of each function of `os`, by name.

Every one belongs to exactly one class, so that a function that a new Python brings is noticed: a
test walks over `os`. Names that a Python does not have are no harm.
"""

from __future__ import annotations

from typing import Final

__all__ = ["COMPOSED", "HARMLESS", "MACHINE_DESCRIPTORS", "PROGRAMS", "REFUSED", "ROUTED"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


ROUTED: Final = _names("""
    access chdir chmod chown close copy_file_range dup dup2 fchdir fchmod fchown fdatasync fstat
    fstatvfs fsync ftruncate get_blocking get_inheritable getcwd getcwdb getpid getppid
    getrandom getxattr isatty kill lchmod lchown link listdir listxattr lockf lseek lstat mkdir
    open posix_fadvise posix_fallocate pread preadv pwrite pwritev read readinto readlink readv
    remove removexattr rename replace rmdir scandir sendfile set_blocking set_inheritable
    setxattr stat statvfs symlink sync truncate umask unlink urandom utime write writev
""")
"""On the simulated disk, with simulated descriptors; real files are read."""

COMPOSED: Final = _names("fdopen fwalk makedirs removedirs renames walk")
"""Made of those above, in Python."""

MACHINE_DESCRIPTORS: Final = _names("""
    device_encoding eventfd_read eventfd_write fpathconf get_terminal_size grantpt login_tty
    pathconf ptsname splice tcgetpgrp tcsetpgrp timerfd_gettime timerfd_gettime_ns timerfd_settime
    timerfd_settime_ns ttyname unlockpt
""")
"""For descriptors that are no files: the real machine's pass, simulated ones are refused."""

HARMLESS: Final = _names("""
    WCOREDUMP WEXITSTATUS WIFCONTINUED WIFEXITED WIFSIGNALED WIFSTOPPED WSTOPSIG WTERMSIG confstr
    cpu_count ctermid eventfd fsdecode fsencode fspath get_exec_path getegid getenv getenvb geteuid
    getgid getgrouplist getgroups getloadavg getlogin getpgid getpgrp getpriority getresgid
    getresuid getsid getuid major makedev memfd_create minor openpty pidfd_open pipe pipe2
    posix_openpt process_cpu_count putenv register_at_fork reload_environ sched_get_priority_max
    sched_get_priority_min sched_getaffinity sched_getparam sched_getscheduler
    sched_rr_get_interval sched_yield strerror sysconf timerfd_create times uname unsetenv
    waitstatus_to_exitcode
""")
"""They touch no file; they are the real ones."""

REFUSED: Final = _names("""
    _exit abort chroot closerange execl execle execlp execlpe execv execve execvp execvpe fork
    forkpty initgroups killpg mkfifo mknod nice
    sched_setaffinity sched_setparam sched_setscheduler setegid seteuid setgid setgroups setns
    setpgid setpgrp setpriority setregid setresgid setresuid setreuid setsid setuid unshare wait
    wait3 wait4 waitid waitpid
""")
"""They end or change the process, or fork it, which no simulated disk would see."""

PROGRAMS: Final = _names("""
    popen posix_spawn posix_spawnp spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe
    system
""")
"""They start a program; none is found, unless it would look at the simulated directory."""
