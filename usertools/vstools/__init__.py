# SPDX-License-Identifier: BSD-3-Clause
"""What the demo and the test rigs share: running the switch and its guests."""
