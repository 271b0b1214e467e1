#!/usr/bin/env python3
"""Cells of bench/support/cells.cpp in JAX, and the training step of bench/train_step on one of them as one jit-compiled
function; prints one line of JSON. bench/compare_pytorch.py --peer jax runs it in a process of its own.

Usage:  jax_cells.py --cell NAME [--batch-size 16] [--threads 2] [--seconds 3]
"""
import functools
import os
import sys

import peer_step

EPS, MOMENTUM = 1e-5, 0.1


class Scope:
    """Layers by name: the first run makes their parameters and running statistics, later ones take those that are given.
    Images are NHWC, which XLA's convolutions on a CPU are made for."""

    def __init__(self, parameters=None, statistics_before=None):
        self.fresh = parameters is None
        self.parameters = {} if self.fresh else parameters
        self.before = statistics_before
        self.after = {}

    def parameter(self, name, make):
        if self.fresh:
            assert name not in self.parameters, name
            self.parameters[name] = make()
        return self.parameters[name]

    def uniform(self, name, shape, fan_in):
        bound = fan_in ** -0.5
        key = jax.random.PRNGKey(len(self.parameters))
        return self.parameter(name, lambda: jax.random.uniform(key, shape, jnp.float32, -bound, bound))

    def conv(self, name, x, channels, stride=1, bias=True):
        cin = x.shape[-1]
        weight = self.uniform(name + ".weight", (3, 3, cin, channels), 9 * cin)
        y = jax.lax.conv_general_dilated(x, weight, (stride, stride), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return y + self.uniform(name + ".bias", (channels,), 9 * cin) if bias else y

    def linear(self, name, x, features):
        cin = x.shape[-1]
        return x @ self.uniform(name + ".weight", (cin, features), cin) + self.uniform(name + ".bias", (features,), cin)

    def affine(self, name, x_hat):
        channels = x_hat.shape[-1]
        weight = self.parameter(name + ".weight", lambda: jnp.ones(channels))
        return x_hat * weight + self.parameter(name + ".bias", lambda: jnp.zeros(channels))

    def batch_norm(self, name, x):
        axes = tuple(range(x.ndim - 1))
        mean, var = x.mean(axes), x.var(axes)
        count = x.size // x.shape[-1]
        running_mean, running_var = self.before[name] if self.before else (jnp.zeros_like(mean), jnp.ones_like(var))
        self.after[name] = jax.lax.stop_gradient(((1 - MOMENTUM) * running_mean + MOMENTUM * mean,
                                                  (1 - MOMENTUM) * running_var + MOMENTUM * var * count / max(1, count - 1)))
        return self.affine(name, (x - mean) * jax.lax.rsqrt(var + EPS))

    def group_norm(self, name, x):
        n, h, w, c = x.shape
        groups = next(g for g in (32, 16, 8, 4, 2, 1) if c % g == 0)
        parts = x.reshape(n, h, w, groups, c // groups)
        mean, var = parts.mean((1, 2, 4), keepdims=True), parts.var((1, 2, 4), keepdims=True)
        return self.affine(name, ((parts - mean) * jax.lax.rsqrt(var + EPS)).reshape(x.shape))


def max_pool(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def small_cnn(s, x):
    x = jax.nn.relu(s.batch_norm("bn1", s.conv("conv1", x, 32)))
    x = jax.nn.relu(s.batch_norm("bn2", s.conv("conv2", x, 64)))
    return s.linear("fc", x.mean((1, 2)), 10)


def fc(s, x):
    x = jax.nn.relu(s.batch_norm("bn1", s.linear("fc1", x, 256)))
    x = jax.nn.relu(s.batch_norm("bn2", s.linear("fc2", x, 128)))
    return s.linear("fc3", x, 10)


def cnn(s, x):
    x = max_pool(jax.nn.relu(s.batch_norm("bn1", s.conv("conv1", x, 64))))
    x = max_pool(jax.nn.relu(s.batch_norm("bn2", s.conv("conv2", x, 128))))
    x = jax.nn.relu(s.batch_norm("bn3", s.linear("fc1", x.reshape(x.shape[0], -1), 256)))
    return s.linear("fc2", x, 10)


def resnet20(s, x, norm):
    normalized = getattr(s, norm)
    x = jax.nn.relu(normalized("bn1", s.conv("conv1", x, 16, bias=False)))
    for stage, width in enumerate((16, 32, 64)):
        for block in range(3):
            name, stride = f"layer{stage}.{block}.", 2 if stage > 0 and block == 0 else 1
            y = jax.nn.relu(normalized(name + "bn1", s.conv(name + "conv1", x, width, stride, bias=False)))
            y = normalized(name + "bn2", s.conv(name + "conv2", y, width, bias=False))
            added = (width - x.shape[-1]) // 2
            x = jax.nn.relu(y + jnp.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (added, added))))
    return s.linear("fc", x.mean((1, 2)), 10)


CELLS = {
    "small_cnn_bn": (small_cnn, (32, 32, 3)),
    "cnn_bn": (cnn, (32, 32, 3)),
    "fc_bn": (fc, (784,)),
    "resnet20_bn": (functools.partial(resnet20, norm="batch_norm"), (32, 32, 3)),
    "resnet20_gn": (functools.partial(resnet20, norm="group_norm"), (32, 32, 3)),
}


def make_step(network):
    def loss_of(parameters, statistics_before, x, target):
        scope = Scope(parameters, statistics_before)
        log_probabilities = jax.nn.log_softmax(network(scope, x))
        return -jnp.take_along_axis(log_probabilities, target[:, None], 1).mean(), scope.after

    def step(parameters, velocities, statistics_before, x, target):
        gradients, after = jax.grad(loss_of, has_aux=True)(parameters, statistics_before, x, target)
        velocities = jax.tree.map(lambda v, g: 0.9 * v + g, velocities, gradients)
        return jax.tree.map(lambda p, v: p - 0.01 * v, parameters, velocities), velocities, after

    return jax.jit(step, donate_argnums=(0, 1, 2))


def main():
    args = peer_step.parser(__doc__, CELLS).parse_args()

    # XLA has as many threads as cores that it may run on, which it asks for when it is loaded.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:args.threads])
    global jax, jnp
    import jax
    import jax.numpy as jnp

    network, shape = CELLS[args.cell]
    x = jax.random.normal(jax.random.PRNGKey(1), (args.batch_size, *shape))
    target = jax.random.randint(jax.random.PRNGKey(2), (args.batch_size,), 0, 10)
    first = Scope()
    network(first, x)
    state = (first.parameters, jax.tree.map(jnp.zeros_like, first.parameters), first.after)
    count = sum(p.size for p in first.parameters.values())
    train = make_step(network)

    def step():
        nonlocal state
        state = jax.block_until_ready(train(*state, x, target))

    peer_step.report(step, args.seconds, count)


if __name__ == "__main__":
    sys.exit(main())
