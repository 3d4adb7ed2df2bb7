#include <cstdio>

#include <m2mkd/base/log.hpp>
#include <m2mkd/base/output.hpp>
#include <m2mkd/report/summary.hpp>
#include <m2mkd/run/run.hpp>

#include "command.hpp"
#include "parallel.hpp"

namespace m2mkd {

ExitCode run_command(const CommandLine& line) {
  const auto files = operands(line, 1, 100, "one or several CONFIG.ini");
  if (line.flags.contains("print-config")) {
    std::fputs(read_config(files, line).text().c_str(), stdout);
    return ExitCode::finished;
  }
  return in_session([&](Session& session) {
    const Config config = shared_config(files, line, session);
    return run(config, session, [&](const JobList& list, const RunFolder& folder) {
      const TableFile summary = summarise(list, folder, config);
      write_table_file(folder.summary(), summary);
      std::fputs(comparison_table(summary).c_str(), stdout);
      if (const auto lost = output_problem(); !lost.empty())  // the results are there all the same
        log::warn("{}: m2mkd report {} prints the table again", lost, folder.dir.string());
    });
  });
}

}  // namespace m2mkd
