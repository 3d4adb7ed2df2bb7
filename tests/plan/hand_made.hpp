#pragma once
// Jobs made by hand, as a recipe would make them.

#include <ATen/ATen.h>

#include <m2mkd/nn/family.hpp>
#include <m2mkd/plan/cost.hpp>

#include "pack_cost.hpp"

namespace m2mkd::test {

inline ModelOptions vit(std::int64_t width, std::int64_t heads, std::int64_t patch,
                        std::vector<std::int64_t> depths) {
  ModelOptions o;
  o.width = width;
  o.heads = heads;
  o.patch = patch;
  o.depths = std::move(depths);
  return o;
}
inline ModelOptions vmoe(ModelOptions o) {
  o.model = family("vmoe");
  return o;
}

/// 28 × 28 images of 10 classes; batch 64 in 4 micro-batches.
inline Job small_job(const std::string& name, Phase phase, Role role, int stage) {
  Job job;
  job.name = name;
  job.phase = phase;
  job.role = role;
  job.stage = stage;
  job.meta = vit(64, 4, 7, {1, 1, 1, 1});
  job.model = role == Role::meta ? job.meta : vit(64, 4, 7, {3, 3, 3, 3});
  if (role == Role::student) job.model = vmoe(vit(64, 4, 7, {2, 2, 2, 2}));
  if (stage >= 0) job.meta_weights.job = "pretrain";
  job.train.schedule.epochs = 3;
  job.facts.image_size = 28;
  job.facts.classes = 10;
  job.facts.train_images = job.facts.test_images = 10000;
  return job;
}

/// Of a job that is scored as section [data] asks.
inline JobCost cost_of(Job job) {
  job.evaluations = own_evaluations(job.data, job.facts, job.train.eval_epochs);
  return job_cost(job);
}

/// `cost` filled in.
inline Job costed(Job job) {
  job.cost = cost_of(job);
  return job;
}

inline std::vector<const Job*> pointers(const std::vector<Job>& jobs) {
  std::vector<const Job*> result;
  for (const auto& job : jobs) result.push_back(&job);
  return result;
}

/// A wave as it comes: two families of four stages, and whole networks of different length.
inline std::vector<Job> mixed_jobs(std::int64_t batch = 64) {
  std::vector<Job> jobs;
  const auto add = [&](Job job) {
    job.train.batch = batch;
    jobs.push_back(costed(std::move(job)));
  };
  for (int i = 0; i < 4; ++i)
    add(small_job("incubate." + std::to_string(i), Phase::incubate, Role::teacher, i));
  for (int i = 0; i < 4; ++i) {
    Job job = small_job("distill." + std::to_string(i), Phase::distill, Role::student, i);
    job.seed = 1;
    add(job);
  }
  for (int i = 0; i < 3; ++i) {
    Job job = small_job("final." + std::to_string(i), Phase::final, Role::student, -1);
    job.train.schedule.epochs = 2 + 3 * i;
    add(job);
  }
  return jobs;
}

inline double pack_seconds(std::span<const Job* const> pack, int ranks,
                           const MachineOptions& machine) {
  return PackCost(pack, machine).seconds(ranks);
}

inline std::vector<std::string> names(const std::vector<Job>& jobs) {
  std::vector<std::string> all;
  for (const auto& job : jobs) all.push_back(job.name);
  return all;
}

inline constexpr int kRanks[] = {1, 2, 3, 4, 5, 8, 64, 4096};

}  // namespace m2mkd::test
