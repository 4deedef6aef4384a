"""Compiled loops over time tags, each beside a NumPy reference of the same signature.

The reference of a kernel stands below it, is named ``..._reference``, and is what the tests hold
it to.
"""

from qnlab.tags.kernels.clocks import (
    add_lines,
    add_lines_reference,
    near_pairs,
    near_pairs_reference,
)
from qnlab.tags.kernels.coincidences import (
    NO_SLOT,
    count_groups,
    count_groups_reference,
    match_groups,
    match_groups_reference,
    match_pairs,
    match_pairs_reference,
)
from qnlab.tags.kernels.decode import (
    SYNC,
    TIME_GOES_BACK,
    UNKNOWN_RECORD,
    WELL,
    decode_hydra,
    decode_hydra_reference,
    decode_pico,
    decode_pico_reference,
)
from qnlab.tags.kernels.delays import (
    add_delays,
    add_delays_reference,
    add_start_stop,
    add_start_stop_reference,
    count_heralded,
    count_heralded_reference,
    pick,
    pick_reference,
)
from qnlab.tags.kernels.filters import (
    NEVER,
    drop_dead,
    drop_dead_reference,
    since_sync,
    since_sync_reference,
)
from qnlab.tags.kernels.order import (
    DROPPED,
    TOO_UNSORTED,
    demultiplex,
    demultiplex_reference,
    in_order,
    in_order_reference,
    insert_delayed,
    insert_delayed_reference,
    merge_runs,
    merge_runs_reference,
    merge_two,
    merge_two_reference,
)
from qnlab.tags.kernels.warm import warm_up

__all__ = [
    "DROPPED",
    "NEVER",
    "NO_SLOT",
    "SYNC",
    "TIME_GOES_BACK",
    "TOO_UNSORTED",
    "UNKNOWN_RECORD",
    "WELL",
    "add_delays",
    "add_delays_reference",
    "add_lines",
    "add_lines_reference",
    "add_start_stop",
    "add_start_stop_reference",
    "count_groups",
    "count_groups_reference",
    "count_heralded",
    "count_heralded_reference",
    "decode_hydra",
    "decode_hydra_reference",
    "decode_pico",
    "decode_pico_reference",
    "demultiplex",
    "demultiplex_reference",
    "drop_dead",
    "drop_dead_reference",
    "in_order",
    "in_order_reference",
    "insert_delayed",
    "insert_delayed_reference",
    "match_groups",
    "match_groups_reference",
    "match_pairs",
    "match_pairs_reference",
    "merge_runs",
    "merge_runs_reference",
    "merge_two",
    "merge_two_reference",
    "near_pairs",
    "near_pairs_reference",
    "pick",
    "pick_reference",
    "since_sync",
    "since_sync_reference",
    "warm_up",
]
