/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "pump.h"

static const char usage[] =
	"usage: pump [options] SOCKET_A SOCKET_B\n"
	"Two guests on two vhost-user sockets: A floods B with frames; prints JSON.\n"
	"  --size N      bytes of a frame, 60 .. 9000 (60); with --tso up to 65549\n"
	"  --ring N      entries of each ring, a power of two unless packed (1024)\n"
	"  --seconds S   length of the measurement (3)\n"
	"  --warmup S    before it (0.5)\n"
	"  --both        B floods A as well\n"
	"  --mrg         negotiate mergeable receive buffers\n"
	"  --packed      packed rings\n"
	"  --in-order    negotiate completion in order\n"
	"  --macs N      addresses each guest uses in turn (1)\n"
	"  --burst N     completions collected before they are offered again (32)\n"
	"  --cpu N       pin to this CPU\n"
	"  --rate N      A sends N frames a second, and latency is measured\n"
	"  --tso         frames are TCP segments of more than an MTU, to be cut by others\n"
	"  --verify      check every byte; not a measurement\n";

static unsigned long
number(const char *name, const char *text, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || n < min || n > max) {
		fprintf(stderr, "pump: --%s takes %lu .. %lu, not '%s'\n", name, min, max, text);
		exit(2);
	}
	return n;
}

static double
seconds(const char *name, const char *text, double min)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end != '\0' || !(s >= min && s <= 3600)) {
		fprintf(stderr, "pump: --%s takes seconds, not '%s'\n", name, text);
		exit(2);
	}
	return s;
}

static bool
set_flag(struct pump_args *args, int c)
{
	bool *flag = c == 'b'	? &args->both
		     : c == 'm' ? &args->mrg
		     : c == 'p' ? &args->packed
		     : c == 'o' ? &args->in_order
		     : c == 'g' ? &args->tso
		     : c == 'v' ? &args->verify
				: NULL;

	if (flag != NULL)
		*flag = true;
	return flag != NULL;
}

void
pump_parse(int argc, char **argv, struct pump_args *args)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' },
		{ "ring", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 't' },
		{ "warmup", required_argument, NULL, 'w' },
		{ "both", no_argument, NULL, 'b' },
		{ "mrg", no_argument, NULL, 'm' },
		{ "packed", no_argument, NULL, 'p' },
		{ "in-order", no_argument, NULL, 'o' },
		{ "tso", no_argument, NULL, 'g' },
		{ "macs", required_argument, NULL, 'n' },
		{ "burst", required_argument, NULL, 'u' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "rate", required_argument, NULL, 'f' },
		{ "verify", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, i = 0;

	*args = (struct pump_args){ .size = 60,
		.ring = 1024,
		.macs = 1,
		.burst = 32,
		.seconds = 3,
		.warmup = 0.5,
		.cpu = -1 };
	while ((c = getopt_long(argc, argv, "", options, &i)) != -1) {
		const char *name = options[i].name;

		switch (c) {
		case 's':
			args->size = number(name, optarg, 60, 65549);
			break;
		case 'r':
			args->ring = number(name, optarg, 2, 32768);
			break;
		case 't':
			args->seconds = seconds(name, optarg, 0.01);
			break;
		case 'w':
			args->warmup = seconds(name, optarg, 0);
			break;
		case 'n':
			args->macs = number(name, optarg, 1, 65536);
			break;
		case 'u':
			args->burst = number(name, optarg, 1, 1024);
			break;
		case 'c':
			args->cpu = number(name, optarg, 0, 1023);
			break;
		case 'f':
			args->rate = number(name, optarg, 1, 100000000);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			if (set_flag(args, c))
				break;
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (argc - optind != 2 || (!args->packed && (args->ring & (args->ring - 1)) != 0) ||
		args->burst > args->ring || (args->size > 9000 && !args->tso) ||
		(args->tso && args->size < 1514)) {
		fputs(usage, stderr);
		exit(2);
	}
	args->path[0] = argv[optind];
	args->path[1] = argv[optind + 1];
}
