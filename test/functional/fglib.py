# SPDX-License-Identifier: BSD-3-Clause
"""libfakeguest.so through ctypes: the structs and prototypes of test/fakeguest/fg.h."""

import ctypes as c
import os

BUILD = os.environ.get("VS_BUILD", "build")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD_DIR = os.path.join(ROOT, BUILD)

u8, u16, u32, u64, p = c.c_uint8, c.c_uint16, c.c_uint32, c.c_uint64, c.c_void_p


class Region(c.Structure):
    _fields_ = [("gpa", u64), ("size", u64), ("uva", u64), ("offset", u64), ("fd", c.c_int),
                ("host", p), ("bump", u64)]


class Ring(c.Structure):
    _fields_ = [("g", p), ("ops", p), ("index", u32), ("size", u32), ("region", u32),
                ("desc_gpa", u64), ("avail_gpa", u64), ("used_gpa", u64),
                ("desc", p), ("avail", p), ("used", p), ("base", u32),
                ("n_free", u16), ("free_head", u16),
                ("avail_idx", u16), ("published", u16), ("used_idx", u16),
                ("pos", u16), ("used_pos", u16), ("wrap", c.c_bool), ("used_wrap", c.c_bool),
                ("first_pos", u16), ("first_flags", u16), ("n_shown", u16),
                ("next", p), ("n_chain", p), ("cookie", p), ("n_write", p), ("order", p),
                ("table", p), ("n_table", p), ("n_posted", u64), ("n_taken", u64),
                ("batch", u32), ("batch_len", u32),
                ("kick", c.c_int), ("call", c.c_int), ("err", c.c_int),
                ("event_idx", c.c_bool), ("packed", c.c_bool), ("in_order", c.c_bool),
                ("n_kicks", u64), ("n_calls", u64), ("n_out_of_order", u64), ("n_bad_id", u64)]


class Header(c.Structure):
    """The virtio-net header."""
    _fields_ = [("flags", u8), ("gso_type", u8), ("hdr_len", u16), ("gso_size", u16),
                ("csum_start", u16), ("csum_offset", u16), ("num_buffers", u16)]


class Queue(c.Structure):
    _fields_ = [("ring_", c.POINTER(Ring)), ("g", p), ("rx", c.c_bool), ("hdr_len", u32),
                ("slot_size", u32), ("n_slots", u32), ("slots_gpa", u64), ("free_slots", p),
                ("n_free_slots", u32), ("rx_cuts", u32), ("rx_indirect", c.c_bool),
                ("n_frames", u64), ("n_bad_len", u64), ("n_bad_buffers", u64),
                ("last_buffers", u32), ("last_hdr", Header)]

    @property
    def ring(self):
        return self.ring_.contents


class Check(c.Structure):
    _fields_ = [("seed", u32), ("max", u32), ("highest", u32), ("received", u64),
                ("duplicate", u64), ("corrupt", u64), ("reordered", u64), ("foreign", u64),
                ("seen", p)]


class StreamStruct(c.Structure):
    _fields_ = [("from_", p), ("to", p), ("src", u8 * 6), ("dst", u8 * 6),
                ("size_min", u32), ("size_max", u32), ("size_step", u32),
                ("desc_min", u32), ("desc_max", u32), ("header", c.c_int),
                ("indirect", c.c_int), ("window", u32), ("n_pairs", u32), ("limit", u64),
                ("sent", u64), ("lost", u64), ("size", u32), ("desc", u32), ("check", Check)]


class Head(c.Structure):
    """How struct fg begins."""
    _fields_ = [("sock", c.c_int), ("offered", u64), ("features", u64), ("proto_offered", u64),
                ("proto", u64)]


class Buf(c.Structure):
    _fields_ = [("gpa", u64), ("len", u32), ("write", c.c_bool)]


def _load():
    lib = c.CDLL(os.path.join(BUILD_DIR, "test/fakeguest/libfakeguest.so"))
    rp, qp, sp, i = c.POINTER(Ring), c.POINTER(Queue), c.POINTER(StreamStruct), c.c_int
    b, s, ip = c.c_bool, c.c_char_p, c.POINTER(c.c_int)
    for name, res, args in (
        ("fg_new", p, []), ("fg_free", None, [p]), ("fg_error", s, [p]),
        ("fg_connect", i, [p, s]), ("fg_disconnect", None, [p]),
        ("fg_listen", i, [p, s]), ("fg_accept", i, [p, i]), ("fg_unlisten", None, [p]),
        ("fg_send_raw", i, [p, s, c.c_size_t, ip, u32]),
        ("fg_send", i, [p, u32, u32, s, u32, ip, u32]),
        ("fg_recv_raw", i, [p, p, c.c_size_t, i]), ("fg_recv", i, [p, u32, p, u32, i]),
        ("fg_hung_up", b, [p, i]),
        ("fg_mem_add", i, [p, u64, u64, u64, u64]), ("fg_mem_drop", None, [p, u32]),
        ("fg_mem_move", i, [p, u32, u64]), ("fg_mem_truncate", i, [p, u32, u64]),
        ("fg_region_of", c.POINTER(Region), [p, u32]),
        ("fg_ptr", p, [p, u64, u64]), ("fg_uva", u64, [p, u64]),
        ("fg_alloc", u64, [p, u32, u64, u64]), ("fg_canary_fill", None, [p]),
        ("fg_canary_check", u64, [p, c.POINTER(u64)]),
        ("fg_request", i, [p, u32, s, u32, ip, u32]), ("fg_request_u64", i, [p, u32, u64]),
        ("fg_request_state", i, [p, u32, u32, u32]), ("fg_get_u64", i, [p, u32, c.POINTER(u64)]),
        ("fg_negotiate", i, [p, u64, u64]), ("fg_set_mem_table", i, [p]),
        ("fg_add_mem_reg", i, [p, u32]), ("fg_rem_mem_reg", i, [p, u32]),
        ("fg_ring_start", i, [rp]), ("fg_ring_addr", i, [rp]), ("fg_ring_enable", i, [rp, b]),
        ("fg_ring_stop", i, [rp]), ("fg_ring_reset", None, [rp]), ("fg_ring_relocate", i, [rp]),
        ("fg_ring_post", i, [rp, c.POINTER(Buf), u32, b, u32]), ("fg_ring_publish", None, [rp]),
        ("fg_ring_kick", None, [rp]),
        ("fg_ring_take", b, [rp, c.POINTER(u16), c.POINTER(u32), c.POINTER(u32)]),
        ("fg_ring_pending", u32, [rp]), ("fg_ring_want_call", None, [rp, b]),
        ("fg_ring_stale_base", u32, [rp]), ("fg_ring_wait", b, [rp, i]),
        ("fg_ring_raw_avail", None, [rp, u16]),
        ("fg_ring_raw_desc", None, [rp, u16, u64, u32, u16, u16]),
        ("fg_ring_raw_avail_idx", None, [rp, u16]), ("fg_ring_raw_used_idx", u16, [rp]),
        ("fg_flip", None, [p, s, s, u32, i]),
        ("fg_queue_new", qp, [p, b, u32, u32, u32, u32, u32, u32]),
        ("fg_queue_rebase", None, [qp, u64, u64, u64]),
        ("fg_net_send_cuts", i, [qp, s, s, u32, c.POINTER(u32), u32, b, b]),
        ("fg_net_send", i, [qp, s, s, u32, u32, i, b, b]), ("fg_net_reap", u32, [qp]),
        ("fg_net_fill", None, [qp]), ("fg_net_fill_some", u32, [qp, u32]),
        ("fg_net_recv", i, [qp, p, u32, b]), ("fg_net_recv_any", i, [p, p, u32, c.POINTER(u32)]),
        ("fg_frame_make", None, [p, u32, s, s, u32, u32]),
        ("fg_greet", i, [p, p, s, s, i]),
        ("fg_stream_new", sp, [p, p, s, s, u32, u32]), ("fg_stream_free", None, [sp]),
        ("fg_stream_run", i, [sp, u64, i]), ("fg_stream_step", u32, [sp]),
    ):
        f = getattr(lib, name)
        f.restype, f.argtypes = res, args
    sizes = (u32 * 5).in_dll(lib, "fg_sizes")
    mine = [c.sizeof(t) for t in (Region, Ring, Queue, Check, StreamStruct)]
    assert list(sizes) == mine, f"fg.h and fakeguest.py disagree: {list(sizes)} {mine}"
    return lib


lib = _load()
