#!/usr/bin/env bash
# own_norm_test.sh OWN_NORM TRAIN: a program with a norm and a network of its own trains them by name, as train does its own; the
# library's programs do not know them.
. "$(dirname "$0")/../support/work.sh"
own=$1
train=$2
cd "$work" || exit 1

small=(--data synthetic --batch-size 8 --limit-train 24 --limit-test 8 --seed 3)

# The network of its own with its own norm, by default; and with one of the library's.
"$own" --model mine "${small[@]}" --epochs 2 --out whole >said.txt || fail "--model mine"
grep -q "^mine, mine: 634 parameters" said.txt || fail "mine is not made as it was meant: $(head -1 said.txt)"
"$own" --model mine --norm bn "${small[@]}" >said.txt || fail "--model mine --norm bn"
grep -q "^mine, bn: 650 parameters" said.txt || fail "mine with bn: $(head -1 said.txt)"
[ -s runs/mine-bn/model.safetensors ] || fail "no weights of mine with bn"

# A network of the library's takes the norm.
"$own" --model small_cnn --norm mine "${small[@]}" --out library >said.txt || fail "--norm mine"
grep -q "^small_cnn, mine: 20138 parameters" said.txt || fail "small_cnn with mine: $(head -1 said.txt)"

# A run is resumed by the names, to the bit, and by no program that does not know them.
"$own" --model mine "${small[@]}" --epochs 1 --out halves >/dev/null || fail "one epoch"
"$train" --resume halves/checkpoint.safetensors --epochs 1 >out.txt 2>err.txt && fail "train resumes a run of mine"
grep -q "there is no model 'mine'; known: small_cnn, .*resnet18$" err.txt || fail "train on mine: $(cat err.txt)"
"$own" --resume halves/checkpoint.safetensors --epochs 1 >/dev/null || fail "resume"
cmp whole/checkpoint.safetensors halves/checkpoint.safetensors || fail "a resumed run has another state"

# Help and errors list them behind the library's.
COLUMNS=100000 "$own" --help >help.txt
tr -s '\n ' ' ' <help.txt | grep -q "resnet18, mine" || fail "--help does not list the network"
tr -s '\n ' ' ' <help.txt | grep -q "none, mine" || fail "--help does not list the norm"
"$own" --norm xyz --limit-train 4 >out.txt 2>err.txt && fail "--norm xyz is no error"
grep -q "^own_norm: .*no norm is called 'xyz'; there are bn, .*none, mine$" err.txt || fail "--norm xyz: $(cat err.txt)"
"$own" --model xyz >out.txt 2>err.txt && fail "--model xyz is no error"
grep -q "^own_norm: .*no model 'xyz'; known: small_cnn, .*resnet18, mine$" err.txt || fail "--model xyz: $(cat err.txt)"
"$train" --norm mine >out.txt 2>err.txt && fail "train knows mine"
grep -q "no norm is called 'mine'" err.txt || fail "train --norm mine: $(cat err.txt)"
finish
