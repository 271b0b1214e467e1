#!/usr/bin/env bash
# bench_test.sh BIN SOURCE: the programs in BIN start and print what the scripts in SOURCE/bench read; with a python3, the
# scripts' reports too; with a PyTorch, that its networks have as many parameters.
. "$(dirname "$0")/../support/work.sh"
bin=$(realpath "$1")
source=$(realpath "$2")
cd "$work" || exit 1

# prints COUNT PATTERN COMMAND...: the command prints COUNT lines (a number, or "some"), all of which match PATTERN.
prints() {
  local count=$1 pattern=$2
  shift 2
  "$@" >out.txt 2>err.txt || fail "$*: exit code $?: $(cat err.txt)"
  local lines
  lines=$(wc -l <out.txt)
  if [ "$count" = some ]; then [ "$lines" -gt 0 ]; else [ "$lines" -eq "$count" ]; fi || fail "$*: $lines lines"
  grep -vE -- "$pattern" out.txt && fail "$*: not ${pattern}"
}

positive='([1-9][0-9]*(\.[0-9]+)?|0\.[0-9]*[1-9][0-9]*)'

# All training cells; the documented networks have their numbers of parameters.
while read -r cell parameters; do
  prints 1 "^\{\"ms\": $positive, \"peak_mib\": $positive, \"parameters\": $parameters, \"system_allocations\": [0-9]+\}$" \
    "$bin/train_step" --cell "$cell" --batch-size 2 --threads 2 --seconds 0
done <<END
small_cnn_bn 20234
small_cnn_gn 20234
ws_gn 39498
cnn_bn 2176522
fc_bn 235914
brn_classifier 696618
frozen_se_resnet [0-9]+
resnet20_bn 269722
resnet20_gn 269722
END
"$bin/train_step" --cell nope >/dev/null 2>&1 && fail "train_step took an unknown cell"

# The profile accounts for the step: convolutions, both passes, the optimizer.
"$bin/train_step" --cell small_cnn_bn --batch-size 2 --seconds 0 --profile >profile.txt || fail "train_step --profile"
for op in "conv2d " "conv2d backward" "engine" "optimizer step" "cross_entropy "; do
  grep -qF "$op" profile.txt || fail "the profile has no '$op'"
done

# The floor: counts that were worked out by hand from the rules in bench/README.md.
# floor_row OP RESULT CALLS MFLOP MB: the table in floor.txt has it.
floor_row() {
  awk -v op="$1" -v want="$3 $4 $5" -v start="$1${2:+ $2} " 'BEGIN { found = 0 }
    { line = $0; gsub(/  +/, " ", line)
      if (index(line, start) == 1) { split(substr(line, length(start) + 1), f, " "); if (f[1] " " f[2] " " f[3] == want) found = 1 } }
    END { exit !found }' floor.txt || fail "no floor '$*': $(grep -F "$1" floor.txt)"
}
"$bin/train_step" --cell small_cnn_bn --batch-size 2 --threads 1 --seconds 0 --roofline >floor.txt || fail "train_step --roofline"
# 128 tiles x (72x32x64 products, 288x32 and 200x64 for the transforms) + 162x32x64 for the filters'; x, weight, bias and y.
floor_row "conv2d" "[2, 64, 32, 32]" 1.0 22.024 0.8604
# The weight's gradient costs the same; x's, with the filters as they are, 128 x (72x32x64 + 288x64 + 200x32); dy, x, weight, dx, dw, db.
floor_row "conv2d backward" "[2, 64, 32, 32]" 1.0 44.208 1.1963
# The first one's x gets no gradient.
floor_row "conv2d backward" "[2, 32, 32, 32]" 1.0 1.896 0.2938
# x is read where the next op loads it, and once more for the gradient; scale, shift and their gradients are small.
floor_row "normalize_groups" "[2, 64, 32, 32]" 1.0 0.655 0.0005
floor_row "normalize_groups backward" "[2, 64, 32, 32]" 1.0 1.180 0.5253
floor_row "adaptive_avg_pool2d" "[2, 64, 1, 1]" 1.0 0.131 0.5248
floor_row "linear" "[2, 10]" 1.0 0.003 0.0032
floor_row "optimizer step" "" 1.0 0.081 0.4047
awk '/^floor of the step/ { step = $5 } /^measured step/ { ms = $3 } /^ratio/ { ratio = $2 }
  / (mul|mem) / { for (i = 1; i <= NF; ++i) if ($i == "mul" || $i == "mem") sum += $(i + 1) }
  END { exit !(step > 0 && sum > 0.99 * step && sum < 1.01 * step && ratio > 0.99 * ms / step && ratio < 1.01 * ms / step) }' floor.txt ||
  fail "the floor is not the sum of its rows: $(cat floor.txt)"
"$bin/train_step" --cell resnet20_bn --batch-size 2 --threads 1 --seconds 0 --roofline >floor.txt || fail "train_step --roofline"
floor_row "add_relu" "[2, 16, 32, 32]" 3.0 0.066 0.2621  # reads the shortcut, writes the sum
floor_row "add_relu backward" "[2, 16, 32, 32]" 3.0 0.066 0.1311  # adds the branches' gradients
floor_row "conv2d" "[2, 32, 16, 16]" 1.0 4.719 0.2150  # stride 2: directly
floor_row "conv2d" "[2, 32, 16, 16]" 5.0 3.025 0.1679
prints 1 "^\{\"ms\": $positive, \"floor_ms\": $positive, \"matrix_gflops\": $positive, \"cache_gbs\": $positive, \
\"memory_gbs\": $positive, \"blas_core\": \"[A-Za-z0-9_]+\"\}$" \
  "$bin/train_step" --cell fc_bn --batch-size 2 --threads 2 --seconds 0 --roofline --json

# The plan: a line per thread count whose figures agree with each other; more threads have less to do, and no more than their share.
"$bin/train_step" --cell small_cnn_bn --batch-size 16 --threads 1 --seconds 0 --plan 8 >plan.txt || fail "train_step --plan"
awk 'function near(a, b) { return a > 0.98 * b - 0.02 && a < 1.02 * b + 0.02 }
  NR > 2 && NF == 0 { exit }
  NR > 2 { ++lines; t = 2 ^ lines; total = $6 + $7
    if (!($1 == t && $2 > 0 && $4 >= 2 * $2 + $3 && $5 >= 0.99 && $5 <= 1.01 * t && near($5, $8 * t / $7) && near($9, total / ($6 + $8)) &&
          near($10, total / ($6 + $8 + 0.003 * $2)) && $9 <= 1.01 * t && (mb == "" || mb == $11))) bad = 1
    mb = $11 }
  END { exit bad || lines != 3 }' plan.txt || fail "the plan does not agree with itself: $(cat plan.txt)"
for op in "conv2d backward" "optimizer step" "engine"; do
  grep -q "^$op " plan.txt || fail "the plan has no '$op'"
done
"$bin/train_step" --plan 1 >/dev/null 2>&1 && fail "train_step took a plan for one thread"

line="^\{\"group\": \"[a-z]+\", \"name\": \".+\", \"shape\": \[[0-9, ]+\], \"backward\": [01], \"ms\": $positive, \
\"rate\": $positive, \"unit\": \"G(FLOP|B)/s\", \"limit\": $positive"
conv_line="$line, \"im2col_ms\": $positive\}$"
line="$line\}$"
prints 4 "$line" "$bin/layers" --filter "norm: bn" --seconds 0
prints 12 "$conv_line" "$bin/layers" --filter "16->16" --seconds 0 --threads 2
prints some "$line" "$bin/layers" --filter "pool: " --seconds 0
prints 12 "$line" "$bin/layers" --filter "loss: " --seconds 0

# The grid: four tables; the marks stand where a rate is below 0.6 of its neighbours' mean, and are counted.
"$bin/layers" --grid --threads 1 --seconds 0 --most-gflop 0.002 >grid.txt 2>err.txt || fail "layers --grid: $(cat err.txt)"
awk '/GFLOP\/s$/ { ++tables; row = 0 } /^ *[0-9]+ +[0-9]+ / { ++row; for (b = 3; b <= 7; ++b) { k = tables " " int((row - 1) / 5) " " (row - 1) % 5 " " b
      mark[k] = $b ~ /!$/; marks += mark[k]; sub(/!/, "", $b); if ($b != "-") { rate[k] = $b + 0; if (rate[k] <= 0) bad = 1 } } }
  /^cliffs: / { said = $2 }
  END { for (k in rate) { split(k, p, " "); n = 0; sum = 0
      for (d = 2; d <= 4; ++d) for (s = -1; s <= 1; s += 2) { p[d] += s; q = p[1] " " p[2] " " p[3] " " p[4]; p[d] -= s
        if (q in rate) { ++n; sum += log(rate[q]) } }
      limit = n ? 0.6 * exp(sum / n) : 0
      if (mark[k] ? rate[k] - 0.1 > 1.1 * limit : rate[k] + 0.1 < 0.9 * limit) bad = 1; ++rates }
    exit bad || tables != 4 || rates < 40 || marks != said }' grid.txt || fail "layers --grid: $(cat grid.txt)"

# The products of one Linear: each algorithm that suits has a rate, one of them the mark of the choice, and the last column is its rate
# by the best of the row.
gemm_table() {
  "$bin/gemm" --shape 16,64,32 --threads 1 --seconds 0 "$@" >gemm.txt 2>err.txt || fail "gemm $*: $(cat err.txt)"
  awk 'function near(a, b) { return a > 0.99 * b - 0.01 && a < 1.01 * b + 0.01 }
    NR == 1 { bad = !/^[a-z0-9]+, OpenBLAS for [A-Za-z0-9_]+, 1 threads$/ }
    NR > 2 { rows = rows " " $1; sub(/^[a-z0-9]+( +\^T)? +([0-9]+ x +)+[0-9]+/, ""); best = chosen = marks = 0
      for (i = 1; i <= 5; ++i) { if ($i ~ /\*$/) { ++marks; chosen = $i + 0 } if ($i + 0 > best) best = $i + 0; all += $i !~ /^-/ }
      if (NF != 6 || marks != 1 || best <= 0 || (chosen ? !near($6, chosen / best) : $6 != "-")) bad = 1 }
    END { print rows ":" (bad ? " wrong" : ""), all }' gemm.txt
}
[ "$(gemm_table)" = " forward dx dw: 12" ] || fail "gemm: $(cat gemm.txt)"
[ "$(gemm_table --float64)" = " forward dx dw: 12" ] || fail "gemm --float64: $(cat gemm.txt)"
[ "$(gemm_table --filter '^d[xw]/.*/(panels|rows)')" = " dx dw: 4" ] || fail "gemm --filter: $(cat gemm.txt)"
for call in "--filter nope" "--filter [" "--shape 16,64" "--shape 16,64,0" "--seconds -1"; do
  # shellcheck disable=SC2086
  "$bin/gemm" $call >out.txt 2>err.txt
  code=$?
  [ $code -eq 2 ] && [ ! -s out.txt ] && grep -q "^gemm: ${call%% *}: " err.txt && [ "$(wc -l <err.txt)" -eq 1 ] ||
    fail "gemm $call: exit code $code: $(cat out.txt err.txt)"
done

prints 6 "^\{\"name\": \"[a-z]+\", \"(no_grad|step)_ns\": $positive.*\}$" "$bin/overhead" --seconds 0
prints some "^\{\"series\": \".+\", \"unit\": \"(image|pixel|layer)\", \"x\": [0-9]+, \"threads\": 2, \"ms\": $positive\}$" \
  "$bin/scaling" --largest 8 --seconds 0 --threads 2

if command -v python3 >/dev/null; then
  cat >cells.csv <<END
cell,batch_size,threads,pytorch_ms,evenkeel_ms,speed_ratio,pytorch_peak_mib,evenkeel_peak_mib,memory_ratio,system_allocations,others
small_cnn_bn,2,1,4.0,2.0,2.0,200.0,20.0,0.1,0,0.0
small_cnn_bn,2,2,4.0,1.0,4.0,200.0,50.0,0.25,0,0.0
small_cnn_bn,16,1,12.0,6.0,2.0,200.0,20.0,0.1,0,0.0
small_cnn_bn,16,2,12.0,12.0,1.0,200.0,20.0,0.1,3,0.5
END
  python3 "$source/bench/compare_pytorch.py" --csv cells.csv --only-report --picture bars >report.txt || fail "compare_pytorch"
  for text in "4 cells: geometric mean of the speed ratios 2.00, lowest 1.00 (small_cnn_bn, batch 16, 2 threads), highest" \
    "memory ratio 0.25" "batch 1 and 2: 2.00" "batch 16 and more: 0.50" "ask the system for memory: 1" "1 rows were measured while other"; do
    grep -qF "$text" report.txt || fail "compare_pytorch does not say '$text': $(cat report.txt)"
  done
  if command -v gnuplot >/dev/null; then
    [ -s bars.png ] && [ -s bars.svg ] || fail "no picture"
  fi

  python3 "$source/bench/compare_pytorch.py" --csv cells.csv --only-report --peer libtorch >report.txt 2>&1 &&
    fail "compare_pytorch took a table of another peer"
  grep -qF "cells.csv is of another peer than libtorch" report.txt || fail "compare_pytorch: $(cat report.txt)"
  python3 "$source/bench/compare_pytorch.py" --peer build --peer-program "$bin/train_step" --train-step "$bin/train_step" \
    --cells fc_bn:2 --threads 1 --rounds 1 --seconds 0 --csv builds.csv >report.txt 2>&1 || fail "compare_pytorch: $(cat report.txt)"
  grep -q "^cell,batch_size,threads,build_ms,evenkeel_ms,speed_ratio,build_peak_mib," builds.csv || fail "$(cat builds.csv)"
  # Of four modes the fastest is the peer's time and the smallest its memory; the floor is train_step's. A table from before stays.
  cat >peer.sh <<'END'
#!/bin/sh
case "$*" in *--mode\ compile+*) run='3.5, "peak_mib": 400.0' ;; *--mode\ compile*) run='5.5, "peak_mib": 300.0' ;;
  *--mode\ channels_last*) run='2.5, "peak_mib": 350.0' ;; *) run='4.5, "peak_mib": 200.0' ;; esac
echo "{\"ms\": $run, \"parameters\": 7}"
END
  cat >ours.sh <<'END'
#!/bin/sh
case "$*" in *--roofline\ --json*) echo '{"ms": 9.0, "floor_ms": 0.8}' ;;
  *) echo '{"ms": 1.0, "peak_mib": 50.0, "parameters": 7, "system_allocations": 0}' ;; esac
END
  chmod +x peer.sh ours.sh
  cp cells.csv modes.csv
  python3 "$source/bench/compare_pytorch.py" --peer-program ./peer.sh --train-step ./ours.sh --cells fc_bn:2 --threads 1 --rounds 2 \
    --torch-modes eager,channels_last,compile,compile+channels_last --csv modes.csv >report.txt 2>&1 || fail "compare_pytorch: $(cat report.txt)"
  grep -q "eager 4.500, channels_last 2.500, compile 5.500, compile+channels_last 3.500" report.txt || fail "the modes: $(cat report.txt)"
  grep -qF "times the floor: geometric mean 1.25, highest 1.25 (fc_bn, batch 2, 1 threads)" report.txt || fail "the floor: $(cat report.txt)"
  grep -qE "^fc_bn,2,1,2\.5,1\.0,2\.5,200\.0,50\.0,0\.25,0,[0-9.]+,0\.8,1\.25,channels_last,4\.5,2\.5,5\.5,3\.5" modes.csv ||
    fail "the modes' table: $(cat modes.csv)"
  grep -q "^small_cnn_bn,16,2,12.0,12.0,1.0,200.0,20.0,0.1,3,0.5,,,,,,," modes.csv || fail "the rows from before: $(cat modes.csv)"
  python3 "$source/bench/compare_pytorch.py" --only-report --csv modes.csv >again.txt || fail "compare_pytorch reports no modes"
  grep -q "eager 4.500, channels_last 2.500" again.txt || fail "the modes, read again: $(cat again.txt)"
  python3 "$source/bench/compare_pytorch.py" --torch-modes eager,fast >report.txt 2>&1 && fail "compare_pytorch took an unknown mode"
  grep -qF "there is no mode 'fast' of PyTorch" report.txt || fail "compare_pytorch: $(cat report.txt)"
  if [ -x "$bin/libtorch_step" ]; then
    python3 "$source/bench/compare_pytorch.py" --peer libtorch --peer-program "$bin/libtorch_step" --train-step "$bin/train_step" \
      --cells small_cnn_bn:1,small_cnn_gn:1,cnn_bn:2,fc_bn:2,resnet20_bn:2,resnet20_gn:2 --threads 2 --rounds 1 --seconds 0 \
      >report.txt 2>&1 || fail "compare_pytorch beside LibTorch: $(cat report.txt)"
  fi

  {
    echo "series,unit,x,threads,ms"
    for x in 1 2 4 8 16 32; do echo "straight,image,$x,1,$((10 + 5 * x)).0"; done
    for x in 1 2 4 8 16 32; do echo "bent,image,$x,1,$((x * x)).0"; done
  } >points.csv
  python3 "$source/bench/draw_scaling.py" --csv points.csv --only-report >report.txt || fail "draw_scaling"
  grep -q "^straight, 1 thread: 10.000 ms + 5000 us per image; largest deviation [+-]0%; linear$" report.txt ||
    fail "draw_scaling: $(cat report.txt)"
  grep -q "^bent, .*more than 25%: " report.txt || fail "draw_scaling takes a parabola for a line"
  grep -q "from one point to the next: +100% (bent, 1 thread, at [0-9]*)$" report.txt || fail "draw_scaling's rise: $(cat report.txt)"

  if python3 -c "import torch" 2>/dev/null; then python=python3; else python=/usr/bin/python3; fi
  if "$python" -c "import torch" 2>/dev/null; then
    "$python" "$source/bench/compare_pytorch.py" --cells small_cnn_gn:1,fc_bn:2,brn_classifier:1,frozen_se_resnet:2,ws_gn:1,resnet20_gn:2 \
      --threads 2 --rounds 1 --seconds 0 --python "$python" --train-step "$bin/train_step" >report.txt 2>&1 ||
      fail "compare_pytorch beside PyTorch: $(cat report.txt)"
    "$python" "$source/bench/compare_pytorch.py" --cells small_cnn_gn:1 --torch-modes channels_last --threads 2 --rounds 1 --seconds 0 \
      --python "$python" --train-step "$bin/train_step" >report.txt 2>&1 || fail "compare_pytorch, channels_last: $(cat report.txt)"
  fi
  if python3 -c "import jax" 2>/dev/null; then
    python3 "$source/bench/compare_pytorch.py" --peer jax --cells small_cnn_bn:1,cnn_bn:2,fc_bn:2,resnet20_bn:2,resnet20_gn:2 --python python3 \
      --threads 2 --rounds 1 --seconds 0 --train-step "$bin/train_step" >report.txt 2>&1 || fail "compare_pytorch beside JAX: $(cat report.txt)"
  fi
fi

finish
