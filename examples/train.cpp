// Trains a documented network on images: the main program.
//
//   train --model small_cnn --norm gn --data synthetic --batch-size 16 --epochs 3 --out runs/gn
//   train --resume runs/gn/checkpoint.safetensors --epochs 2 --out runs/gn
//
// After each epoch it writes metrics.csv, checkpoint.safetensors (all that --resume needs), model.safetensors (the
// state dict under PyTorch's names), best.safetensors (that of the best test accuracy) and the curves to --out, each
// file replaced as a whole. Killed at any moment, a run is resumed bit for bit, and its files are put right then.

#include "examples/support/train_program.hpp"

int main(int argc, char** argv) { return evenkeel::examples::train_program(argc, argv); }
