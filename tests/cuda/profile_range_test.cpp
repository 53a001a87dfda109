#include "src/cuda/profile_range.h"

#include <ATen/record_function.h>

#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace vim::cuda {
namespace {

std::vector<std::string>& seen() {
  static std::vector<std::string> names;
  return names;
}

std::unique_ptr<at::ObserverContext> note_begin(const at::RecordFunction& range) {
  seen().push_back(std::string("+") + range.name());
  return nullptr;
}

void note_end(const at::RecordFunction& range, at::ObserverContext* /*context*/) {
  seen().push_back(std::string("-") + range.name());
}

}  // namespace

TEST_CASE("ranges are user scopes that nest, seen only while somebody listens") {
  seen().clear();
  { const ProfileRange unheard("unheard"); }
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(note_begin, note_end).scopes({at::RecordScope::USER_SCOPE}));
  {
    const ProfileRange outer("outer");
    const ProfileRange inner("inner");
  }
  at::removeCallback(handle);
  { const ProfileRange unheard("unheard again"); }
  CHECK(seen() == std::vector<std::string>{"+outer", "+inner", "-inner", "-outer"});
}

}  // namespace vim::cuda
