// The unpickler: every opcode as plain data, nothing run, and bounds on what an input may cost.
#include <string>

#include "src/weights/pickle_value.h"
#include "tests/support/catch.h"
#include "tests/support/thrown_text.h"
#include "tests/weights/safetensors_bytes.h"
#include "tests/weights/torch_bytes.h"

using namespace vim::weights;
using namespace vim::test;
using namespace std::string_literals;

namespace {

// The value of a pickle, as Python would print it.
std::string value_of(const std::string& bytes) {
  return short_text(parse_pickle(as_bytes(bytes), "file").root());
}

PickleKind kind_of(const std::string& bytes) {
  return parse_pickle(as_bytes(bytes), "file").root().kind;
}

std::string error_of(const std::string& bytes) {
  return thrown_text([&] { parse_pickle(as_bytes(bytes), "file"); });
}

}  // namespace

TEST_CASE("numbers of every form are read") {
  const auto [bytes, value] = GENERATE(table<std::string, std::string>({
      {"N.", "None"},
      {"\x88.", "True"},
      {"\x89.", "False"},
      {"I00\n.", "False"},
      {"I01\n.", "True"},
      {"I-17\n.", "-17"},
      {"L123L\n.", "123"},
      {"L-99999999999999999999L\n.", "-99999999999999999999"},
      {"J\xF9\xFF\xFF\xFF.", "-7"},
      {"K\xFF.", "255"},
      {"M\x2C\x01.", "300"},
      {"\x8A\x00."s, "0"},
      {"\x8A\x01\xFF.", "-1"},
      {"\x8A\x02\xFF\x00."s, "255"},
      {"\x8A\x08\x00\x00\x00\x00\x00\x00\x00\x80."s, "-9223372036854775808"},
      {"\x8A\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00."s, "9223372036854775808"},
      {"\x8A\x09\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00."s, "18446744073709551615"},
      {"\x8A\x09\x00\x00\x00\x00\x00\x00\x00\x00\xFF."s, "-18446744073709551616"},
      {"\x8B\x0D\x00\x00\x00\x00\x00\x00\x40\xEA\xED\x74\x46\xD0\x9C\x2C\x9F\x0C."s,
       "1000000000000000000000000000000"},
      {"F2.5\n.", "2.5"},
      {"F1e-08\n.", "1e-08"},
      {"G\x3F\xF8\x00\x00\x00\x00\x00\x00."s, "1.5"},
      {"G\x40\x00\x00\x00\x00\x00\x00\x00."s, "2.0"},
  }));
  CHECK(value_of(bytes) == value);
}

TEST_CASE("texts and bytes of every form are read") {
  const auto [bytes, value] = GENERATE(table<std::string, std::string>({
      {"S'it\\'s\\n\\x41 \\q'\n.", "it's?A \\q"},
      {"S\"two\"\n.", "two"},
      {"T\x02\x00\x00\x00hi."s, "hi"},
      {"U\x02hi.", "hi"},
      {"Vh\\u00e9\\U0001F600\xE9\\u12\n.", "h\xC3\xA9\xF0\x9F\x98\x80\xC3\xA9\\u12"},
      {"X\x02\x00\x00\x00hi."s, "hi"},
      {"\x8C\x02hi.", "hi"},
      {"\x8D\x02\x00\x00\x00\x00\x00\x00\x00hi."s, "hi"},
      {"B\x02\x00\x00\x00hi."s, "hi"},
      {"C\x02hi.", "hi"},
      {"\x8E\x02\x00\x00\x00\x00\x00\x00\x00hi."s, "hi"},
      {"\x96\x02\x00\x00\x00\x00\x00\x00\x00hi."s, "hi"},
  }));
  CHECK(value_of(bytes) == value);
}

TEST_CASE("containers of every form are read in order") {
  const auto [bytes, value] = GENERATE(table<std::string, std::string>({
      {"].", "[]"},
      {").", "()"},
      {"}.", "{}"},
      {"\x8F.", "{}"},
      {"(K\x01K\x02l.", "[1, 2]"},
      {"(K\x01K\x02t.", "(1, 2)"},
      {"(t.", "()"},
      {"K\x01\x85.", "(1,)"},
      {"K\x01K\x02\x86.", "(1, 2)"},
      {"K\x01K\x02K\x03\x87.", "(1, 2, 3)"},
      {"(K\x01K\x02K\x03K\x04"
       "d.",
       "{1: 2, 3: 4}"},
      {"]K\x01"
       "a.",
       "[1]"},
      {"](K\x01K\x02"
       "e.",
       "[1, 2]"},
      {"}K\x01K\x02s.", "{1: 2}"},
      {"}(K\x01K\x02K\x03K\x04u.", "{1: 2, 3: 4}"},
      {"\x8F(K\x01K\x02\x90.", "{1, 2}"},
      {"(K\x01K\x02\x91.", "{1, 2}"},
      {"}(U\x01"
       "aC\x01"
       "bu.",
       "{'a': b'b'}"},
      {"(NI01\nF0.5\nt.", "(None, True, 0.5)"},
  }));
  CHECK(value_of(bytes) == value);
}

TEST_CASE("stack, memo, frame and protocol opcodes do what pickletools says") {
  const auto [bytes, value] = GENERATE(table<std::string, std::string>({
      {"K\x01K\x02"
       "0.",
       "1"},
      {"K\x01("
       "0.",
       "1"},
      {"K\x01(K\x02K\x03"
       "1.",
       "1"},
      {"K\x01"
       "2\x86.",
       "(1, 1)"},
      {"K\x01p7\n0g7\n.", "1"},
      {"K\x01q\x07"
       "0h\x07.",
       "1"},
      {"K\x01r\x07\x01\x00\x00"
       "0j\x07\x01\x00\x00."s,
       "1"},
      {"K\x01\x94K\x02\x94"
       "00h\x01.",
       "2"},
      {"\x80\x05\x95\x03\x00\x00\x00\x00\x00\x00\x00K\x01."s, "1"},
  }));
  CHECK(value_of(bytes) == value);
}

TEST_CASE("a shared list shows what was appended later, and may hold itself") {
  CHECK(
      value_of("]q\x01h\x01\x86h\x01K\x05"
               "a0."s) == "([5], [5])");
  const std::string loop =
      "]q\x01h\x01"
      "a.";
  const Pickle pickle = parse_pickle(as_bytes(loop), "file");
  CHECK(pickle.root().items.at(0) == &pickle.root());
  CHECK(short_text(pickle.root()).size() < 300);
}

TEST_CASE("the names this reader knows become plain data") {
  const std::string pair = pickle_tuple({pickle_text("k"), "K\x01"});
  const auto [bytes, value] = GENERATE_COPY(table<std::string, std::string>({
      {pickle_call("collections", "OrderedDict", {}), "{}"},
      {pickle_call("collections", "OrderedDict", {"(" + pair + "l"}), "{'k': 1}"},
      {pickle_call("collections", "Counter", {pickle_dict({{"k", "K\x01"}})}), "{'k': 1}"},
      {pickle_call("collections", "defaultdict", {pickle_global("builtins", "list")}), "{}"},
      {pickle_call("__builtin__", "set", {"(K\x01K\x02l"}), "{1, 2}"},
      {pickle_call("builtins", "frozenset", {}), "{}"},
      {pickle_call("builtins", "list", {"K\x01\x85"}), "[1]"},
      {pickle_call("torch", "Size", {pickle_ints({2, 3})}), "(2, 3)"},
      {pickle_call("torch", "device", {pickle_text("cuda"), "K\x01"}), "cuda:1"},
      {pickle_call("builtins", "bytearray", {"C\x02hi"}), "hi"},
      {pickle_call("__builtin__", "bytes", {}), ""},
      {pickle_call("_codecs", "encode", {pickle_text("\xC3\xA9"), pickle_text("latin1")}), "\xE9"},
      {pickle_call("_codecs", "encode", {pickle_text("h")}), "h"},
      {pickle_call("builtins", "bytearray", {pickle_text("h"), pickle_text("latin-1")}), "h"},
      {pickle_global("collections", "OrderedDict") + ")\x81", "{}"},
      {"U\x0B"
       "collectionsU\x0BOrderedDict\x93)R",
       "{}"},
      {"(icollections\nOrderedDict\n", "{}"},
      {std::string("(").append(pickle_global("torch", "Size") + pickle_ints({4}) + "o"), "(4,)"},
  }));
  CHECK(value_of(bytes + ".") == value);
}

TEST_CASE("every other name is kept, with arguments and state, and never run") {
  const auto [bytes, value] = GENERATE_COPY(table<std::string, std::string>({
      {pickle_call("posix", "system", {pickle_text("touch pwned")}), "<posix.system>"},
      {pickle_call("builtins", "eval", {pickle_text("1/0")}), "<builtins.eval>"},
      {pickle_call("os", "system", {pickle_text("x")}) + ")R", "<os.system>"},
      {pickle_global("a.b", "C") + ")\x81}b", "<a.b.C>"},
      {pickle_global("a.b", "C") + ")}\x92", "<a.b.C>"},
      {"(ia\nC\n", "<a.C>"},
      {pickle_call(
           "copy_reg",
           "_reconstructor",
           {pickle_global("a", "C"), pickle_global("builtins", "object"), "N"}),
       "<a.C>"},
      {pickle_call("torch._utils", "_rebuild_qtensor", {}), "<torch._utils._rebuild_qtensor>"},
      {pickle_call("torch", "device", {}), "<torch.device>"},
      {pickle_call("builtins", "set", {"K\x01"}), "<builtins.set>"},
      {pickle_call("collections", "OrderedDict", {"(K\x01l"}), "<collections.OrderedDict>"},
      {pickle_call("_codecs", "encode", {pickle_text("\xE2\x82\xAC"), pickle_text("latin1")}),
       "<_codecs.encode>"},
      {pickle_global("torch", "float32"), "<torch.float32>"},
  }));
  CHECK(value_of(bytes + ".") == value);
}

TEST_CASE("an object's attributes can be read, with slots too") {
  const std::string object = pickle_global("argparse", "Namespace") + ")\x81";
  const std::string state = pickle_dict({{"lr", "F0.1\n"}});
  for (const std::string& built :
       {object + state + "b.",
        object + state +
            "N\x86"
            "b."}) {
    const Pickle pickle = parse_pickle(as_bytes(built), "file");
    REQUIRE(pickle.root().attributes() != nullptr);
    CHECK(pickle.root().attributes()->find("lr")->real == 0.1);
  }
  const std::string appended = object +
                               "K\x01"
                               "aK\x02K\x03s.";
  const Pickle pickle = parse_pickle(as_bytes(appended), "file");
  CHECK(pickle.root().items.size() == 1);
  CHECK(pickle.root().pairs.size() == 1);
  CHECK(pickle.root().attributes() == nullptr);
}

TEST_CASE("NumPy's scalars become numbers") {
  const auto scalar = [](const std::string& code, const std::string& order, std::string data) {
    const std::string state = pickle_tuple({"K\x03", pickle_text(order), "N", "N", "N"});
    const std::string dtype =
        pickle_call("numpy", "dtype", {pickle_text(code), "\x89", "\x88"}) + state + "b";
    const std::string bytes = std::string("C") + static_cast<char>(data.size()) + data;
    return value_of(pickle_call("numpy._core.multiarray", "scalar", {dtype, bytes}) + ".");
  };
  CHECK(scalar("f8", "<", "\x00\x00\x00\x00\x00\x00\xF8\x3F"s) == "1.5");
  CHECK(scalar("f4", "<", "\x00\x00\xC0\x3F"s) == "1.5");
  CHECK(scalar("f2", "<", "\x00\xBE"s) == "-1.5");
  CHECK(scalar("f2", "<", "\x01\x00"s) == "5.960464477539063e-08");
  CHECK(scalar("f2", "<", "\x00\x7C"s) == "inf");
  CHECK(scalar("i8", "<", "\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF") == "-2");
  CHECK(scalar("u8", "<", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF") == "18446744073709551615");
  CHECK(scalar("u1", "|", "\xFF") == "255");
  CHECK(scalar("b1", "|", "\x01") == "True");
  CHECK(
      scalar("f8", ">", "\x3F\xF8\x00\x00\x00\x00\x00\x00"s) == "<numpy._core.multiarray.scalar>");
  CHECK(scalar("U2", "<", "12") == "<numpy._core.multiarray.scalar>");
  CHECK(scalar("f8", "<", "12") == "<numpy._core.multiarray.scalar>");
}

TEST_CASE("pickles that break the rules are refused with the byte") {
  const auto [bytes, reason] = GENERATE_COPY(table<std::string, std::string>({
      {".", "a value is missing"},
      {"0.", "a mark is missing"},
      {"1", "a mark is missing"},
      {"t", "a mark is missing"},
      {"2", "a value is missing"},
      {"K\x01\x86", "a value is missing"},
      {"K\x01(\x85", "a value is missing"},
      {"h\x01", "memo 1 is empty"},
      {"g-1\n", "a memo index"},
      {"gx\n", "no integer"},
      {"Ix\n", "no integer"},
      {"I\n", "no integer"},
      {"F1.5x\n", "no number"},
      {"Sx\n", "without its quotes"},
      {"S'x\"\n", "without its quotes"},
      {"K\x01K\x02"
       "a",
       "appended to a number"},
      {"K\x01K\x02K\x03s", "a key is set in a number"},
      {"}(K\x01u", "a key without a value"},
      {"K\x01)R", "no name"},
      {pickle_global("a", "b") + "K\x01R", "arguments are no tuple"},
      {"(o", "without a class"},
      {"K\x01K\x02\x93", "a name that is no text"},
      {"K\x01Q", "a persistent id"},
      {"P0\n", "opcode 80 is not supported"},
      {"\x82\x01", "opcode 130 is not supported"},
      {"\x97", "opcode 151 is not supported"},
      {"\x80\x06", "protocol above 5"},
      {"\x95\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFN.", "a frame beyond the end"},
      {"\x8B\x00\x08\x00\x00"s + std::string(2048, 'x'), "an integer of 2048 bytes"},
      {"X\xFF\xFF\xFF\xFF"
       "a",
       "bytes are wanted"},
      {"\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
       "a",
       "bytes are wanted"},
      {std::string(2000, '('), "nested deeper than 1000"},
  }));
  const std::string error = error_of(bytes);
  INFO(error);
  CHECK(error.starts_with("file"));
  CHECK(contains(error, reason));
}

TEST_CASE("no input takes memory or time out of proportion") {
  SECTION("millions of values") {
    CHECK(contains(error_of(std::string(5'000'000, 'N')), "more than 4000000 values"));
  }
  SECTION("millions of copies of one value") {
    std::string bytes(9'000'000, '2');
    bytes[0] = 'N';
    CHECK(contains(error_of(bytes), "wait for their place"));
  }
  SECTION("lists that double a hundred times take a hundred steps") {
    std::string bytes = "]q\x01";
    for (int i = 0; i < 100; ++i) {
      bytes += "(h\x01h\x01lq\x01";
    }
    CHECK(short_text(parse_pickle(as_bytes(bytes + "."), "file").root()).size() < 2000);
  }
  SECTION("a long text encoded over and over") {
    std::string bytes = pickle_text(std::string(1 << 20, 'x')) +
                        "q\x01"
                        "0";
    for (int i = 0; i < 1000; ++i) {
      bytes += pickle_global("_codecs", "encode") + "h\x01\x85R";
    }
    CHECK(contains(error_of(bytes + "."), "more than 4000000 values"));
  }
  SECTION("a long list copied over and over") {
    std::string bytes(1 << 20, 'N');
    bytes[0] = '(';
    bytes += "lq\x01";
    for (int i = 0; i < 1000; ++i) {
      bytes += pickle_global("builtins", "set") + "h\x01\x85R";
    }
    CHECK(contains(error_of(bytes + "."), "more than 4000000 values"));
  }
}

TEST_CASE("values are named in words for messages") {
  CHECK(describe(parse_pickle(as_bytes("N."), "f").root()) == "None");
  CHECK(describe(parse_pickle(as_bytes("}."), "f").root()) == "a dictionary");
  CHECK(describe(parse_pickle(as_bytes("\x88."), "f").root()) == "a truth value");
  CHECK(describe(parse_pickle(as_bytes("C\x01x."), "f").root()) == "bytes");
  const std::string name = pickle_global("a", "b") + ".";
  CHECK(describe(parse_pickle(as_bytes(name), "f").root()) == "the name a.b");
  CHECK(kind_of(pickle_storage("0", 1) + ".") == PickleKind::kStorage);
}
