/* SPDX-License-Identifier: BSD-3-Clause */
/* The types of values. */
#include <ctype.h>
#include <string.h>

#include "conf_priv.h"

/* A whole decimal number without sign. Returns what follows it, or NULL. */
static const char *
parse_uint(const char *s, uint64_t *out)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)*s))
		return NULL;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s - '0', &n))
			return NULL;
	*out = n;
	return s;
}

static const char *
skip_blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* Behind the comma between two elements, at the end, or NULL: neither is there. */
static const char *
next_element(const char *s)
{
	s = skip_blanks(s);
	if (*s == '\0')
		return s;
	if (*s != ',')
		return NULL;
	s = skip_blanks(s + 1);
	return *s == '\0' ? NULL : s;
}

/* Numbers from min to max, each once, as in 1-3,5: set in numbers[]. false: no such list. */
static bool
parse_numbers(const char *s, uint64_t min, uint64_t max, bool *numbers)
{
	memset(numbers, 0, (max + 1) * sizeof(numbers[0]));
	do {
		uint64_t first, last;
		s = parse_uint(s, &first);
		last = first;
		if (s != NULL && *s == '-')
			s = parse_uint(s + 1, &last);
		if (s == NULL || first < min || first > last || last > max)
			return false;
		for (uint64_t n = first; n <= last; n++) {
			/* Named twice is a typing error: one was meant to be another. */
			if (numbers[n])
				return false;
			numbers[n] = true;
		}
		s = next_element(s);
	} while (s != NULL && *s != '\0');
	return s != NULL;
}

static bool
parse_cpus(const char *s, bool cpus[CONF_CPU_MAX + 1])
{
	return parse_numbers(s, 0, CONF_CPU_MAX, cpus);
}

static bool
parse_vlans(const char *s, bool vlans[CONF_VLAN_MAX + 1])
{
	return parse_numbers(s, 1, CONF_VLAN_MAX, vlans);
}

static const char *
parse_mac(const char *s, uint8_t mac[6])
{
	static const uint8_t zero[6];

	for (int i = 0; i < 6; i++) {
		unsigned int byte;
		if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1]) ||
			sscanf(s, "%2x", &byte) != 1)
			return NULL;
		mac[i] = byte;
		s += 2;
		if (i < 5 && *s++ != ':')
			return NULL;
	}
	return (mac[0] & 1) != 0 || memcmp(mac, zero, 6) == 0 ? NULL : s;
}

/* Stores at most max, counts all; false: no list, or an address twice. */
static bool
parse_macs(const char *s, uint8_t (*macs)[6], unsigned int max, unsigned int *count)
{
	unsigned int n = 0;
	do {
		uint8_t mac[6];
		s = parse_mac(s, mac);
		if (s == NULL)
			return false;
		for (unsigned int i = 0; i < RTE_MIN(n, max); i++)
			if (memcmp(macs[i], mac, 6) == 0)
				return false;
		if (n < max)
			memcpy(macs[n], mac, 6);
		n++;
		s = next_element(s);
	} while (s != NULL && *s != '\0');
	*count = n;
	return s != NULL;
}

/* The most addresses a value can have: 17 characters and a comma each. */
#define MACS_MAX ((CONF_VALUE_MAX + 1) / 18)

static bool
parse_enum(const char *choices, const char *value, uint64_t *num)
{
	size_t len = strlen(value);
	uint64_t i = 0;

	for (const char *c = choices;; i++) {
		size_t choice_len = strcspn(c, "|");
		if (choice_len == len && memcmp(c, value, len) == 0) {
			*num = i;
			return true;
		}
		if (c[choice_len] == '\0')
			return false;
		c += choice_len + 1;
	}
}

bool
conf_value_check(
	const struct conf_key *key, const char *value, uint64_t *num, char *expected, size_t size)
{
	bool cpus[CONF_CPU_MAX + 1], vlans[CONF_VLAN_MAX + 1];
	uint8_t macs[MACS_MAX][6];
	unsigned int n_macs;
	const char *end;

	switch (key->type) {
	case CONF_STRING:
		snprintf(expected, size, "at most %u characters", (unsigned int)key->max);
		return key->max == 0 || strlen(value) <= key->max;
	case CONF_UINT:
		snprintf(expected, size, "a number from %llu to %llu", (unsigned long long)key->min,
			(unsigned long long)key->max);
		end = parse_uint(value, num);
		return end != NULL && *end == '\0' && *num >= key->min && *num <= key->max;
	case CONF_ENUM:
		snprintf(expected, size, "one of %s", key->choices);
		return parse_enum(key->choices, value, num);
	case CONF_CPUS:
		snprintf(expected, size, "CPU numbers up to %d, each once, as in 1 or 1-3,5",
			CONF_CPU_MAX);
		return parse_cpus(value, cpus);
	case CONF_VLANS:
		snprintf(expected, size, "VLANs from 1 to %d, each once, as in 100 or 100,200-210",
			CONF_VLAN_MAX);
		return parse_vlans(value, vlans);
	case CONF_MACS:
		if (key->max == 1)
			snprintf(expected, size, "a unicast address, as in 52:54:00:00:00:01");
		else
			snprintf(expected, size,
				"unicast addresses, each once, as in "
				"52:54:00:00:00:01,52:54:00:00:00:02");
		return parse_macs(value, macs, RTE_DIM(macs), &n_macs) &&
		       (key->max == 0 || n_macs <= key->max);
	}
	return false;
}

unsigned int
conf_value_cpus(const char *value, uint16_t *cpus, unsigned int max)
{
	bool set[CONF_CPU_MAX + 1];
	unsigned int n = 0;

	if (!parse_cpus(value, set))
		return 0;
	for (unsigned int c = 0; c <= CONF_CPU_MAX; c++)
		if (set[c]) {
			if (n < max)
				cpus[n] = c;
			n++;
		}
	return n;
}

void
conf_value_vlans(const char *value, uint64_t vlans[CONF_VLAN_MAX / 64 + 1])
{
	bool set[CONF_VLAN_MAX + 1];

	memset(vlans, 0, (CONF_VLAN_MAX / 64 + 1) * sizeof(vlans[0]));
	if (!parse_vlans(value, set))
		return;
	for (unsigned int v = 1; v <= CONF_VLAN_MAX; v++)
		vlans[v / 64] |= (uint64_t)set[v] << v % 64;
}

unsigned int
conf_value_macs(const char *value, uint8_t (*macs)[6], unsigned int max)
{
	unsigned int n = 0;

	return parse_macs(value, macs, max, &n) ? n : 0;
}

bool
conf_value_collides(const struct conf_key *key, const char *a, const char *b)
{
	if (key->type != CONF_MACS)
		return strcmp(a, b) == 0;

	uint8_t macs_a[MACS_MAX][6], macs_b[MACS_MAX][6];
	unsigned int n_a = conf_value_macs(a, macs_a, MACS_MAX);
	unsigned int n_b = conf_value_macs(b, macs_b, MACS_MAX);
	for (unsigned int i = 0; i < n_a; i++)
		for (unsigned int j = 0; j < n_b; j++)
			if (memcmp(macs_a[i], macs_b[j], 6) == 0)
				return true;
	return false;
}
