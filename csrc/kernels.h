// clang-format off: the list below is a table
// THE CONTRACT: every kernel, one block a room. Each exists under the same name in csrc/cpu and csrc/cuda; bind.cpp turns
// this list into the functions of the Python modules, so a kernel is declared here and nowhere else.
//   KERNEL(name, parameters...)   In / Strided are read, Out is written and allocated by the caller.
// Included with another KERNEL by bind.cpp: hence no include guard round the list.
#include "array.h"
#include "functors.h"

#ifndef KERNEL
#define KERNEL(name, ...) namespace pydl { void name(__VA_ARGS__); }
#endif

// elementwise: y = f(x; a, b); the gradient gx = gy * f'(v; a, b), where v is x or y as functors.h says
#define X(name) \
  KERNEL(name, Strided x, Out y, double a, double b) \
  KERNEL(name##_backward, Strided v, Strided gy, Out gx, double a, double b)
UNARY(X)
#undef X
// y = f(a, b) with broadcasting; comparisons write bool
#define X(name) KERNEL(name, Strided a, Strided b, Out y)
BINARY(X) COMPARE(X)
#undef X
KERNEL(where, Strided condition, Strided a, Strided b, Out y)
KERNEL(copy, Strided x, Out y)

// reduce: x (outer, n, inner) over n, y (outer, inner). sum: divided by `divisor`, so that the mean is one call. The extremes' first
// position wins, NaN wins over numbers. var: divided by n - correction.
KERNEL(sum, In x, Out y, double divisor)
KERNEL(prod, In x, Out y)
KERNEL(max, In x, Out y)
KERNEL(min, In x, Out y)
KERNEL(argmax, In x, Out index)
KERNEL(argmin, In x, Out index)
KERNEL(scatter_index, In gy, In index, Out gx)
KERNEL(logsumexp, In x, Out y)
KERNEL(logsumexp_backward, In x, In y, In gy, Out gx)
KERNEL(var, In x, Out y, Out mean, double correction)
KERNEL(var_backward, In x, In mean, In gy, Out gx, double correction)

// matmul: y[..., m, n] = activation(a[..., m, k] b[..., k, n] + bias[n]); activation as in cpu/gemm.h
KERNEL(matmul, Strided a, Strided b, In bias, Out y, int64_t activation)

// dropout: y = x keep / (1 - p); element i is kept by word i % 4 of counter offset + i / 4 (philox.h): its own gradient kernel
KERNEL(dropout, In x, Out y, double p, uint64_t seed, uint64_t offset)

// random: y from the counters offset, offset + 1, ...; float32 takes a quarter of a counter an element, float64 and int64 half.
// uniform in [low, high); integers in [low, high)
KERNEL(random_uniform, Out y, uint64_t seed, uint64_t offset, double low, double high)
KERNEL(random_normal, Out y, uint64_t seed, uint64_t offset, double mean, double std)
KERNEL(random_int, Out y, uint64_t seed, uint64_t offset, int64_t low, int64_t high)

// conv: x (N, C, H, W), weight (O, C / groups, KH, KW), y and gy (N, O, rows, columns). `padding` is the zeros before the first row
// and column; after the last ones there are as many as the size of y asks for. The transpose is the input gradient and the forward
// pass of a transposed convolution. columns is (N, C KH KW, rows columns).
KERNEL(conv2d, In x, In weight, In bias, Out y, Pair stride, Pair padding, Pair dilation, int64_t groups, int64_t activation)
KERNEL(conv2d_transpose, In gy, In weight, In bias, Out gx, Pair stride, Pair padding, Pair dilation, int64_t groups)
KERNEL(conv2d_weight_grad, In x, In gy, Out gweight, Pair stride, Pair padding, Pair dilation, int64_t groups)
KERNEL(im2col, In x, Out columns, Pair kernel, Pair stride, Pair padding, Pair dilation)
KERNEL(col2im, In columns, Out x, Pair kernel, Pair stride, Pair padding, Pair dilation)

// norm
KERNEL(layer_norm_forward, In x, In weight, In bias, Out y, Out mean, Out rstd, double eps)
KERNEL(layer_norm_backward, In x, In weight, In mean, In rstd, In gy, Out gx, Out gweight, Out gbias)
// batch norm of x (N, C, ...): training, with statistics of the batch; evaluation, with given ones
KERNEL(batch_norm_forward, In x, In weight, In bias, Out y, Out mean, Out var, double eps)
KERNEL(batch_norm_backward, In x, In weight, In mean, In var, In gy, In gmean, In gvar, Out gx, Out gweight, Out gbias, double eps)
KERNEL(batch_norm_eval_forward, In x, In mean, In var, In weight, In bias, Out y, double eps)
KERNEL(batch_norm_eval_backward, In x, In mean, In var, In weight, In gy, Out gx, Out gmean, Out gvar, Out gweight, Out gbias, double eps)

// softmax over axis dim, 0 <= dim < ndim
KERNEL(softmax_forward, In x, Out y, int64_t dim)
KERNEL(softmax_backward, In y, In gy, Out gx, int64_t dim)
KERNEL(log_softmax_forward, In x, Out y, int64_t dim)
KERNEL(log_softmax_backward, In y, In gy, Out gx, int64_t dim)

// loss: cross entropy of x (N, C, ...) and labels (N, ...); reduction: 0 none, 1 mean, 2 sum; loss has one element where it reduces.
// A label outside [0, C) that is not ignore_index raises IndexError. max, log_sum: of the classes, one a label, for the gradient.
KERNEL(check_labels, In target, int64_t classes, int64_t ignore_index)
KERNEL(cross_entropy_forward, In x, In target, In weight, Out loss, Out max, Out log_sum, Out total_weight, int64_t ignore_index,
       double label_smoothing, int64_t reduction)
KERNEL(cross_entropy_backward, In x, In target, In weight, In max, In log_sum, In total_weight, In gy, Out gx, int64_t ignore_index,
       double label_smoothing, int64_t reduction)
// of each element: 0 squared, 1 absolute, 2 smooth absolute, 3 Huber (threshold a), 4 cross entropy of the logistic function
KERNEL(pointwise_loss_forward, In x, In target, Out loss, int64_t rule, double a, int64_t reduction)
KERNEL(pointwise_loss_backward, In x, In target, In gy, Out gx, int64_t rule, double a, int64_t reduction)

// pool: of planes x (P, H, W), y (P, oh, ow). Padding is never a maximum; index: i32, the element's place in its plane.
KERNEL(max_pool_forward, In x, Out y, Out index, int64_t kh, int64_t kw, int64_t sh, int64_t sw, int64_t ph, int64_t pw, int64_t dh, int64_t dw)
KERNEL(max_pool_backward, In gy, In index, Out gx)
// rows, columns: what each output is divided by is rows[i] columns[j]
KERNEL(avg_pool_forward, In x, In rows, In columns, Out y, int64_t kh, int64_t kw, int64_t sh, int64_t sw, int64_t ph, int64_t pw)
KERNEL(avg_pool_backward, In gy, In rows, In columns, Out gx, int64_t kh, int64_t kw, int64_t sh, int64_t sw, int64_t ph, int64_t pw)
// windows i: from floor(i H / oh) to ceil((i + 1) H / oh)
KERNEL(adaptive_avg_pool_forward, In x, Out y)
KERNEL(adaptive_avg_pool_backward, In gy, Out gx)
KERNEL(adaptive_max_pool_forward, In x, Out y, Out index)

// attention: q (B, H, L, E), k (B, G, S, E), v (B, G, S, D), mask (B, H, L, S) bool (true: visible) or added, or absent
KERNEL(attention_forward, Strided q, Strided k, Strided v, Strided mask, Out y, Out lse, double scale, bool causal,
       double dropout, uint64_t seed, uint64_t offset)
KERNEL(attention_backward, Strided q, Strided k, Strided v, Strided mask, In y, In lse, In gy, Out gq, Out gk, Out gv,
       double scale, bool causal, double dropout, uint64_t seed, uint64_t offset)

// rnn: one direction of a layer. Rows (N, .) of all steps in packed order, sizes[t] of them at step t; states (B, .);
// x is the input's share of the gates with both biases, (N, 4 H) in the order i, f, g, o, (N, 3 H) in r, z, n, or (N, H).
KERNEL(rnn_forward, In x, In h0, In weight, Out y, Out h, bool relu, std::vector<int64_t> sizes, bool reverse)
KERNEL(rnn_backward, In h0, In weight, In y, In gy, In gh, Out gx, Out gh0, Out gweight, bool relu,
       std::vector<int64_t> sizes, bool reverse)
KERNEL(gru_forward, In x, In h0, In weight, In bias, Out y, Out h, Out gates, Out inner, std::vector<int64_t> sizes,
       bool reverse)
KERNEL(gru_backward, In h0, In weight, In y, In gates, In inner, In gy, In gh, Out gx, Out gh0, Out gweight, Out gbias,
       std::vector<int64_t> sizes, bool reverse)
KERNEL(lstm_forward, In x, In h0, In c0, In weight, In projection, Out y, Out h, Out c, Out gates, Out cells,
       std::vector<int64_t> sizes, bool reverse)
KERNEL(lstm_backward, In h0, In c0, In weight, In projection, In y, In gates, In cells, In gy, In gh, In gc, Out gx, Out gh0,
       Out gc0, Out gweight, Out gprojection, std::vector<int64_t> sizes, bool reverse)

// ceiling: what the machine can do at most (bench)
KERNEL(fma_ceiling, Out rate)
KERNEL(stream, In x, Out y)

// embedding: weight (n, c), int64 index, rows (*index, c); a row `skip` (-1: none) is read as zeros and gets no gradient
KERNEL(embedding, In weight, In index, Out y, int64_t skip)
KERNEL(embedding_backward, In index, In gy, Out gweight, int64_t skip)

// indexing: the indexed axis is the middle one of (outer, n, inner); indices are int64, in [0, n)
KERNEL(index_select, In x, In index, Out y)
KERNEL(index_write, In index, In source, Out y, bool add)
KERNEL(gather, In x, In index, Out y)
KERNEL(scatter, In index, In source, Out y, int mode)

// optim: each call updates all parameters of a group in place. Steps are counted from 1; empty lists switch what they hold off.
KERNEL(sgd, Outs params, Ins grads, Outs momentum_buffers, double lr, double momentum, double dampening, bool nesterov,
       double weight_decay, bool maximize, bool first)
KERNEL(adam, Outs params, Ins grads, Outs first_moments, Outs second_moments, Outs largest_moments,
       std::vector<double> steps, double lr, double beta1, double beta2, double eps, double weight_decay, bool decoupled,
       bool maximize)
KERNEL(rmsprop, Outs params, Ins grads, Outs square_averages, Outs momentum_buffers, Outs grad_averages, double lr,
       double alpha, double eps, double weight_decay, double momentum, bool eps_inside_sqrt, bool maximize)
KERNEL(adagrad, Outs params, Ins grads, Outs sums, std::vector<double> steps, double lr, double lr_decay, double eps,
       double weight_decay, double beta, bool eps_inside_sqrt, bool maximize)
KERNEL(moving_average, Outs averages, Ins values, double decay)  // averages += (1 - decay) (values - averages)
KERNEL(scale_all, Outs arrays, double factor)
KERNEL(sum_of_squares, Ins arrays, Out result)

// order: running sums along the middle axis of (outer, n, inner)
KERNEL(cumsum, In x, Out y, bool reverse)

// join: xs (outer, *) side by side
KERNEL(cat, Ins xs, Out y, int64_t outer)

#undef KERNEL
