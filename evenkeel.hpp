#pragma once

// Everything that Evenkeel has. Smaller programs may include the folders' headers one by one.
#include "autograd/engine.hpp"
#include "autograd/function.hpp"
#include "autograd/gradcheck.hpp"
#include "autograd/ops.hpp"
#include "core/io/npy.hpp"
#include "core/io/safetensors.hpp"
#include "core/parallel.hpp"
