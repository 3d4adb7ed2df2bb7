#include "job_check.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <m2mkd/data/provenance.hpp>
#include <m2mkd/data/sampler.hpp>
#include <m2mkd/nn/family.hpp>
#include <m2mkd/train/trainable.hpp>

namespace m2mkd {

namespace {

void check_stages(const ModelOptions& a, std::string_view name_a, const ModelOptions& b,
                  std::string_view name_b, std::vector<std::string>& problems) {
  if (a.stages() != b.stages())
    problems.push_back(
        fmt::format("{}.depths has {} stages and {}.depths {}: stages are exchanged one by one, so "
                    "the numbers must "
                    "be equal",
                    name_a, a.stages(), name_b, b.stages()));
}

void check_surrounds(const ModelOptions& model, std::string_view name,
                     std::vector<std::string>& problems) {
  if (!model.model->surrounds())
    problems.push_back(fmt::format("{}.model = {}: only the student can be a {}", name,
                                   model.model->name(), model.model->title()));
}

// The first pair of boundaries at equal cuts that differ so; nothing where the networks are cut
// otherwise.
template <class Differ>
std::optional<std::pair<Boundary, Boundary>> different(const ModelOptions& a, const ModelOptions& b,
                                                       const ImageShape& shape,
                                                       const Differ& differ) {
  if (shape.size < 1) return std::nullopt;  // without images there is another problem already
  for (int cut = 1; cut < std::min(a.stages(), b.stages()); ++cut) {
    const auto of_a = boundary(a, shape, cut), of_b = boundary(b, shape, cut);
    if (differ(of_a, of_b)) return std::pair{of_a, of_b};
  }
  return std::nullopt;
}

bool other_width(const Boundary& a, const Boundary& b) {
  return a.width != b.width;
}
bool other_tokens(const Boundary& a, const Boundary& b) {
  return a.tokens != b.tokens || a.class_token != b.class_token;
}

std::string tokens_text(const Boundary& boundary) {
  return fmt::format("{} tokens{}", boundary.tokens,
                     boundary.class_token ? "" : " without a class token");
}

void check_teacher(const Job& job, const TeacherSource& teacher,
                   std::vector<std::string>& problems) {
  const auto shape = job.image_shape();
  for (auto& p : model_problems(teacher.model, shape, teacher.name))
    problems.push_back(std::move(p));
  check_surrounds(teacher.model, teacher.name, problems);
  if (teacher.whole) return;
  check_stages(teacher.model, teacher.name, teacher.meta, "its meta", problems);
  if (const auto d = different(teacher.model, teacher.meta, shape, other_width))
    problems.push_back(
        fmt::format("{}.width = {} and its meta's width {} differ: teacher stages have no stitches "
                    "(a teacher of "
                    "another width brings its own [meta.NAME])",
                    teacher.name, d->first.width, d->second.width));
  if (const auto d = different(teacher.model, teacher.meta, shape, other_tokens))
    problems.push_back(fmt::format("{} has {} and its meta {}: their patches must be equal",
                                   teacher.name, tokens_text(d->first), tokens_text(d->second)));
}

void check_splice(const Job& job, std::vector<std::string>& problems) {
  const auto shape = job.image_shape();
  const auto role = enum_name(job.role);
  for (auto& p : model_problems(job.meta, shape, "meta")) problems.push_back(std::move(p));
  check_surrounds(job.meta, "meta", problems);
  check_stages(job.model, role, job.meta, "meta", problems);
  const auto tokens = different(job.model, job.meta, shape, other_tokens);
  if (tokens && !job.meta.model->runs_on_any_tokens())
    problems.push_back(fmt::format(
        "{} has {} and meta {}: stages of meta.model = {} run on their own number of tokens alone",
        role, tokens_text(tokens->first), tokens_text(tokens->second), job.meta.model->name()));
  else if (tokens && !job.model.model->takes_any_tokens()) {
    const bool grid = tokens->first.class_token && tokens->second.class_token;
    if (job.hybrid.token_mismatch == TokenMismatch::refuse || !grid)
      problems.push_back(fmt::format(
          "{} has {} and meta {}: choose equal patches{}", role, tokens_text(tokens->first),
          tokens_text(tokens->second),
          grid ? ", or hybrid.token_mismatch = allow or resample" : " and a class token in both"));
  }
  const auto width = different(job.model, job.meta, shape, other_width);
  if (!width) return;
  const auto [own, around] = *width;
  if (job.role == Role::teacher)
    problems.push_back(fmt::format(
        "teacher.width = {} and meta.width = {} differ: teacher stages have no stitches", own.width,
        around.width));
  if (job.role == Role::student && job.model.stitch == StitchRule::never)
    problems.push_back(
        fmt::format("student.width = {} and meta.width = {} differ, but student.stitch = never",
                    own.width, around.width));
}

// Every pattern of `trainable` fits a parameter of the network that the job trains.
void check_trainable(const Job& job, std::vector<std::string>& problems) {
  const auto& patterns = job.train.trainable;
  if (trains_all(patterns) || !model_problems(job.model, job.image_shape(), "").empty()) return;
  const Chain chain = bare_chain(job, at::kMeta);
  if (const auto idle = idle_pattern(chain, patterns); !idle.empty())
    problems.push_back(
        fmt::format("{}.trainable = {}: '{}' leaves no parameter of the {} to train (its names are "
                    "such as {})",
                    enum_name(job.phase), print_value(patterns), idle, enum_name(job.role),
                    parameters(chain).back().name));
}

}  // namespace

void check_features(const Job& job, std::vector<std::string>& problems) {
  if (job.train.objective.feature_weight == 0) return;
  if (job.phase != Phase::distill) {
    problems.push_back(fmt::format(
        "{}.feature_weight = {}: only pairs have stages to compare; set it in [distill]",
        enum_name(job.phase), job.train.objective.feature_weight));
  } else if (!job.model.model->takes_any_tokens() &&
             job.hybrid.token_mismatch == TokenMismatch::allow &&
             different(job.model, job.meta, job.image_shape(), other_tokens)) {
    problems.emplace_back(
        "distill.feature_weight needs equal numbers of tokens: hybrid.token_mismatch = resample");
  }
}

void check_parent(const Job& job, const Job& parent, std::vector<std::string>& problems) {
  const auto& mine = job.facts;
  const auto& its = parent.facts;
  const auto phase = enum_name(job.phase), other = enum_name(parent.phase);
  if (const auto difference = class_difference(its.class_names, mine.class_names);
      !difference.empty())
    problems.push_back(fmt::format(
        "[data.{}] has other classes than the data of {}, whose networks it starts from ({}): pack "
        "both with the same list of classes",
        phase, other, difference));
  if (!its.mean.empty() && !mine.mean.empty() && (its.mean != mine.mean || its.std != mine.std))
    problems.push_back(
        fmt::format("images of {} are normalised otherwise than those of {}, whose networks it "
                    "starts from ({} there, {} here): set data.mean and data.std",
                    phase, other, normalisation_text(its.mean, its.std),
                    normalisation_text(mine.mean, mine.std)));
  if (!its.test_digest.empty() && !mine.test_digest.empty() && its.test_digest != mine.test_digest)
    problems.push_back(
        fmt::format("{} is tested on {}, and {} on {}: one table compares them, so give all phases "
                    "one data.test",
                    phase, job.data.test.string(), other, parent.data.test.string()));
}

void check_job(const Job& job, std::vector<std::string>& problems) {
  for (auto& p : model_problems(job.model, job.image_shape(), std::string(enum_name(job.role))))
    problems.push_back(std::move(p));
  if (job.spliced()) check_splice(job, problems);
  if (job.role == Role::teacher) check_surrounds(job.model, "teacher", problems);
  if (job.upcycled() && !job.model.model->dense(job.model))
    problems.push_back(fmt::format("final.start = upcycle: a {} has no dense network to start from",
                                   job.model.model->title()));
  check_features(job, problems);
  check_trainable(job, problems);
  if (job.phase == Phase::distill && job.train.objective.alpha > 0 && job.teachers.empty())
    problems.emplace_back(
        "distill.teachers is empty: name one, or set distill.alpha = 0 to leave the teacher out");
  for (const auto& teacher : job.teachers) check_teacher(job, teacher, problems);
  if (job.train.micro_batch > job.train.batch)
    problems.push_back(fmt::format("{}: micro_batch = {} is larger than batch = {}",
                                   enum_name(job.phase), job.train.micro_batch, job.train.batch));
  const auto& schedule = job.train.schedule;
  if (const double warmup = schedule.warmup_epochs + schedule.warmup_share * schedule.epochs;
      warmup > schedule.epochs)
    problems.push_back(fmt::format(
        "{}: a warm-up of {:.4g} epochs (warmup_epochs, warmup_share) is longer than the {:.4g} "
        "epochs of the training: the rate would never reach lr",
        enum_name(job.phase), warmup, schedule.epochs));
  // Without images there is another problem already.
  if (job.facts.train_images > 0)
    if (auto problem = sampling_problem(job.data, job.facts.train_images, job.train.batch);
        !problem.empty())
      problems.push_back(fmt::format("{}: {}", enum_name(job.phase), problem));
}

}  // namespace m2mkd
