/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port finds again after its process ended, one way or another. */
#include <sys/stat.h>

#include "pv_unit.h"

#define TX	     0
#define RX	     1
#define F_PACKED     RTE_BIT64(34)
#define F_LEGACY_GSO RTE_BIT64(6)

static bool
file_exists(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/vm.sock.resume", unit.dir);
	return access(path, F_OK) == 0;
}

static void
end_port(void)
{
	/* As vhost_user_close says to a session that there is. */
	if (unit.pv->connected)
		pv_session_ops.disconnected(unit.pv, "the port was closed");
	port_vhost_ops.stop(unit.port);
	unit_turns();
	assert_true(port_vhost_ops.stopped(unit.port));
	port_remove(unit.port);
	unit_turns();
	port_vhost_ops.destroy(unit.port);
}

static void
begin_port(void)
{
	char err[PORT_ERROR_MAX];

	assert_int_equal(
		port_vhost_ops.create(conf_port(unit.conf, 0), &unit.env, &unit.port, err), 0);
	assert_int_equal(port_add(unit.port), 0);
	assert_int_equal(port_vhost_ops.start(unit.port, err), 0);
	unit.pv = (struct port_vhost *)unit.port;
}

static void
a_guests_features_are_offered_again_although_the_config_has_them_no_more(void **state)
{
	assert_false((pv_features_offer(&unit.pv->offer) & F_PACKED) != 0);
	unit_features |= F_PACKED | F_LEGACY_GSO;
	unit_connect();
	unit_features &= ~(F_PACKED | F_LEGACY_GSO);
	/* Its rings would be packed: here it is enough that they ran, and left no word. */
	unit.pv->slots[RX].untold = unit.pv->rings_ran = true;
	end_port();
	begin_port();
	assert_true((pv_features_offer(&unit.pv->offer) & F_PACKED) != 0);
	/* Never what this program does not know. */
	assert_false((pv_features_offer(&unit.pv->offer) & F_LEGACY_GSO) != 0);
}

static void
the_config_wins_as_soon_as_the_guest_lets_go(void **state)
{
	struct vhost_user *vu;

	unit_features |= F_PACKED;
	unit_connect();
	unit.pv->slots[RX].untold = unit.pv->rings_ran = true;
	end_port();
	begin_port();
	vu = unit.pv->vu;
	/* The guest comes back, and goes without a word: it may come again. */
	unit_connect();
	unit_features &= ~F_PACKED;
	unit.pv->slots[RX].untold = unit.pv->rings_ran = true;
	pv_session_ops.disconnected(unit.pv, "test");
	assert_true((pv_features_offer(&unit.pv->offer) & F_PACKED) != 0);
	/* It comes, its rings stop in order. */
	pv_session_ops.connected(unit.pv);
	pv_session_ops.features(unit.pv, unit_features | F_PACKED);
	unit.pv->slots[RX].untold = unit.pv->rings_ran = true;
	pv_session_ops.ring_told(unit.pv, RX);
	pv_session_ops.disconnected(unit.pv, "test");
	assert_false((pv_features_offer(&unit.pv->offer) & F_PACKED) != 0);
	/* The same endpoint, with another offer. */
	assert_ptr_equal(unit.pv->vu, vu);
}

static void
nothing_is_left_of_a_guest_whose_front_end_was_told_where_its_rings_are(void **state)
{
	unit_connect();
	for (uint32_t index = 0; index < 2; index++) {
		unit_ring_start(index, 0);
		memset(pv_resume_record(&unit.pv->resume, index), 0x5a, 64);
	}
	for (uint32_t index = 0; index < 2; index++) {
		pv_session_ops.ring_stop(unit.pv, index);
		unit_turns();
		pv_session_ops.ring_told(unit.pv, index);
		/* Its magic number. */
		assert_int_equal(*(uint64_t *)pv_resume_record(&unit.pv->resume, index), 0);
	}
	pv_session_ops.disconnected(unit.pv, "test");
	assert_true(file_exists());
	end_port();
	assert_false(file_exists());
	begin_port();
	assert_int_equal(unit.pv->offer.earlier, 0);
}

static void
a_guest_that_was_told_of_one_ring_only_is_expected_back(void **state)
{
	unit_connect();
	unit_ring_start(RX, 0);
	unit_ring_start(TX, 0);
	pv_session_ops.ring_stop(unit.pv, RX);
	unit_turns();
	pv_session_ops.ring_told(unit.pv, RX);
	pv_session_ops.disconnected(unit.pv, "test");
	end_port();
	assert_true(file_exists());
	begin_port();
	assert_int_equal(unit.pv->offer.earlier, unit_features);
}

static void
a_front_end_that_only_looks_in_does_not_make_us_forget_a_guest(void **state)
{
	unit_connect();
	unit_ring_start(RX, 0);
	pv_session_ops.disconnected(unit.pv, "test");
	unit_turns();
	unit_connect();
	pv_session_ops.disconnected(unit.pv, "test");
	end_port();
	begin_port();
	assert_int_equal(unit.pv->offer.earlier, unit_features);
}

static void
a_port_that_never_had_a_guest_leaves_no_file(void **state)
{
	assert_true(file_exists());
	end_port();
	assert_false(file_exists());
	begin_port();
}

static void
a_directory_that_comes_with_the_front_end_gets_the_file_then(void **state)
{
	char dir[64];
	char later[] = "[port vm]\ntype = vhost-user\nsocket = later/vm.sock\nrole = client\n";

	end_port();
	struct conf *conf = unit.conf;
	unit.conf = unit_conf(later);
	begin_port();
	unit_connect();
	/* Still not there: a port without it. */
	assert_null(pv_resume_record(&unit.pv->resume, RX));
	unit_ring_start(RX, 0);
	end_port();

	begin_port();
	snprintf(dir, sizeof(dir), "%s/later", unit.dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	unit_connect();
	assert_non_null(pv_resume_record(&unit.pv->resume, RX));
	pv_session_ops.disconnected(unit.pv, "test");
	pv_resume_features_set(&unit.pv->resume, 0);
	end_port();
	assert_int_equal(rmdir(dir), 0);
	conf_free(unit.conf);
	unit.conf = conf;
	begin_port();
}

static void
a_port_that_cannot_start_leaves_the_file_of_its_rival_alone(void **state)
{
	char err[PORT_ERROR_MAX] = "";
	struct port *rival;

	unit_connect();
	unit_ring_start(RX, 0);
	assert_int_equal(port_vhost_ops.create(conf_port(unit.conf, 0), &unit.env, &rival, err), 0);
	assert_true(port_vhost_ops.start(rival, err) < 0);
	port_vhost_ops.destroy(rival);
	assert_true(file_exists());
	assert_non_null(pv_resume_record(&unit.pv->resume, RX));
}

int
main(void)
{
#define port_test(f) cmocka_unit_test_setup_teardown(f, unit_setup, unit_teardown)
	const struct CMUnitTest tests[] = {
		port_test(a_guests_features_are_offered_again_although_the_config_has_them_no_more),
		port_test(the_config_wins_as_soon_as_the_guest_lets_go),
		port_test(nothing_is_left_of_a_guest_whose_front_end_was_told_where_its_rings_are),
		port_test(a_guest_that_was_told_of_one_ring_only_is_expected_back),
		port_test(a_front_end_that_only_looks_in_does_not_make_us_forget_a_guest),
		port_test(a_port_that_never_had_a_guest_leaves_no_file),
		port_test(a_directory_that_comes_with_the_front_end_gets_the_file_then),
		port_test(a_port_that_cannot_start_leaves_the_file_of_its_rival_alone),
	};
	unit_text = "[port vm]\ntype = vhost-user\nsocket = vm.sock\npacked = no\n";
	if (unit_eal_init("0") < 0 || unit_pools() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
