// Entry: test the RAM with registers alone, leave it zero, give C a stack.
#include "contract.h"

.section .boot, "ax"
.global _start
_start:
.option push
.option norelax
    la      gp, __global_pointer$
.option pop
    li      tp, CSR_BASE
    li      t0, RAM_BASE
    li      t1, RAM_BASE + RAM_BYTES
    li      t2, 0x5AA5C33C
    li      a0, 0               // differences found

    mv      t3, t0              // up: write the pattern
1:  xor     t4, t3, t2
    sw      t4, 0(t3)
    addi    t3, t3, 4
    bne     t3, t1, 1b

    mv      t3, t0              // up: read the pattern, write its inverse
2:  xor     t4, t3, t2
    lw      t5, 0(t3)
    xor     t5, t5, t4
    or      a0, a0, t5
    not     t4, t4
    sw      t4, 0(t3)
    addi    t3, t3, 4
    bne     t3, t1, 2b

    mv      t3, t1              // down: read the inverse, write zero
3:  addi    t3, t3, -4
    xor     t4, t3, t2
    not     t4, t4
    lw      t5, 0(t3)
    xor     t5, t5, t4
    or      a0, a0, t5
    sw      zero, 0(t3)
    bne     t3, t0, 3b

    snez    a0, a0
    mv      sp, t1
    call    firmware_boot
4:  call    firmware_turn
    j       4b
