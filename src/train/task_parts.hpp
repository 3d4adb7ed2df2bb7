#pragma once
// What of a task's chain trains, is saved and is written.

#include <m2mkd/train/trainer.hpp>

namespace m2mkd {

/// The trained stages of a task as a chain whose other stages are null: what is saved and
/// written.
Chain trained_part(const Task& task);
/// Of those, the stages of which a parameter trains: the others are as they were made or loaded.
Chain active_part(const Task& task);

/// The numbers of these stages.
std::vector<int> active_stages(const Task& task);

/// Exactly the trainable parameters of the trained stages get gradients: frozen ones only pass them
/// on. Returns those.
std::vector<Parameter> make_trainable(const Task& task);

}  // namespace m2mkd
