#pragma once

// Every differentiable op.
#include "autograd/ops/activation.hpp"
#include "autograd/ops/arithmetic.hpp"
#include "autograd/ops/conv.hpp"
#include "autograd/ops/gram.hpp"
#include "autograd/ops/linalg.hpp"
#include "autograd/ops/local_response.hpp"
#include "autograd/ops/loss.hpp"
#include "autograd/ops/normalize.hpp"
#include "autograd/ops/pool.hpp"
#include "autograd/ops/reduce.hpp"
#include "autograd/ops/row_function.hpp"
#include "autograd/ops/shape.hpp"
#include "autograd/ops/statistics.hpp"
