#pragma once
// Stop on request. USR1, TERM and INT set a flag; nothing else happens in the handler. A second INT
// ends the process at once. USR1 is the documented save-and-stop signal: mpirun and srun forward it
// to the ranks.

namespace m2mkd::stop {

/// Installs the handlers (idempotent).
void install();
/// True after a signal or `request()`.
bool requested();
/// The signal's name ("SIGUSR1"), or "request"; empty when none came.
const char* reason();
/// Sets the flag from inside the program (another group told us, or a time limit).
void request();
/// Forgets a request: for tests.
void clear();

}  // namespace m2mkd::stop
