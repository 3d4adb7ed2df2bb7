#include <m2mkd/base/foreign.hpp>
#include <m2mkd/comm/on_root.hpp>

namespace m2mkd {

std::string on_root(const Communicator& world, const std::function<std::string()>& work) {
  std::string told, message;
  if (world.rank() == 0) {
    try {
      told = "ok " + work();
    } catch (const Error& error) {
      told = std::to_string(static_cast<int>(error.code()));
      message = error.what();
    } catch (const std::exception& error) {  // std::filesystem and the like
      told = std::to_string(static_cast<int>(ExitCode::failed));
      message = sentence_of(error);
    }
  }
  told = world.broadcast(told);
  if (told.starts_with("ok ")) return told.substr(3);
  throw CollectiveError(message, static_cast<ExitCode>(std::stoi(told)));
}

}  // namespace m2mkd
