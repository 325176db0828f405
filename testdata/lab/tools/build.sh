#!/bin/sh
# build.sh FOLDER compiles the programs of the workloads, static, into FOLDER.
set -e
cd "$(dirname "$0")"
mkdir -p "$1"
gcc -O1 -static -w -o "$1/aaop" aaop.c -lrt
gcc -O1 -static -Wall -o "$1/seccop" seccop.c
for probe in ia32:--32:elf_i386 x32:--64:elf_x86_64; do
	name=${probe%%:*}probe
	mode=${probe#*:}
	as "${mode%:*}" -o "$1/$name.o" "$name.S"
	ld -m "${mode#*:}" -o "$1/$name" "$1/$name.o"
	rm "$1/$name.o"
done
