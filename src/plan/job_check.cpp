#include "job_check.hpp"

#include <fmt/format.h>

#include <m2mkd/data/provenance.hpp>
#include <m2mkd/data/sampler.hpp>

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

// Stages of a NAC are spliced in their distill form, which only students have.
void check_transformer(const ModelOptions& model, std::string_view name,
                       std::vector<std::string>& problems) {
  if (model.model == ModelName::nac)
    problems.push_back(fmt::format("{}.model = nac: only the student can be a NAC", name));
}

void check_teacher(const Job& job, const TeacherSource& teacher,
                   std::vector<std::string>& problems) {
  const auto shape = job.image_shape();
  for (auto& p : check(teacher.model, shape, teacher.name)) problems.push_back(std::move(p));
  check_transformer(teacher.model, teacher.name, problems);
  if (teacher.whole) return;
  check_stages(teacher.model, teacher.name, teacher.meta, "its meta", problems);
  if (teacher.model.width != teacher.meta.width)
    problems.push_back(
        fmt::format("{}.width = {} and its meta's width {} differ: teacher stages have no stitches "
                    "(a teacher of "
                    "another width brings its own [meta.NAME])",
                    teacher.name, teacher.model.width, teacher.meta.width));
  if (tokens(teacher.model, shape) != tokens(teacher.meta, shape))
    problems.push_back(
        fmt::format("{}.patch = {} and its meta's patch {} give different numbers of tokens",
                    teacher.name, teacher.model.patch, teacher.meta.patch));
}

void check_splice(const Job& job, std::vector<std::string>& problems) {
  const auto shape = job.image_shape();
  const auto role = enum_name(job.role);
  for (auto& p : check(job.meta, shape, "meta")) problems.push_back(std::move(p));
  check_transformer(job.meta, "meta", problems);
  check_stages(job.model, role, job.meta, "meta", problems);
  const auto inside = tokens(job.model, shape), around = tokens(job.meta, shape);
  // A NAC's read-in gives as many tokens as it has latents; its other stages take what comes.
  const bool grid = job.model.model != ModelName::nac;
  if (grid && inside != around && job.hybrid.token_mismatch == TokenMismatch::refuse)
    problems.push_back(fmt::format(
        "{} has {} tokens and meta {}: choose equal patches, or hybrid.token_mismatch = allow or "
        "resample",
        role, inside, around));
  if (job.role == Role::teacher && job.model.width != job.meta.width)
    problems.push_back(fmt::format(
        "teacher.width = {} and meta.width = {} differ: teacher stages have no stitches",
        job.model.width, job.meta.width));
  if (job.role == Role::student && job.model.stitch == StitchRule::never &&
      job.model.width != job.meta.width)
    problems.push_back(
        fmt::format("student.width = {} and meta.width = {} differ, but student.stitch = never",
                    job.model.width, job.meta.width));
}

}  // namespace

void check_features(const Job& job, std::vector<std::string>& problems) {
  if (job.train.objective.feature_weight == 0) return;
  if (job.phase != Phase::distill) {
    problems.push_back(fmt::format(
        "{}.feature_weight = {}: only pairs have stages to compare; set it in [distill]",
        enum_name(job.phase), job.train.objective.feature_weight));
  } else if (job.model.model != ModelName::nac &&
             job.hybrid.token_mismatch == TokenMismatch::allow &&
             tokens(job.model, job.image_shape()) != tokens(job.meta, job.image_shape())) {
    problems.emplace_back(
        "distill.feature_weight needs equal numbers of tokens: hybrid.token_mismatch = resample");
  }
}

void check_parent(const Job& job, const Job& parent, std::vector<std::string>& problems) {
  const auto& mine = job.shape;
  const auto& its = parent.shape;
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
  for (auto& p : check(job.model, job.image_shape(), std::string(enum_name(job.role))))
    problems.push_back(std::move(p));
  if (job.spliced()) check_splice(job, problems);
  if (job.role == Role::teacher) check_transformer(job.model, "teacher", problems);
  if (job.upcycled() && job.model.model == ModelName::nac)
    problems.emplace_back("final.start = upcycle: a NAC has no dense network to start from");
  check_features(job, problems);
  if (job.phase == Phase::distill && job.train.objective.alpha > 0 && job.teachers.empty())
    problems.emplace_back(
        "distill.teachers is empty: name one, or set distill.alpha = 0 to leave the teacher out");
  for (const auto& teacher : job.teachers) check_teacher(job, teacher, problems);
  if (job.train.micro_batch > job.train.batch)
    problems.push_back(fmt::format("{}: micro_batch = {} is larger than batch = {}",
                                   enum_name(job.phase), job.train.micro_batch, job.train.batch));
  // Without images there is another problem already.
  if (job.shape.train_images > 0)
    if (auto problem = sampling_problem(job.data, job.shape.train_images, job.train.batch);
        !problem.empty())
      problems.push_back(fmt::format("{}: {}", enum_name(job.phase), problem));
}

}  // namespace m2mkd
