/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of ctl: handlers, and what they share. */
#ifndef CTL_PRIV_H
#define CTL_PRIV_H

#include <rte_telemetry.h>

#include "ctl.h"

/* Answers one question on control. params: what follows the command's comma, or NULL. */
typedef void (*ctl_handler)(const char *params, struct rte_tel_data *d);

void ctl_answer_version(const char *params, struct rte_tel_data *d);
void ctl_answer_ports(const char *params, struct rte_tel_data *d);
void ctl_answer_port(const char *params, struct rte_tel_data *d);
void ctl_answer_queues(const char *params, struct rte_tel_data *d);
void ctl_answer_fdb(const char *params, struct rte_tel_data *d);
void ctl_answer_workers(const char *params, struct rte_tel_data *d);
void ctl_answer_buffers(const char *params, struct rte_tel_data *d);

extern struct fdb *ctl_fdb;

/* The whole answer is this error. Only before anything was put into d. */
void ctl_error(struct rte_tel_data *d, const char *text);

/* An OFFSET. NULL and "" are 0; false: no such number. */
bool ctl_parse_offset(const char *s, uint32_t *offset);
/* NAME[,OFFSET] with NAME cut off into name[]; false: too long, or a bad offset. */
bool ctl_parse_name(const char *params, char name[BASE_PORT_NAME_MAX], uint32_t *offset);

/* A new row for a table; NULL, with the error noted in d: no memory, end the page. */
struct rte_tel_data *ctl_row(struct rte_tel_data *d);
/* Put it there, under its number. */
void ctl_row_add(struct rte_tel_data *d, uint32_t number, struct rte_tel_data *row);
/* Begin a table of which n_total rows exist, the page beginning at offset; returns the number of
 * its last row + 1. */
uint32_t ctl_table(struct rte_tel_data *d, uint32_t n_total, uint32_t offset);

#endif
