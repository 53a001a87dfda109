// One include for Catch2 v2 (Debian 12) and v3 (Ubuntu 24.04): the tests use only what both offer.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif
