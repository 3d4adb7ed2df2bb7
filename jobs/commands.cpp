#include "commands.hpp"

namespace m2mkd {

const std::vector<Command>& commands() {
  static const std::vector<Command> table{
      {"run",
       "train everything that is not finished, under mpirun or alone",
       "m2mkd run CONFIG.ini... [--run.dir DIR] [--run.seed N] [--run.methods e2e,kd] [--run.jobs "
       "distill.2] [--section.key VALUE]\n\n"
       "Runs the jobs of all methods in waves, ranks divided into groups, and prints the "
       "comparison table. The same command\n"
       "continues after a stop. USR1 or TERM, to any rank, stops at the next step or batch with "
       "checkpoints saved (exit 75).\n"
       "With another data.test, finished jobs are tested again and keep their training. A run.dir "
       "that holds foreign files under\n"
       "a run's names, or lies in or around another run's, is refused; nothing in it changes where "
       "a start is refused.\n\n"
       "  --print-config    the resolved configuration, and nothing else\n"
       "  --run.redo        train jobs anew whose settings changed\n"
       "  --run.extend      go on with finished jobs whose schedule became longer\n",
       {},
       {"print-config"},
       run_command},
      {"plan",
       "what a run would do on any number of ranks, without starting it",
       "m2mkd plan CONFIG.ini... --ranks N [--json] [--section.key VALUE]\n\n"
       "Waves, groups, packs, jobs, parameters, FLOPs, memory and predicted time by [machine].\n",
       {"ranks"},
       {"json"},
       plan_command},
      {"check",
       "cheap gates before a long run: wrong results in minutes, not days",
       "m2mkd check CONFIG.ini... [--ranks N] [--json] [--steps N] [--seconds S] [--all-images] "
       "[--section.key VALUE]\n\n"
       "One line per gate and subject: ok, skipped, warning or WRONG, with the reason and what to "
       "try. Exit 1 when something is\n"
       "wrong. Under mpirun or alone; nothing in the run directory changes.\n\n"
       "  data, memory, disk   files open, are sound and have every class; predictions fit\n"
       "  files                finished and given files are what they claim, made from the parents "
       "that are there\n"
       "  splice, assembly     a network's own stages give its own logits; an assembled network is "
       "the sum of its files\n"
       "  given                given metas and teachers on all test images: better than a constant "
       "answer\n"
       "  teacher, recorded    teachers' stages answer in their place; files give the loss that "
       "they record\n"
       "  pair                 every pair learns one batch by heart: the loss falls by a third of "
       "what "
       "it could fall\n\n"
       "  --ranks N         of the run whose memory is predicted; those it is called on by "
       "default\n"
       "  --steps N         most steps of a pair, 40 by default\n"
       "  --seconds S       time for all that trains or evaluates, 60 by default\n"
       "  --all-images      read and decode every image of the data sets, not 64 of each\n"
       "  --json            the findings as one JSON object\n",
       {"ranks", "steps", "seconds"},
       {"json", "all-images"},
       check_command},
      {"eval",
       "accuracy of a network on a packed data set",
       "m2mkd eval MODEL [CONFIG.ini...] --data.test FILE.h5 [--logits OUT.h5] [--section.key "
       "VALUE]\n\n"
       "MODEL is a module file (.h5), what m2mkd convert made of one, or weights from elsewhere "
       "(.safetensors, .pth, .pt). Those are\n"
       "taken for what their names and shapes say; attention heads are not among it: usual for the "
       "usual widths (192: 3, 384: 6,\n"
       "768: 12, 1024: 16, 1280: 16), else --student.heads N (or teacher, meta) gives them. What "
       "is "
       "assumed is said.\n\n"
       "  --section NAME    section of CONFIG.ini that describes weights from elsewhere (student)\n"
       "  --logits OUT.h5   write /logits float32[N,C] and /labels int32[N]\n",
       {"logits", "section"},
       {},
       eval_command},
      {"inspect",
       "what a file of this program holds",
       "m2mkd inspect FILE.h5 [--verify] [--json]\n\n"
       "Module files, checkpoints, metrics, summaries, packed data sets: provenance, results, "
       "stages with their parameters,\n"
       "every tensor with type, shape and digest.\n\n"
       "  --verify          read everything, compare the digests, decode JPEG images; names what "
       "is "
       "damaged and exits 1\n"
       "  --json            everything as one JSON object, texts in full\n",
       {},
       {"verify", "json"},
       inspect_command},
      {"convert",
       "weights from one kind of file into another",
       "m2mkd convert IN OUT --model NAME [--stages 6,6,6,6] [--stage I] [--image-size N] "
       "[--classes "
       "N] [--section.key VALUE]\n\n"
       "By suffix: .h5, .safetensors, .pth, .pt, any way to any other, bit by bit. Names outside "
       ".h5 "
       "are timm's, blocks counted\n"
       "through the network (blocks.5.attn.qkv.weight), or stages.<i>.<key> where the file holds "
       "only "
       "a part of a network. Every\n"
       "tensor must fit the model; all are listed with what was done to them, as is everything "
       "that "
       "was left out.\n\n"
       "  --model NAME      vit, vmoe or nac; a NAC has its published names and needs no --stages\n"
       "  --stages 3,3      blocks per stage; needed for flat names where the file does not tell\n"
       "  --stage I         the file is stage I (from 0) alone, whatever its number there; a NAC's "
       "student modules need it\n"
       "  --image-size N    resize the position embedding (nac: the grid of positions) for images "
       "of N "
       "pixels, bicubic\n"
       "  --classes N       a new head by the model's own rule and --run.seed where it has another "
       "number of classes\n"
       "  --teacher.heads N (or meta, student) what weights do not tell, or shall be checked: goes "
       "into the configuration that\n"
       "                    m2mkd eval needs\n",
       {"model", "stages", "stage", "image-size", "classes"},
       {},
       convert_command},
      {"status",
       "how far a run is",
       "m2mkd status RUN_DIR [--json]\n\n"
       "One line per job: state, epoch, step, loss, last accuracy, images/s, time left, and how "
       "long ago that was written (STALE:\n"
       "at work, but silent for more than two minutes). Reads files only; the run goes on "
       "undisturbed.\n",
       {},
       {"json"},
       status_command},
      {"report",
       "the comparison of one or several runs",
       "m2mkd report RUN_DIR... [--json]\n\n"
       "The table of one run; for several, or one with run.seeds, per method (and prior) mean and "
       "standard deviation, and the\n"
       "difference to the first method over pairs of the same seed and prior with its 95 % "
       "interval "
       "(Student's t).\n\n"
       "  --json            all numbers, those of each run among them\n",
       {},
       {"json"},
       report_command},
      {"bench",
       "images/s of the training steps of a configuration",
       "m2mkd bench CONFIG.ini... [--json] [--print-machine] [--seconds S] [--section.key "
       "VALUE]\n\n"
       "A pair step, an incubation step, an end-to-end step, a pack, evaluation and loading, each "
       "with its share of the measured\n"
       "GEMM rate.\n\n"
       "  --seconds S       time per row, 2 by default\n"
       "  --json            the same numbers, and the machine's\n"
       "  --print-machine   a [machine] section with measured rates, to be given to `run` and "
       "`plan` as a further file\n",
       {"seconds"},
       {"json", "print-machine"},
       bench_command},
  };
  return table;
}

}  // namespace m2mkd
