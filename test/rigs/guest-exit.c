/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest-exit CODE: ends QEMU from inside a guest. isa-debug-exit at port 0xf4 makes it exit with
 * (CODE << 1) | 1. The cloud kernel has no /dev/port, so a shell cannot do this.
 */
#include <stdlib.h>
#include <sys/io.h>

#define EXIT_PORT 0xf4

int
main(int argc, char **argv)
{
	if (argc != 2 || ioperm(EXIT_PORT, 1, 1) != 0)
		return EXIT_FAILURE;
	outb((unsigned char)atoi(argv[1]), EXIT_PORT);
	return EXIT_FAILURE; /* still alive: no such device */
}
