"""Limits that a process sets for itself before it runs what somebody else wrote, and that it can't remove again.

They also hold for root, for whom `RLIMIT_NPROC` does not: a filter of system calls refuses new processes, sockets,
signals, access to other processes, and every way to outlive the process that started this one.
"""

import ctypes
import os
import resource
import signal
import struct

NO_NEW_PRIVILEGES, SET_FILTER, FILTER_MODE, DROP_BOUNDING, PARENT_DEATH = 38, 22, 2, 24, 1
CAPABILITY_VERSION = 0x20080522
FILE_MIB, OPEN_FILES = 16, 64
LEAST_BYTES = 32 * 2**20
# For each architecture, the kernel's number for it, and the numbers of the system calls that are refused on it.
CALLS = {
    "x86_64": (
        0xC000003E,
        # socket connect bind sendto sendmsg sendmmsg, shmget semget msgget mq_open, clone fork vfork execve execveat
        *(41, 42, 49, 44, 46, 307, 29, 64, 68, 240, 56, 57, 58, 59, 322),
        # kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo, ptrace process_vm_readv process_vm_writev kcmp
        *(62, 200, 234, 129, 297, 101, 310, 311, 312),
        # setrlimit prlimit64 setpriority ioprio_set migrate_pages move_pages, prctl, syslog
        *(160, 302, 141, 251, 256, 279, 157, 103),
        # sched_setparam sched_setscheduler sched_setaffinity sched_setattr
        *(142, 144, 203, 314),
        # chmod fchmod fchmodat chown fchown lchown fchownat, setxattr and removexattr in three ways each
        *(90, 91, 268, 92, 93, 94, 260, 188, 189, 190, 197, 198, 199),
        # utime utimes utimensat futimesat, inotify_add_watch fanotify_init, name_to_handle_at open_by_handle_at
        *(132, 235, 280, 261, 254, 300, 303, 304),
        # pivot_root chroot mount umount reboot unshare setns, init_module finit_module kexec_load kexec_file_load
        *(155, 161, 165, 166, 169, 272, 308, 175, 313, 246, 320),
        # add_key request_key keyctl, perf_event_open, bpf, userfaultfd, memfd_create
        *(248, 249, 250, 298, 321, 323, 319),
    ),
    "aarch64": (
        0xC00000B7,
        # socket connect bind sendto sendmsg sendmmsg, shmget semget msgget mq_open, clone execve execveat
        *(198, 203, 200, 206, 211, 269, 194, 190, 186, 180, 220, 221, 281),
        # kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo, ptrace process_vm_readv process_vm_writev kcmp
        *(129, 130, 131, 138, 240, 117, 270, 271, 272),
        # setrlimit prlimit64 setpriority ioprio_set migrate_pages move_pages, prctl, syslog
        *(164, 261, 140, 30, 238, 239, 167, 116),
        # sched_setparam sched_setscheduler sched_setaffinity sched_setattr
        *(118, 119, 122, 274),
        # fchmod fchmodat fchown fchownat, setxattr and removexattr in three ways each
        *(52, 53, 55, 54, 5, 6, 7, 14, 15, 16),
        # utimensat, inotify_add_watch fanotify_init, name_to_handle_at open_by_handle_at
        *(88, 27, 262, 264, 265),
        # pivot_root chroot mount umount reboot unshare setns, init_module finit_module kexec_load kexec_file_load
        *(41, 51, 40, 39, 142, 97, 268, 105, 273, 104, 294),
        # add_key request_key keyctl, perf_event_open, bpf, userfaultfd, memfd_create
        *(217, 218, 219, 241, 280, 282, 279),
    ),
}
# On both: pidfd_send_signal, io_uring's three, the new mount calls, pidfd_open clone3 pidfd_getfd, process_madvise,
# mount_setattr, process_mrelease, memfd_secret, fchmodat2, setxattrat removexattrat.
NEW_CALLS = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 435, 438, 440, 442, 447, 448, 452, 463, 466)
OTHER_NUMBERING = 0x40000000  # x86's second set of numbers for the same calls
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, REFUSE, END = 0x7FFF0000, 0x00050001, 0x80000000  # refused is EPERM


def c_library() -> ctypes.CDLL:
    """The C library, with the sizes of its calls' arguments: ctypes would take each of them for an `int`."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
    libc.syscall.restype = ctypes.c_long
    return libc


def limit(seconds: int, memory_bytes: int) -> None:
    """Limit processor time, memory, and sizes and number of files; allow no other process or thread, and no core dump.

    Raises:
        MemoryError: When the memory is not enough to judge anything.
    """
    for kind, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, FILE_MIB * 2**20),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    bytearray(LEAST_BYTES)


def die_with_parent(libc: ctypes.CDLL) -> None:
    """Have the kernel end this process when the one that started it ends, since nothing else would.

    Raises:
        OSError: Never, on Linux.
    """
    checked(libc.prctl(PARENT_DEATH, signal.SIGKILL, 0, 0, 0), "prctl")


def drop_privileges(libc: ctypes.CDLL) -> None:
    """Give up every capability, also those in a user namespace of its own.

    Raises:
        OSError: When the kernel refuses.
    """
    number = 0
    while libc.prctl(DROP_BOUNDING, number, 0, 0, 0) == 0:
        number += 1
    header, none = struct.pack("=Ii", CAPABILITY_VERSION, 0), bytes(24)
    checked(libc.capset(header, none), "capset")


def filter_calls(libc: ctypes.CDLL) -> None:
    """Refuse the system calls that are listed above from now on.

    Raises:
        OSError: When the kernel has no such filter, or the numbers of its calls are not known.
    """
    known = CALLS.get(os.uname().machine)
    if known is None:
        raise OSError(f"the numbers of system calls on {os.uname().machine} are not known")
    architecture, *numbers = known
    numbers += NEW_CALLS
    code = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, END), (LOAD, 0, 0, 0)]
    # Each of these lines jumps over those that follow it, and over the line that allows the call.
    code.append((AT_LEAST, len(numbers) + 1, 0, OTHER_NUMBERING))
    code += [(EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    code += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(text)))
    checked(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    checked(libc.prctl(SET_FILTER, FILTER_MODE, ctypes.addressof(program), 0, 0), "seccomp")


def checked(result: int, call: str) -> None:
    """Raise the error that a call of the C library has reported.

    Raises:
        OSError: When it failed.
    """
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
