#!/usr/bin/env bash
# kill_test.sh PROGRAM LIBRARY [MOMENTS]: the training program is killed at so many moments (10) of its saves, spread over all
# of them, and resumed. Then weights, best weights and checkpoint are those of a run that was never killed, to the byte, and
# metrics.csv has each epoch once, with the same values.
. "$(dirname "$0")/../support/work.sh"
program=$1
library=$2
moments=${3:-10}
cd "$work" || exit 1
epochs=3

# What a metrics.csv says but for images_per_second and seconds, and whether each epoch has both.
values() { cut -d, -f1-6,9 "$1/metrics.csv"; }

# What a checkpoint says about itself: the text NAME of its entries.
entry() { grep -aom1 "\"entries.$1\":\"[^\"]*\"" "$2/checkpoint.safetensors" | sed 's/.*:"//; s/"$//'; }

# train FOLDER ARGS...: 3 epochs of 4 steps in all, with a save after every second step.
train() {
  local out=$1
  shift
  "$program" --save-every 2 --threads 1 --out "$out" "$@" >out.txt 2>err.txt
}
new=(--model small_cnn --norm bn --batch-size 8 --limit-train 32 --limit-test 16 --seed 4 --augment --nesterov --lr 0.05)

mkdir bin  # without gnuplot, whose pictures take most of the time; one call draws them below
printf '#!/bin/sh\ncat >/dev/null\nexit 1\n' >bin/gnuplot
chmod +x bin/gnuplot
PATH=$work/bin:$PATH

train plain "${new[@]}" --epochs $epochs || fail "the unbroken run: $(cat err.txt)"
KILL_COUNT=count LD_PRELOAD=$library train whole "${new[@]}" --epochs $epochs || fail "the counted run: $(cat err.txt)"
cmp plain/checkpoint.safetensors whole/checkpoint.safetensors || fail "equal runs have other checkpoints"
calls=$(cat count)
[ "$calls" -ge 60 ] || fail "only $calls calls were seen"
[ "$(entry epoch whole)" = $epochs ] || fail "the checkpoint says epoch '$(entry epoch whole)'"
best=$(entry best_epoch whole)
accuracies=$(tail -n +2 whole/metrics.csv | cut -d, -f6)
[ "$(echo "$accuracies" | sed -n "${best}p")" = "$(echo "$accuracies" | sort -g | tail -1)" ] || fail "epoch $best is not the best"

resumed=0
for ((i = 0; i < moments; ++i)); do
  at=$((1 + i * (calls - 1) / (moments - 1)))
  rm -rf broken
  (KILL_AT=$at LD_PRELOAD=$library train broken "${new[@]}" --epochs $epochs) 2>/dev/null  # bash's own word about it
  code=$?
  # How often a run draws its curves depends on the time, and so does the number of its last calls.
  [ $code -eq 137 ] || { [ $code -eq 0 ] && [ $at -gt $((calls - 10)) ]; } || fail "call $at: exit code $code, expected 137"
  if [ -e broken/checkpoint.safetensors ]; then
    resumed=$((resumed + 1))
    left=$((epochs - $(entry epoch broken)))  # 0 where the last checkpoint was saved: the files are put right, no more
    train broken --resume broken/checkpoint.safetensors --epochs $left || fail "call $at: resume: $(cat err.txt)"
  else
    train broken "${new[@]}" --epochs $epochs || fail "call $at: again: $(cat err.txt)"
  fi
  for name in checkpoint best model; do
    cmp whole/$name.safetensors broken/$name.safetensors || fail "call $at: another $name.safetensors"
  done
  [ "$(values broken)" = "$(values whole)" ] || fail "call $at: metrics.csv is $(cat broken/metrics.csv)"
  grep -q nan broken/metrics.csv && fail "call $at: a row without its timing: $(cat broken/metrics.csv)"
done
[ $resumed -ge $((moments / 2)) ] || fail "only $resumed of $moments runs had a checkpoint"

# A resumed run makes up for what its folder lacks or has too much of, from the checkpoint alone.
cp -r whole lost
rm lost/model.safetensors lost/best.safetensors
tail -1 whole/metrics.csv | sed 's/,3,/,4,/' >>lost/metrics.csv
train lost --resume lost/checkpoint.safetensors --epochs 1 --lr 1e30
values lost | cmp - <(values whole) || fail "a row of an epoch that was never saved stays: $(cat lost/metrics.csv)"
cmp lost/model.safetensors whole/model.safetensors || fail "no model.safetensors"
cmp lost/best.safetensors whole/best.safetensors || fail "no best.safetensors"
mkdir alone
cp whole/checkpoint.safetensors alone
train elsewhere --resume alone/checkpoint.safetensors --epochs 1 --lr 1e30
grep -q -- "--out is elsewhere from now on, it was alone" out.txt || fail "nothing says where the results go: $(cat out.txt)"
values elsewhere | cmp - <(values whole) || fail "the checkpoint's own metrics are not all: $(cat elsewhere/metrics.csv)"
grep -q ",nan,nan," elsewhere/metrics.csv || fail "timing that nobody knows is $(cat elsewhere/metrics.csv)"

finish ": $moments of $calls moments, $resumed resumed"
