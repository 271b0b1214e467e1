#pragma once

// Every differentiable op.
#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/conv.hpp"
#include "evenkeel/autograd/ops/gram.hpp"
#include "evenkeel/autograd/ops/group_moments.hpp"
#include "evenkeel/autograd/ops/linalg.hpp"
#include "evenkeel/autograd/ops/local_response.hpp"
#include "evenkeel/autograd/ops/loss.hpp"
#include "evenkeel/autograd/ops/normalize_groups.hpp"
#include "evenkeel/autograd/ops/pad.hpp"
#include "evenkeel/autograd/ops/pool.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/row_function.hpp"
#include "evenkeel/autograd/ops/shape.hpp"
#include "evenkeel/autograd/ops/unfold.hpp"
