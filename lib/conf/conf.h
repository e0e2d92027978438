/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf: the port config file: read, check, hand out typed values.
 *
 * The file has rte_cfgfile's syntax: one [switch] section and any number of
 * [port NAME] sections. What keys a section may have is a schema given by the caller:
 * one for [switch], one for keys of every port, and one per port
 * kind, chosen by the section's `type`. conf knows no kind itself. [switch] may be left out when
 * none of its keys is required; a file with no section at all is an error.
 *
 * Every error names file, line or section, and key, and says what was expected. Unknown
 * sections and keys, duplicate sections and keys, lines without `=`, values that are too
 * long: errors. Nothing is loaded from a file with an error.
 *
 * Lines may end with CR LF, and a byte order mark of UTF-8 may begin the file.
 *
 * A port's name has 1 .. BASE_PORT_NAME_MAX - 1 characters of A-Z a-z 0-9 _ . - and begins with a
 * letter or a digit: it may stand in a file name, in JSON and between commas.
 *
 * Ownership: a struct conf owns all strings it hands out, until conf_free. Schemas
 * are not copied: they must outlive it.
 * Threads: control only. No logging here: the caller prints the error.
 */
#ifndef CONF_H
#define CONF_H

#include "base.h"

#define CONF_ERROR_MAX 320 /* bytes of an error message */
#define CONF_VALUE_MAX 255 /* characters of a value */
#define CONF_KEY_MAX   63  /* characters of a key, and of what stands between [ and ] */
#define CONF_LINE_MAX  320 /* characters of a line with its comment: what rte_cfgfile 22.11 reads */
#define CONF_FILE_MAX  (1 << 20) /* bytes of a file */
#define CONF_CPU_MAX   1023	 /* highest CPU number: cpu_set_t, which EAL uses, ends there */
#define CONF_VLAN_MAX  4094	 /* 4095 is reserved (IEEE 802.1Q 9.6) */

enum conf_type {
	CONF_STRING, /* not empty; at most `max` characters if max is not 0 */
	CONF_UINT,   /* decimal, min .. max */
	CONF_ENUM,   /* one of `choices`, separated by '|' */
	CONF_CPUS,   /* CPU list: 1 or 1-3,5 */
	CONF_MACS,   /* unicast MAC addresses, separated by commas; at most `max` if not 0 */
	CONF_VLANS,  /* VLAN list: 100 or 100,200-210; 1 .. CONF_VLAN_MAX */
};

struct conf_key {
	const char *name;
	enum conf_type type;
	/* As in the file; NULL: the key is required; "": none, conf_has is false. */
	const char *deflt;
	uint64_t min, max;   /* CONF_UINT: both; CONF_STRING, CONF_MACS: max */
	const char *choices; /* CONF_ENUM */
	const char *help;    /* one line for --help and the man page */
	bool unique; /* no two ports may have the same value (CONF_MACS: a common address) */
};

/* Keys of one kind of section. An array ends with a key whose name is NULL. */
struct conf_schema {
	const char *type; /* the port kind, value of `type` */
	const struct conf_key *keys;
};

struct conf_section; /* [switch] or one [port NAME] */
struct conf;

/*
 * Read and check a whole file. `kinds` has n_kinds port kinds. On error returns a negative
 * errno (-EINVAL: the content; else from the file system) and a message in err.
 */
int conf_load(const char *path, const struct conf_key *switch_keys,
	const struct conf_key *port_keys, const struct conf_schema *kinds, unsigned int n_kinds,
	struct conf **out, char err[CONF_ERROR_MAX]);
/* The same from memory: len bytes of text; `name` stands for the file in errors. For tests and
 * fuzzers. */
int conf_parse(const char *name, const char *text, size_t len, const struct conf_key *switch_keys,
	const struct conf_key *port_keys, const struct conf_schema *kinds, unsigned int n_kinds,
	struct conf **out, char err[CONF_ERROR_MAX]);
/* NULL is allowed. */
void conf_free(struct conf *conf);

const struct conf_section *conf_switch(const struct conf *conf);
unsigned int conf_n_ports(const struct conf *conf);
/* Ports in the order of the file. i < conf_n_ports. */
const struct conf_section *conf_port(const struct conf *conf, unsigned int i);

/* The port's name, or "switch". */
const char *conf_name(const struct conf_section *cs);
/* A port's type, as index among the kinds given to conf_load. */
unsigned int conf_kind(const struct conf_section *cs);

/*
 * The line of a key, for an error that is found later; where it is not in the file that of its
 * section. 0: neither is.
 */
uint32_t conf_line(const struct conf_section *cs, const char *key);

/*
 * Values, checked and defaulted at load. Asking for a key that the schema lacks is a bug of
 * the caller (assertion).
 */
bool conf_has(const struct conf_section *cs, const char *key);
/* Is its value from the file, not the default? */
bool conf_given(const struct conf_section *cs, const char *key);
/* NULL if the key has no value and no default; then numbers and indices read 0, lists are empty. */
const char *conf_string(const struct conf_section *cs, const char *key);
uint64_t conf_uint(const struct conf_section *cs, const char *key);
/* Index of the value among the key's choices. */
unsigned int conf_enum(const struct conf_section *cs, const char *key);
/* CPUs in ascending order into cpus[max]; returns how many the value has. */
unsigned int conf_cpus(
	const struct conf_section *cs, const char *key, uint16_t *cpus, unsigned int max);
/* Bit v % 64 of vlans[v / 64] for each VLAN v of the value. */
void conf_vlans(
	const struct conf_section *cs, const char *key, uint64_t vlans[CONF_VLAN_MAX / 64 + 1]);
/* Addresses into macs[max]; returns how many the value has. */
unsigned int conf_macs(
	const struct conf_section *cs, const char *key, uint8_t (*macs)[6], unsigned int max);

#endif
