#include "config_keys.hpp"

#include <algorithm>

#include <m2mkd/nn/weights.hpp>

namespace m2mkd {

namespace {

template <class T>
std::string repetition(const std::vector<T>& list) {
  for (auto item = list.begin(); item != list.end(); ++item)
    if (std::find(list.begin(), item, *item) != item)
      return "'" + print_value(*item) + "' stands there twice";
  return {};
}

// A seed is a key of 64 bits; 10^15 of them are written exactly in every format.
constexpr std::int64_t last_seed = 1'000'000'000'000'000;

Check<std::vector<std::int64_t>> different_seeds() {
  const auto range = each_within<std::int64_t>(0, last_seed);
  return {[range](const std::vector<std::int64_t>& seeds) {
            const auto complaint = range(seeds);
            return complaint.empty() ? repetition(seeds) : complaint;
          },
          range.text() + ", none twice"};
}

}  // namespace

Keys<GlobalOptions> global_keys() {
  using O = GlobalOptions;
  Keys<O> k;
  k.add("compat", &O::compat,
        "published: all switches as in the published Python (docs/fidelity.md), unless written");
  return k;
}

Keys<CompatOptions> compat_keys() {
  using O = CompatOptions;
  Keys<O> k;
  k.add("ranks", &O::ranks,
        "virtual ranks of data.order = published and data.mix_per = rank_batch, whatever the real "
        "number",
        within<std::int64_t>(1, 65536));
  return k;
}

Keys<RunOptions> run_keys() {
  using O = RunOptions;
  const auto seed_range = within<std::int64_t>(0, last_seed);
  Keys<O> k;
  k.add("dir", &O::dir, "run directory; empty: results/<config name>");
  k.add("seed", &O::seed, "seed of all phases unless [seed] says otherwise", seed_range);
  k.add<std::vector<std::string>>("methods", &O::methods, "methods to run and compare",
                                  repetition<std::string>);
  k.add<std::vector<Prior>>("priors", &O::priors,
                            "nac: run every method with each of these graph priors; empty: with "
                            "student.prior alone",
                            repetition<Prior>);
  k.add<std::vector<std::int64_t>>(
      "seeds", &O::seeds,
      "repeat every method with each of these seeds; empty: once, with "
      "run.seed",
      different_seeds());
  k.add("seeds_of", &O::seeds_of,
        "what run.seeds repeats: final (the end-to-end phase; everything before it is shared), or "
        "all");
  k.add("jobs", &O::jobs, "run only these jobs (distill.2, or a phase: distill); empty: all");
  k.add("threads", &O::threads, "threads per rank; 0: cores of the host divided by its ranks",
        within<std::int64_t>(0, 1024));
  k.add("redo", &O::redo, "train jobs anew whose settings changed");
  k.add("extend", &O::extend, "go on with finished jobs whose schedule became longer");
  k.add("note", &O::note, "a sentence that is printed under the comparison table");
  k.add("watchdog_seconds", &O::watchdog_seconds, "abort when nothing moves for so long; 0: never",
        within(0.0, 1e9));
  return k;
}

Keys<SeedOptions> seed_keys() {
  using O = SeedOptions;
  const auto own_seed = within<std::int64_t>(-1, last_seed);
  Keys<O> k;
  k.add("pretrain", &O::pretrain, "-1: run.seed", own_seed);
  k.add("teacher", &O::teacher, "incubation and fine-tuning of the teacher", own_seed);
  k.add("distill", &O::distill, "distillation, and incubation of student stages", own_seed);
  k.add("final", &O::final, "end-to-end training of the student", own_seed);
  return k;
}

Keys<InitOptions> init_keys() {
  using O = InitOptions;
  const auto weights = [](const std::filesystem::path& path) {
    return path.empty() ? std::string() : weight_file_complaint(path);
  };
  Keys<O> k;
  k.add<std::filesystem::path>(
      "meta", &O::meta,
      "given meta model (all stages; .h5, .safetensors, .pth, .pt) instead of pretraining",
      weights);
  k.add<std::filesystem::path>(
      "teacher", &O::teacher,
      "given teacher (all stages, or a whole network, which teacher.depths cuts) instead of "
      "incubation and fine-tuning",
      weights);
  k.add<std::filesystem::path>("student", &O::student,
                               "start weights of the student's stages instead of random ones",
                               weights);
  return k;
}

Keys<MachineOptions> machine_keys() {
  using O = MachineOptions;
  Keys<O> k;
  k.add("gflops", &O::gflops,
        "training rate per rank, GFLOP/s (m2mkd bench --print-machine measures it)",
        within(1e-3, 1e9));
  k.add("reduce_gb_s", &O::reduce_gb_s, "all-reduce bandwidth, GB/s", within(1e-6, 1e6));
  k.add("memory_gb", &O::memory_gb, "memory per rank, GB", within(1e-3, 1e6));
  k.add("disk_gb_s", &O::disk_gb_s, "bandwidth of the run directory, GB/s", within(1e-6, 1e6));
  return k;
}

Keys<IncubateOptions> incubate_keys() {
  using O = IncubateOptions;
  Keys<O> k;
  k.add("from_teacher", &O::from_teacher,
        "start the teacher's stages from init.teacher and incubate them shortly");
  return k;
}

Keys<FinetuneOptions> finetune_keys() {
  using O = FinetuneOptions;
  Keys<O> k;
  k.add("fresh", &O::fresh,
        "train the teacher whole, not from incubated stages, and then split it");
  k.add("flops_of", &O::flops_of,
        "choose the epochs so that the teacher's FLOPs, incubation included, equal those of this "
        "method's teacher");
  return k;
}

Keys<DistillOptions> distill_keys() {
  using O = DistillOptions;
  Keys<O> k;
  k.add("teachers", &O::teachers,
        "teachers of a pair: teacher is section [teacher], others [teacher.NAME]; outputs are "
        "averaged");
  k.add("teacher", &O::teacher, "teacher stages taken after fine-tuning, or as incubated");
  return k;
}

Keys<FinalOptions> final_keys() {
  using O = FinalOptions;
  Keys<O> k;
  k.add("start", &O::start,
        "student stages: fresh, incubated, distilled, or upcycled (a dense student is trained "
        "first, its MLPs become the experts)");
  k.add("teacher", &O::teacher, "finetune: conventional distillation from the whole teacher");
  k.add("flops_of", &O::flops_of, "choose the epochs so that all FLOPs equal those of this method");
  return k;
}

Keys<HybridOptions> hybrid_keys() {
  using O = HybridOptions;
  Keys<O> k;
  k.add("token_mismatch", &O::token_mismatch,
        "another number of tokens than the meta's: refuse, allow (stages take what comes), or "
        "resample (bilinear, at a stage's ends)");
  return k;
}

const Schema& schema() {
  static const Schema instance = [] {
    Schema s;
    s.section("", "For everything; these keys stand before all sections", global_keys());
    s.section("compat", "What the published Python's ranks decide", compat_keys());
    s.section("run", "What to run and where", run_keys());
    s.section("seed", "Seeds of the phases", seed_keys(), {}, true);
    s.section("init", "Weights that are given rather than trained", init_keys(), {}, true);
    s.section("data", "Images, for all phases; [data.distill] overrides for one",
              DataOptions::keys(), {}, true);
    s.section("meta",
              "The small model whose stages surround the trained one; [meta.METHOD] overrides",
              ModelOptions::keys(), {}, true);
    s.section("teacher", "The monolithic teacher; [teacher.NAME] is a further one",
              ModelOptions::keys(), {}, true);
    s.section("student", "The modular student", ModelOptions::keys(), {}, true);
    s.section("hybrid", "How stages of different networks are spliced", hybrid_keys(), {}, true);
    s.section("train", "Training, for all phases; [final] or [final.e2e] override it",
              TrainOptions::keys(), {}, true);
    s.section("pretrain", "The meta model", Keys<TrainOptions>{}, {"train"}, true);
    s.section("incubate", "Stages inside the meta model, by labels", incubate_keys(), {"train"},
              true);
    s.section("finetune", "The whole teacher", finetune_keys(), {"train"}, true);
    s.section("distill", "Student stages inside the meta model, by labels and teacher",
              distill_keys(), {"train"}, true);
    s.section("final", "The student end to end", final_keys(), {"train"}, true);
    s.named_section("evaluation", "A further data set to score networks on, beside data.test",
                    EvaluationOptions::keys());
    s.section("machine", "What predictions reckon with, per rank", machine_keys());
    return s;
  }();
  return instance;
}

}  // namespace m2mkd
