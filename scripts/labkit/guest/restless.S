# Two processes take turns many times a second, so that the processor changes address spaces often.
#
# QEMU before 9.0, where it emulates, notes that a page is written to only when its translation was looked up anew since the
# last round of a live migration. What an idle guest writes just before it moves would stay behind, and its kernel hang in a
# torn list of timers: some migrations in a hundred did. A change of address space empties the cache of translations.
# Not a script: a shell needs three times the processor for it, in every guest, all day.

    .set NANOSLEEP, 35
    .set FORK, 57

    .text
    .globl _start
_start:
    movl $FORK, %eax
    syscall
1:  movl $NANOSLEEP, %eax
    leaq pause(%rip), %rdi
    xorl %esi, %esi
    syscall
    jmp 1b

pause:
    .quad 0, 100000000           # seconds, nanoseconds
