// Scripted attempts, and a file of the system that always fails to be read.
#include "src/data/source/retry.h"

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <vector>

#include "src/data/source/read_error.h"
#include "src/data/source/read_file.h"
#include "src/data/source/tar_source.h"
#include "tests/support/catch.h"
#include "tests/support/log_capture.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace {

using std::chrono::milliseconds;
using vim::data::ReadError;
using vim::data::RetryPolicy;
using vim::data::RetryResult;
using vim::test::contains;
using vim::test::thrown_text;

// Its first page is mapped in no process, so that reading it is an input/output error.
constexpr char kFailingFile[] = "/proc/self/mem";

const std::vector<milliseconds> kAllPauses = {
    milliseconds(50), milliseconds(100), milliseconds(200), milliseconds(400), milliseconds(800)};

struct Run {
  RetryResult result;
  std::vector<milliseconds> pauses;
  size_t attempts = 0;
};

RetryPolicy collecting(std::vector<milliseconds>& pauses) {
  RetryPolicy policy;
  policy.sleep = [&pauses](milliseconds pause) { pauses.push_back(pause); };
  return policy;
}

// Attempts that return `codes` in turn.
Run run(const std::vector<int>& codes) {
  Run run;
  const auto attempt = [&] { return codes.at(run.attempts++); };
  run.result = vim::data::retry(attempt, collecting(run.pauses), "set.tar");
  return run;
}

}  // namespace

TEST_CASE("What succeeds at once is done once") {
  const Run once = run({0});
  CHECK(once.result.code == 0);
  CHECK(once.attempts == 1);
  CHECK(once.pauses.empty());
}

TEST_CASE("A passing error is tried again after pauses that double") {
  const Run passed = run({EIO, ESTALE, ETIMEDOUT, 0});
  CHECK(passed.result.code == 0);
  CHECK(passed.result.tries == 4);
  CHECK(passed.pauses == std::vector(kAllPauses.begin(), kAllPauses.begin() + 3));
}

TEST_CASE("After six tries the last error stays") {
  const Run lost = run({EIO, EIO, EIO, EIO, EIO, ESTALE, 0});
  CHECK(lost.result.code == ESTALE);
  CHECK(lost.attempts == 6);
  CHECK(lost.pauses == kAllPauses);
  CHECK(reason_of(lost.result) == "Stale file handle after 6 tries");
}

TEST_CASE("Other errors end at once, also after a passing one") {
  for (const int code : {ENOENT, EACCES, EISDIR, EINVAL, -1}) {
    CHECK(run({code, 0}).attempts == 1);
  }
  const Run vanished = run({ESTALE, ENOENT, 0});
  CHECK(vanished.result.code == ENOENT);
  CHECK(vanished.attempts == 2);
  CHECK(reason_of(run({ENOENT}).result) == "No such file or directory");
}

TEST_CASE("An interrupted attempt is made again without a pause and does not count") {
  const Run run_through = run({EINTR, EINTR, EINTR, EINTR, EINTR, EINTR, EINTR, EIO, EINTR, 0});
  CHECK(run_through.result.code == 0);
  CHECK(run_through.result.tries == 2);
  CHECK(run_through.pauses == std::vector{milliseconds(50)});
}

TEST_CASE("A network that is down passes, a full disk does not") {
  for (const int code : {EAGAIN, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ECONNRESET}) {
    CHECK(vim::data::is_passing_error(code));
  }
  for (const int code : {0, ENOSPC, ENOMEM, EBADF, ENOTDIR, ELOOP}) {
    CHECK_FALSE(vim::data::is_passing_error(code));
  }
}

TEST_CASE("All retries of a read make one line of the log") {
  const vim::test::LogCapture log;
  run({EIO, EIO, ESTALE, 0});
  CHECK(log.text() == "set.tar: Input/output error; trying again\n");
}

TEST_CASE("A file that fails is read six times before its error is thrown") {
  std::vector<milliseconds> pauses;
  std::vector<uint8_t> bytes;
  const std::string text =
      thrown_text([&] { vim::data::read_file(kFailingFile, bytes, collecting(pauses)); });
  CHECK(
      text ==
      "/proc/self/mem: cannot be read: Input/output error after 6 tries; check the file and its "
      "permissions");
  CHECK(pauses == kAllPauses);
}

TEST_CASE("The reason of a failed read is told without the file") {
  std::vector<uint8_t> bytes;
  try {
    vim::data::read_file("/no/such/file", bytes);
    FAIL("nothing was thrown");
  } catch (const ReadError& error) {
    CHECK(error.reason() == "No such file or directory");
  }
}

TEST_CASE("A place of a large file that fails is read six times before its error is thrown") {
  std::vector<milliseconds> pauses;
  const vim::data::FileSource source(kFailingFile, collecting(pauses));
  std::vector<uint8_t> out(16);
  CHECK(contains(
      thrown_text([&] { source.read_at(32, out); }),
      "/proc/self/mem: cannot be read at byte 32: Input/output error after 6 tries; check"));
  CHECK(pauses == kAllPauses);
}

TEST_CASE("A large file is opened anew before it is read again") {
  RetryPolicy policy;
  const vim::test::TempFolder folder;
  const auto path = folder / "set.tar";
  std::filesystem::create_symlink(kFailingFile, path);
  policy.sleep = [&](milliseconds) {
    std::filesystem::remove(path);
    std::ofstream(path).close();
  };
  const vim::data::FileSource source(path, policy);
  std::vector<uint8_t> out(4);
  CHECK(contains(thrown_text([&] { source.read_at(0, out); }), "at byte 0: it ends there"));
}
