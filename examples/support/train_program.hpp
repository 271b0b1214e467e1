#pragma once

namespace evenkeel::examples {

/// The program `train` (examples/train.cpp says what it does): a main that first names norms and models of its own, by
/// nn::register_norm and models::register_model, trains them as `--norm mine --model mine`. Returns the exit code.
int train_program(int argc, char** argv);

}  // namespace evenkeel::examples
