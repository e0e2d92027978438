# SPDX-License-Identifier: BSD-3-Clause
"""A client of DPDK's telemetry socket."""

import json
import os
import socket


class Telemetry:
    """One connection to the process that runs with this RUNTIME_DIRECTORY and --file-prefix.

    `telemetry("/command,parameter")` returns the decoded answer.
    """

    def __init__(self, folder, file_prefix, timeout=5):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(
                os.path.join(folder, "dpdk", file_prefix, "dpdk_telemetry.v2"))
            hello = json.loads(self.socket.recv(1024))
        except (OSError, ValueError):
            self.socket.close()
            raise
        self.max_output = hello["max_output_len"]

    def __call__(self, command):
        self.socket.send(command.encode())
        answer = json.loads(self.socket.recv(self.max_output))
        # The answer repeats the command, without its parameters, as the only key.
        (value,) = answer.values()
        return value

    def close(self):
        self.socket.close()
