// What `recurrent_bench.c` works on: the file named RECURRENT_DATA.
.section .rodata
.balign 4
.global recurrent_data
recurrent_data:
.incbin RECURRENT_DATA
