# The first 32-bit instructions of the lab's kernel: in place of the kernel's own unpacker, whose xz takes an emulated CPU
# longer than all the rest of booting. Started as Linux' 32-bit boot protocol says (flat segments, %esi: boot parameters); maps
# the first 4 GiB one to one, unpacks lz4's legacy frames that follow to where the kernel is linked for, and enters it there.

    .set TABLES, 0xf80000        # six pages that nothing else uses: this image ends below, the kernel begins above
    .set STACK, TABLES + 0x7000  # not beside code: emulators translate a page anew that is written to
    .set KERNEL, 0x1000000       # "pref_address"; a kernel that is not moved runs there
    .set LARGE_PAGE, 0x83        # present, writable, 2 MiB
    .set NEXT_TABLE, 0x03

    .text
    .code32
    .globl _start
_start:
    cld
    cli
    movl %esi, %ebp

    movl $TABLES, %edi
    xorl %eax, %eax
    movl $(6 * 1024), %ecx
    rep stosl
    movl $(TABLES + 0x1000 + NEXT_TABLE), TABLES
    movl $TABLES + 0x1000, %edi
    movl $(TABLES + 0x2000 + NEXT_TABLE), %eax
    movl $4, %ecx
1:  movl %eax, (%edi)
    addl $0x1000, %eax
    addl $8, %edi
    loop 1b
    movl $TABLES + 0x2000, %edi
    movl $LARGE_PAGE, %eax
    movl $2048, %ecx
2:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 2b

    lgdt descriptors
    movl %cr4, %eax
    orl $0x20, %eax              # PAE
    movl %eax, %cr4
    movl $TABLES, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx       # EFER
    rdmsr
    orl $0x100, %eax             # long mode
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax        # paging, protection
    movl %eax, %cr0
    ljmp $0x10, $long

    .code64
long:
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $STACK, %esp
    movl $frames, %esi
    movl $KERNEL, %edi
frame:                           # its packed length, then its sequences; a length of 0 ends all
    lodsl
    testl %eax, %eax
    jz unpacked
    leaq (%rsi, %rax), %r8
sequence:                        # literals, then a copy of what was unpacked before
    lodsb
    movzbl %al, %ebx
    movl %ebx, %ecx
    shrl $4, %ecx
    call length
    rep movsb
    cmpq %r8, %rsi
    jae frame
    xorl %eax, %eax
    lodsw
    movl %ebx, %ecx
    andl $15, %ecx
    movl %eax, %edx
    call length
    addl $4, %ecx
    movq %rsi, %r9
    movq %rdi, %rsi
    subq %rdx, %rsi
    rep movsb
    movq %r9, %rsi
    jmp sequence

length:                          # %ecx: 4 bits; 15 of them are followed by bytes to add, the last of which is not 255
    cmpl $15, %ecx
    jne 2f
1:  lodsb
    movzbl %al, %eax
    addl %eax, %ecx
    cmpl $255, %eax
    je 1b
2:  ret

unpacked:
    movl %ebp, %esi
    movl $KERNEL, %eax
    jmp *%rax

    .align 16
table:
    .quad 0, 0
    .quad 0x00af9a000000ffff     # 0x10: code
    .quad 0x00cf92000000ffff     # 0x18: data
descriptors:
    .word descriptors - table - 1
    .long table
    .align 4
frames:
