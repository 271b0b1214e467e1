#!/usr/bin/env bash
# train_test.sh PROGRAM: the training program as a user meets it. Resuming is exact, threads change nothing, bad input gives one
# line and exit code 2, and an interrupt keeps the last finished epoch.
. "$(dirname "$0")/../support/work.sh"
program=$1
cd "$work" || exit 1

# refuses TEXT ARGS...: exit code 2, exactly one line on stderr, and TEXT in it.
refuses() {
  local text=$1
  shift
  "$program" "$@" >out.txt 2>err.txt
  local code=$?
  [ $code -eq 2 ] || fail "$*: exit code $code, expected 2"
  [ "$(wc -l <err.txt)" -eq 1 ] || fail "$*: $(wc -l <err.txt) lines on stderr, expected 1: $(cat err.txt)"
  grep -qF -- "$text" err.txt || fail "$*: '$text' is not in: $(cat err.txt)"
}

small=(--model small_cnn --data synthetic --batch-size 32 --limit-train 96 --limit-test 40 --seed 3)

# Two epochs and a resume for two are four epochs, to the bit; so are four epochs on one thread.
"$program" "${small[@]}" --norm bn --epochs 4 --threads 2 --out whole >/dev/null || fail "four epochs"
"$program" "${small[@]}" --norm bn --epochs 2 --threads 2 --out halves >/dev/null || fail "two epochs"
"$program" --resume halves/checkpoint.safetensors --epochs 2 --threads 2 --out halves >/dev/null || fail "resume"
"$program" "${small[@]}" --norm bn --epochs 4 --threads 1 --out one >/dev/null || fail "one thread"
cmp whole/model.safetensors halves/model.safetensors || fail "a resumed run has other weights"
cmp whole/checkpoint.safetensors halves/checkpoint.safetensors || fail "a resumed run has another state"
cmp whole/model.safetensors one/model.safetensors || fail "the thread count changes the weights"
[ "$(wc -l <halves/metrics.csv)" -eq 5 ] || fail "metrics.csv of the resumed run has $(wc -l <halves/metrics.csv) lines"
for name in metrics.csv curves.png curves.svg model.safetensors best.safetensors checkpoint.safetensors; do
  [ -s "whole/$name" ] || fail "$name is missing"
done

# Without --norm a model has its own.
"$program" --model ws_gn --limit-train 4 --batch-size 2 --epochs 1 --out own >own.txt || fail "ws_gn"
grep -q "^ws_gn, gn: 39498 parameters" own.txt || fail "ws_gn does not have its own norm: $(head -1 own.txt)"

# Bad input.
refuses "--bogus" --bogus
refuses "unknown data set 'imagenet'" --data imagenet
refuses "nowhere" --data mnist:nowhere
refuses "nowhere" --data cifar10:nowhere
refuses "resnet9000" --model resnet9000
refuses "xyz" --norm xyz
refuses "--dtype" --dtype float8
refuses "missing.safetensors" --resume missing.safetensors
refuses "holds an earlier run" "${small[@]}" --out whole
refuses "xyz" "${small[@]}" --norm xyz --out deep/refused
[ ! -e deep ] || fail "a refused call leaves its folder"
refuses "no training checkpoint" --resume whole/model.safetensors
refuses "whole/checkpoint.safetensors' was made with --norm bn, this call says gn" --resume whole/checkpoint.safetensors --norm gn
refuses "--batch-size: must be a finite number above 0, got 0" --batch-size 0
refuses "--lr: must be a finite number of at least 0, got nan" --lr nan
refuses "--seed: must be a whole number from 0 to 18446744073709551615, got -1" --seed -1
refuses "--seed: must be a whole number" --seed 99999999999999999999
refuses "there is no option --epoch; did you mean --epochs?" --epoch 3
refuses "run folder: cannot write" --limit-train 4 --out /proc

# A resumed run writes to its own folder or to a new one, says what changed, and reads numbers as numbers.
cp -r halves other
cp -r halves moved
"$program" --resume moved/checkpoint.safetensors --epochs 1 --lr 1e-2 >said.txt || fail "resume with --lr 1e-2"
grep -q "from now on" said.txt && fail "1e-2 is not 0.01: $(cat said.txt)"
[ "$(wc -l <moved/metrics.csv)" -eq 6 ] || fail "a run resumed without --out did not go on in its folder"
"$program" --resume moved/checkpoint.safetensors --epochs 1 --lr 0.02 >said.txt || fail "resume with another --lr"
grep -q -- "--lr is 0.02 from now on, it was 1e-2" said.txt || fail "nothing says that the rate changed: $(cat said.txt)"
[ "$(tail -1 moved/metrics.csv | sed 's/.*,//')" = 0.02 ] || fail "the rate did not change: $(tail -1 moved/metrics.csv)"
refuses "other holds an earlier run" --resume halves/checkpoint.safetensors --out other
cmp halves/metrics.csv other/metrics.csv || fail "a refused call changed another run's metrics"

"$program" --resume moved/checkpoint.safetensors --epochs 1 --out copy --threads 1 >said.txt || fail "resume into another folder"
grep -q -- "--out is copy from now on, it was moved" said.txt || fail "nothing says that the folder changed: $(cat said.txt)"
[ "$(head -7 copy/metrics.csv)" = "$(cat moved/metrics.csv)" ] || fail "the new folder's metrics are $(cat copy/metrics.csv)"
[ "$(wc -l <copy/metrics.csv)" -eq 8 ] || fail "the new folder has not 7 epochs: $(cat copy/metrics.csv)"
refuses "copy holds an earlier run" --resume moved/checkpoint.safetensors --out copy
cp -r whole visited && cp halves/checkpoint.safetensors visited/from_halves.safetensors
refuses "visited holds an earlier run" --resume visited/from_halves.safetensors
diff -r -x from_halves.safetensors whole visited || fail "a checkpoint that lies in another run's folder overwrites that run"
mkdir cells && cp whole/checkpoint.safetensors cells/checkpoint-bn-2.safetensors
refuses "cells holds an earlier run" "${small[@]}" --out cells

# What is saved inside an epoch goes on inside it: one epoch of two parts is the whole one.
"$program" "${small[@]}" --norm bn --epochs 2 --save-every 1 --out parts >/dev/null || fail "--save-every"
cmp parts/checkpoint.safetensors <("$program" "${small[@]}" --norm bn --epochs 2 --out two >/dev/null; cat two/checkpoint.safetensors) ||
  fail "saving inside an epoch changes the run"
cmp parts/best.safetensors two/best.safetensors || fail "other best weights"
refuses "--save-every: must be" --save-every -1

# A run that diverges stops with one line and keeps its last finished epoch; a picture is drawn without NaN.
"$program" --resume moved/checkpoint.safetensors --epochs 2 --lr 1e30 >said.txt 2>err.txt
code=$?
[ $code -eq 3 ] || fail "a diverging run ends with $code, expected 3"
grep -qE "^train: the loss is (-?nan|inf) at step [0-9]+ of epoch 7; " err.txt || fail "no step named: $(cat err.txt)"
[ "$(wc -l <err.txt)" -eq 1 ] || fail "a diverging run says: $(cat err.txt)"
"$program" --resume moved/checkpoint.safetensors --epochs 1 >/dev/null || fail "the checkpoint of a diverging run is gone"
"$program" "${small[@]}" --norm bn --epochs 2 --lr 1e30 --no-stop-on-nan --out nan >said.txt 2>err.txt || fail "--no-stop-on-nan"
[ -s err.txt ] && fail "raw errors: $(cat err.txt)"
grep -q "no picture drawn" said.txt && fail "no picture of a run without a finite loss: $(cat said.txt)"
[ -s nan/curves.png ] && [ -s nan/curves.svg ] || fail "no picture of a run without a finite loss"
grep -q -- "-nan" nan/metrics.csv said.txt && fail "-nan: $(cat nan/metrics.csv said.txt)"
"$program" --limit-train 96 --limit-test 40 --epochs 3 --lr 1e20 --out huge >said.txt 2>err.txt
code=$?
[ $code -eq 3 ] || fail "a rate of 1e20 ends with $code, expected 3"
grep -qE "^train: (the loss is .* at|[a-z0-9_.]+ is not finite after) step [0-9]+ of epoch [0-9]" err.txt || fail "no step named: $(cat err.txt)"
if [ -e huge/checkpoint.safetensors ]; then
  "$program" --resume huge/checkpoint.safetensors --epochs 1 --lr 0 >said.txt 2>err.txt || fail "a run of huge weights was saved: $(cat err.txt)"
fi
# Saves inside the epoch that goes wrong are taken back.
cp -r halves blown
"$program" --resume blown/checkpoint.safetensors --epochs 1 --lr 1e30 --save-every 1 >said.txt 2>err.txt
[ $? -eq 3 ] || fail "no stop of a diverging run with --save-every"
grep -q "the checkpoint from before the saves of this epoch is back" err.txt || fail "no word about the saves: $(cat err.txt)"
for name in checkpoint model best; do
  cmp halves/$name.safetensors blown/$name.safetensors || fail "a diverging run leaves another $name.safetensors"
done
[ "$(ls -A blown)" = "$(ls -A halves)" ] || fail "a diverging run leaves $(ls -A blown)"
"$program" "${small[@]}" --epochs 1 --lr 1e30 --out never >said.txt 2>err.txt
[ $? -eq 3 ] || fail "no stop of a diverging new run"
grep -qE "the loss is (nan|-?inf) at .*; no checkpoint was saved" err.txt || fail "nothing was saved, but: $(cat err.txt)"
[ ! -e never ] || fail "a run that saved nothing leaves $(ls -A never)"
refuses "is more than can be counted" --resume halves/checkpoint.safetensors --epochs 2147483647 --out late
[ ! -e late ] || fail "a refused call leaves $(ls -A late)"

# --epochs 0 puts a folder right: rows come from the checkpoint, whatever metrics.csv looks like, timing from lines that are its.
refuses "--epochs must be above 0 in a new run" "${small[@]}" --epochs 0 --out zero
[ ! -e zero ] || fail "a refused call leaves $(ls -A zero)"
cp -r whole righted && cp halves/best.safetensors righted/model.safetensors && rm righted/curves.svg
touch righted/.curves.png.unfinished righted/.checkpoint.safetensors.before
{ sed 's/$/\r/' whole/metrics.csv; printf '\n'; } >righted/metrics.csv
"$program" --resume righted/checkpoint.safetensors --epochs 0 >said.txt 2>err.txt || fail "--epochs 0: $(cat err.txt)"
for name in metrics.csv model.safetensors best.safetensors checkpoint.safetensors; do
  cmp whole/$name righted/$name || fail "--epochs 0 does not put $name right"
done
[ "$(ls -A righted)" = "$(ls -A whole)" ] || fail "what a killed run left stays: $(ls -A righted)"
[ -s righted/curves.svg ] || fail "--epochs 0 draws no picture"
grep -q "nan" said.txt && fail "timing is lost: $(cat said.txt)"
{ head -2 whole/metrics.csv; sed -n 3p whole/metrics.csv | sed 's/,2,[0-9.]*,/,2,7.5,/'; sed -n 4p whole/metrics.csv; sed -n 5p whole/metrics.csv | head -c 40; } >righted/metrics.csv
"$program" --resume righted/checkpoint.safetensors --epochs 0 >said.txt 2>err.txt || fail "a cut metrics.csv: $(cat err.txt)"
grep -q "righted/metrics.csv does not tell the timing of 2 of the 4 epochs: it is nan" said.txt || fail "no word about the timing: $(cat said.txt)"
cmp <(cut -d, -f1-6,9 whole/metrics.csv) <(cut -d, -f1-6,9 righted/metrics.csv) || fail "a cut metrics.csv: $(cat righted/metrics.csv)"
[ "$(grep -c ",nan,nan," righted/metrics.csv)" -eq 2 ] || fail "another run's timing: $(cat righted/metrics.csv)"
head -c 300 /dev/urandom >righted/metrics.csv
"$program" --resume righted/checkpoint.safetensors --epochs 0 >said.txt 2>err.txt || fail "a garbled metrics.csv: $(cat err.txt)"

head -c 1000 whole/checkpoint.safetensors >cut.safetensors
refuses "cut.safetensors" --resume cut.safetensors --out whole
touch file
refuses "file" "${small[@]}" --out file/below
mkdir mnist && for name in train-images-idx3 train-labels-idx1; do head -c 100 /dev/zero >mnist/$name-ubyte; done
refuses "mnist/train-" --data mnist:mnist
cmp whole/model.safetensors one/model.safetensors || fail "a refused call changed an earlier run"

# Nothing is written through a link into another run.
mkdir linked && ln -s ../whole/checkpoint.safetensors linked
refuses "linked/checkpoint.safetensors is a link that leads out of the folder" --resume linked/checkpoint.safetensors
mkdir pointed && ln -s ../whole/nothing.safetensors pointed/model.safetensors
refuses "pointed/model.safetensors is a link that leads out of the folder" "${small[@]}" --out pointed
[ ! -e whole/nothing.safetensors ] || fail "a refused call wrote through a link"
cmp whole/checkpoint.safetensors one/checkpoint.safetensors || fail "a link led into another run"

# Somebody's own files are not replaced.
mkdir table weights
echo "a,b" >table/metrics.csv
refuses "table/metrics.csv is no run's" "${small[@]}" --out table
cp whole/model.safetensors weights
refuses "weights holds weights of no run" "${small[@]}" --out weights
[ "$(cat table/metrics.csv)$(ls -A table weights | tr -d '\n')" = "a,btable:metrics.csvweights:model.safetensors" ] || fail "a refused call writes"

# An interrupt ends the run cleanly; the last finished epoch can be resumed.
"$program" "${small[@]}" --norm gn --epochs 100000 --out stopped >stopped.txt &
pid=$!
for _ in $(seq 3000); do
  [ -s stopped/metrics.csv ] && break
  sleep 0.1
done
refuses "stopped is in use" "${small[@]}" --out stopped
refuses "stopped is in use" --resume stopped/checkpoint.safetensors
kill -INT $pid
wait $pid
code=$?
[ $code -eq 130 ] || fail "exit code $code after an interrupt, expected 130"
grep -q "the last finished epoch is saved" stopped.txt || fail "no word about the interrupt"
"$program" --resume stopped/checkpoint.safetensors --epochs 1 --out stopped >/dev/null || fail "resume after an interrupt"

"$program" "${small[@]}" --norm gn --epochs 100000 --save-every 1 --out stopped2 >stopped.txt &
pid=$!
for _ in $(seq 3000); do
  [ -s stopped2/checkpoint.safetensors ] && break
  sleep 0.1
done
kill -INT $pid
wait $pid
grep -q -- "--resume goes on from the last save" stopped.txt || fail "no word about the last save: $(tail -1 stopped.txt)"
[ -z "$(find stopped2 -name '.*.before')" ] || fail "an interrupt leaves $(ls -A stopped2)"

# Settings are compared as what they are: seeds that no double tells apart, a flag in other words, a flag twice.
"$program" --model fc_bn --data synthetic --batch-size 32 --limit-train 96 --limit-test 40 --seed 9007199254740992 --augment --out seeds >/dev/null || fail "a large seed"
refuses "was made with --seed 9007199254740992, this call says 9007199254740993" --resume seeds/checkpoint.safetensors \
  --seed 9007199254740993 --out other
"$program" --resume seeds/checkpoint.safetensors --augment=1 --lr 1e-2 >/dev/null || fail "the same settings in other words"
refuses "--augment" "${small[@]}" --augment --augment=false --out twice
refuses "--resume: must not be empty" --resume ""

"$program" --help | grep -q "Example:" || fail "--help has no example"
finish
