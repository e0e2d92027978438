# SPDX-License-Identifier: BSD-3-Clause
"""Guests whose memory goes away, and guests that stop, reset or leave in mid-burst."""

from fakeguest import RESET_OWNER, frame, lib, mac

E, F = mac(0xe), mac(0xf)


def test_a_memory_file_truncated_under_transmit_buffers(arena):
    e = arena.evil()
    q = e.tx[0]
    first = e.region(1)
    e.ok(lib.fg_mem_truncate(e.g, 1, 0))
    for i in range(20):
        e.post(q, [(first.gpa + 4096 * i, 1000, False)])
    arena.memory_lost()


def test_a_memory_file_truncated_under_the_rings(arena):
    e = arena.evil()
    e.ok(lib.fg_mem_truncate(e.g, 0, 0))
    arena.memory_lost()


def test_a_memory_file_truncated_under_receive_buffers(arena):
    e = arena.evil()
    e.ok(lib.fg_mem_truncate(e.g, 1, 0))
    arena.feed(E, 1000, 20)
    arena.memory_lost()


def test_memory_truncated_while_frames_are_in_flight(arena):
    for _ in range(5):
        e = arena.evil()
        for i in range(200):
            e.send(frame(F, E, 1500, seq=i), publish=False)
        lib.fg_ring_publish(e.tx[0].ring)
        e.ok(lib.fg_mem_truncate(e.g, 1, 4096))
        arena.feed(E, 1000, 3)
        arena.release(e)


# ---- changes in mid-burst


def test_a_reset_in_mid_burst(arena):
    for i in range(40):
        e = arena.evil()
        for k in range(100):
            e.send(frame(F, E, 60 + 14 * k), publish=False)
        lib.fg_ring_publish(e.tx[0].ring)
        if i % 4 == 0:
            e.request(RESET_OWNER)
        elif i % 4 == 1:
            e.stop_queue(e.tx[0])
        elif i % 4 == 2:
            e.disconnect()
        arena.release(e)


def test_memory_that_is_unplugged_in_mid_burst(arena):
    for i in range(20):
        e = arena.evil()
        for k in range(100):
            e.send(frame(F, E, 60 + 14 * k), publish=False)
        lib.fg_ring_publish(e.tx[0].ring)
        e.ok(lib.fg_rem_mem_reg(e.g, i % 2))
        e.send(frame(F, E, 1000))
        arena.feed(E, 500, 2)
        arena.release(e)


def test_a_ring_that_is_broken_may_start_anew(arena):
    e = arena.evil()
    e.offer(e.tx[0], 65535)
    arena.broken("rx", "head_index")
    e.stop_queue(e.tx[0])
    e.tx[0].ring.base = 0
    lib.fg_ring_reset(e.tx[0].ring)
    e.start_queue(e.tx[0])
    e.send(frame(F, E, 444))
    assert arena.feeder.recv() == frame(F, E, 444)


def test_a_broken_transmit_ring_leaves_the_receive_ring_of_its_guest_alone(arena):
    e = arena.evil()
    e.offer(e.tx[0], 65535)
    arena.broken("rx", "head_index")
    arena.feeder.send(frame(E, F))
    assert e.recv() == frame(E, F)
