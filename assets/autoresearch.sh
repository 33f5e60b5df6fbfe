#!/usr/bin/env bash
# The benchmark of a session: train once, then print each measured number as `METRIC name=value`.
# A number that train.py did not print is left out, never replaced. The exit code is train.py's.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

"${OVERNIGHT_PYTHON:-python3}" train.py > run.log 2>&1
code=$?

tr '\r' '\n' < run.log | awk '
  BEGIN {
    count = split("val_bpb val_loss training_seconds total_seconds peak_vram_mb mfu_percent step_ms " \
                  "data_wait_percent total_tokens_M num_steps num_params_M depth", names, " ")
    for (i = 1; i <= count; i++) wanted[names[i] ":"] = names[i]
  }
  NF == 2 && ($1 in wanted) && $2 ~ /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$/ { value[wanted[$1]] = $2 }
  END { for (i = 1; i <= count; i++) if (names[i] in value) print "METRIC " names[i] "=" value[names[i]] }
'
exit "$code"
