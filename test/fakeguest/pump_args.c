/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "pump.h"

static const char usage[] =
	"usage: pump [options] SOCKET ...\n"
	"Guests on vhost-user sockets: the first floods the second with frames; prints JSON.\n"
	"Alone, it gets its own frames back. Further ones are connected and silent.\n"
	"  --size N      bytes of a frame, 60 .. 9000 (60); with --tso up to 65549\n"
	"  --ring N      entries of each ring, a power of two unless packed (1024)\n"
	"  --queues N    pairs of each guest, 1 .. 8 (1)\n"
	"  --seconds S   length of the measurement (3)\n"
	"  --warmup S    before it (0.5)\n"
	"  --both        the second floods the first as well\n"
	"  --sink        one guest; what it sends does not come back\n"
	"  --mrg         negotiate mergeable receive buffers\n"
	"  --packed      packed rings\n"
	"  --in-order    negotiate completion in order\n"
	"  --macs N      addresses each guest uses in turn (1)\n"
	"  --burst N     completions collected before they are offered again (32)\n"
	"  --cpu N       pin to this CPU\n"
	"  --rate N      send N frames a second one way, and measure latency\n"
	"  --clump N     with --rate: N frames at once, less often (1)\n"
	"  --sample N    with --rate: measure the latency of one of N frames (1)\n"
	"  --window S    with --rate: medians of windows of S seconds, each with empty rings at "
	"first\n"
	"                (all of --seconds)\n"
	"  --stuck N     with --rate: the third guest floods the fourth, which takes N a second\n"
	"  --listen      the switch connects to the sockets\n"
	"  --restart     with --rate: send until the switch is killed, and measure the outage\n"
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
		     : c == 'k' ? &args->sink
		     : c == 'l' ? &args->listen
		     : c == 'x' ? &args->restart
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

static bool
set_number(struct pump_args *args, int c, const char *name)
{
	uint32_t *value = c == 's'   ? &args->size
			  : c == 'r' ? &args->ring
			  : c == 'q' ? &args->queues
			  : c == 'n' ? &args->macs
			  : c == 'u' ? &args->burst
			  : c == 'j' ? &args->clump
			  : c == 'a' ? &args->sample
				     : NULL;
	const unsigned long min = c == 's' ? 60 : c == 'r' ? 2 : 1;
	const unsigned long max = c == 's' || c == 'n' ? 65549 : c == 'q' ? PUMP_QUEUES_MAX : 32768;

	if (value != NULL)
		*value = number(name, optarg, min, max);
	return value != NULL;
}

static void
set(struct pump_args *args, int c, const char *name)
{
	switch (c) {
	case 't':
		args->seconds = seconds(name, optarg, 0.01);
		break;
	case 'w':
		args->warmup = seconds(name, optarg, 0);
		break;
	case 'i':
		args->window = seconds(name, optarg, 0.001);
		break;
	case 'c':
		args->cpu = number(name, optarg, 0, 1023);
		break;
	case 'f':
		args->rate = number(name, optarg, 1, 100000000);
		break;
	case 'd':
		args->stuck = number(name, optarg, 0, 100000000);
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		if (set_number(args, c, name) || set_flag(args, c))
			break;
		fputs(usage, stderr);
		exit(2);
	}
}

static bool
make_sense(const struct pump_args *a)
{
	bool paced = a->rate > 0;

	return a->n_guests >= 1 && (a->packed || (a->ring & (a->ring - 1)) == 0) &&
	       a->burst <= a->ring && (a->size <= 9000 || a->tso) && (!a->tso || a->size >= 1514) &&
	       (a->n_guests > 1 || !a->both) && (a->n_guests == 1 || !a->sink) &&
	       (!a->sink || !paced) &&
	       (!paced || (a->queues == 1 && !a->both && a->macs <= a->ring)) &&
	       a->ring % a->sample == 0 && (!a->restart || (paced && !a->packed)) &&
	       (a->stuck < 0 || (paced && a->n_guests == 4));
}

void
pump_parse(int argc, char **argv, struct pump_args *args)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' },
		{ "ring", required_argument, NULL, 'r' },
		{ "queues", required_argument, NULL, 'q' },
		{ "seconds", required_argument, NULL, 't' },
		{ "warmup", required_argument, NULL, 'w' },
		{ "both", no_argument, NULL, 'b' },
		{ "sink", no_argument, NULL, 'k' },
		{ "mrg", no_argument, NULL, 'm' },
		{ "packed", no_argument, NULL, 'p' },
		{ "in-order", no_argument, NULL, 'o' },
		{ "tso", no_argument, NULL, 'g' },
		{ "macs", required_argument, NULL, 'n' },
		{ "burst", required_argument, NULL, 'u' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "rate", required_argument, NULL, 'f' },
		{ "clump", required_argument, NULL, 'j' },
		{ "sample", required_argument, NULL, 'a' },
		{ "stuck", required_argument, NULL, 'd' },
		{ "window", required_argument, NULL, 'i' },
		{ "listen", no_argument, NULL, 'l' },
		{ "restart", no_argument, NULL, 'x' },
		{ "verify", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, i = 0;

	*args = (struct pump_args){ .size = 60,
		.ring = 1024,
		.queues = 1,
		.macs = 1,
		.burst = 32,
		.clump = 1,
		.sample = 1,
		.stuck = -1,
		.seconds = 3,
		.warmup = 0.5,
		.cpu = -1 };
	while ((c = getopt_long(argc, argv, "", options, &i)) != -1)
		set(args, c, options[i].name);
	if (args->window == 0 || args->window > args->seconds)
		args->window = args->seconds;
	for (i = optind; i < argc && args->n_guests < PUMP_GUESTS_MAX; i++)
		args->path[args->n_guests++] = argv[i];
	if (i < argc || !make_sense(args)) {
		fputs(usage, stderr);
		exit(2);
	}
}
