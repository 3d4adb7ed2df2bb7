#pragma once
// The keys of this room's own sections, and the schema of all sections.

#include <m2mkd/plan/config.hpp>

namespace m2mkd {

Keys<RunOptions> run_keys();
Keys<SeedOptions> seed_keys();
Keys<InitOptions> init_keys();
Keys<MachineOptions> machine_keys();
Keys<IncubateOptions> incubate_keys();
Keys<GlobalOptions> global_keys();
Keys<CompatOptions> compat_keys();
Keys<FinetuneOptions> finetune_keys();
Keys<DistillOptions> distill_keys();
Keys<FinalOptions> final_keys();
Keys<HybridOptions> hybrid_keys();

const Schema& schema();

}  // namespace m2mkd
