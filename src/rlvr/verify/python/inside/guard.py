"""Limits that a process puts on itself before it runs what somebody else wrote, and can't take off again.

They hold for root, too, for whom `RLIMIT_NPROC` does not: a filter of system calls refuses new processes, sockets,
signals, every look into another process, and a life beyond that of the process that started it.
"""

import ctypes
import os
import resource
import struct

NO_NEW_PRIVILEGES, SET_FILTER, FILTER_MODE, DROP_BOUNDING = 38, 22, 2, 24
CAPABILITY_VERSION = 0x20080522
FILE_MIB, OPEN_FILES = 16, 64
LEAST_BYTES = 32 * 2**20
# The kernel's name of an architecture, and the numbers of the calls that are refused on it.
CALLS = {
    "x86_64": (
        0xC000003E,
        # socket connect bind, shmget semget msgget, clone fork vfork execve kill, ptrace, tkill tgkill, prctl, syslog
        *(41, 42, 49, 29, 64, 68, 56, 57, 58, 59, 62, 101, 200, 234, 157, 103),
        # rt_sigqueueinfo rt_tgsigqueueinfo, pivot_root chroot mount umount reboot, init_module
        *(129, 297, 155, 161, 165, 166, 169, 175),
        # kexec_load, add_key request_key keyctl, unshare, perf_event_open, name_to_handle_at open_by_handle_at, setns
        *(246, 248, 249, 250, 272, 298, 303, 304, 308),
        # process_vm_readv process_vm_writev, finit_module, memfd_create, kexec_file_load, bpf, execveat, userfaultfd
        *(310, 311, 313, 319, 320, 321, 322, 323),
    ),
    "aarch64": (
        0xC00000B7,
        # socket connect bind, shmget semget msgget, clone execve kill, ptrace, tkill tgkill, prctl, syslog
        *(198, 203, 200, 194, 190, 186, 220, 221, 129, 117, 130, 131, 167, 116),
        # rt_sigqueueinfo rt_tgsigqueueinfo, pivot_root chroot mount umount reboot, init_module
        *(138, 240, 41, 51, 40, 39, 142, 105),
        # kexec_load, add_key request_key keyctl, unshare, perf_event_open, name_to_handle_at open_by_handle_at, setns
        *(104, 217, 218, 219, 97, 241, 264, 265, 268),
        # process_vm_readv process_vm_writev, finit_module, memfd_create, kexec_file_load, bpf, execveat, userfaultfd
        *(270, 271, 273, 279, 294, 280, 281, 282),
    ),
}
# On both: pidfd_send_signal, io_uring's three, the new mount calls, pidfd_open clone3 pidfd_getfd, mount_setattr.
NEW_CALLS = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 435, 438, 442)
OTHER_NUMBERING = 0x40000000  # x86's second set of numbers for the same calls
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, REFUSE, END = 0x7FFF0000, 0x00050001, 0x80000000  # refused is EPERM


def c_library() -> ctypes.CDLL:
    """Its calls with the sizes of their arguments, which ctypes would take for those of an `int`."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
    libc.syscall.argtypes = [
        ctypes.c_long,
        ctypes.c_long,
        ctypes.c_char_p,
        ctypes.c_ulong,
        ctypes.c_char_p,
        ctypes.c_ulong,
    ]
    return libc


def limit(seconds: int, memory_bytes: int) -> None:
    """Processor time, memory, sizes and number of files; no process or thread beside this one, and no core dump.

    Raises:
        MemoryError: When the memory is not enough to judge anything in.
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


def drop_privileges(libc: ctypes.CDLL) -> None:
    """Give up every capability, those of the own user namespace too.

    Raises:
        OSError: When the kernel does not take them.
    """
    number = 0
    while libc.prctl(DROP_BOUNDING, number, 0, 0, 0) == 0:
        number += 1
    header, none = struct.pack("=Ii", CAPABILITY_VERSION, 0), bytes(24)
    checked(libc.capset(header, none), "capset")


def filter_calls(libc: ctypes.CDLL) -> None:
    """Refuse the calls above from now on.

    Raises:
        OSError: When the kernel has no such filter, or the numbers of its calls are not known.
    """
    known = CALLS.get(os.uname().machine)
    if known is None:
        raise OSError(f"the numbers of system calls on {os.uname().machine} are not known")
    architecture, *numbers = known
    numbers += NEW_CALLS
    code = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, END), (LOAD, 0, 0, 0)]
    # Each of these jumps over those that follow it, and over the line that allows.
    code.append((AT_LEAST, len(numbers) + 1, 0, OTHER_NUMBERING))
    code += [(EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    code += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(text)))
    checked(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    checked(libc.prctl(SET_FILTER, FILTER_MODE, ctypes.addressof(program), 0, 0), "seccomp")


def checked(result: int, call: str) -> None:
    """Raise what a call of the C library left behind.

    Raises:
        OSError: When it failed.
    """
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
