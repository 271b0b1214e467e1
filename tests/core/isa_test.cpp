#include "evenkeel/core/kernels/simd/isa.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <stdexcept>

using evenkeel::Isa;

namespace {

struct Tagger {
  template <class Arch>
  Isa operator()() const {
    if (std::is_same_v<Arch, evenkeel::Avx512>) {
      return Isa::avx512;
    }
    if (std::is_same_v<Arch, evenkeel::Avx2>) {
      return Isa::avx2;
    }
    return std::is_same_v<Arch, evenkeel::Sse2> ? Isa::sse2 : Isa::generic;
  }
};

}  // namespace

TEST_CASE("dispatch follows the chosen instruction set") {
  const Isa before = evenkeel::active_isa();
  CHECK(evenkeel::isa_supported(before));
  CHECK(evenkeel::isa_supported(Isa::sse2));
  for (const Isa isa : {Isa::generic, Isa::sse2, Isa::avx2, Isa::avx512}) {
    CAPTURE(evenkeel::name(isa));
    if (evenkeel::isa_supported(isa)) {
      evenkeel::set_isa(isa);
      CHECK(evenkeel::active_isa() == isa);
      CHECK(evenkeel::dispatch_isa(Tagger{}) == isa);
    } else {
      CHECK_THROWS_AS(evenkeel::set_isa(isa), std::invalid_argument);
    }
  }
  evenkeel::set_isa(before);
}

TEST_CASE("the best set that runs here is the default, and generic none") {
  const char* chosen = std::getenv("EVENKEEL_ISA");
  if (chosen != nullptr && *chosen != '\0') {
    CHECK(evenkeel::name(evenkeel::active_isa()) == chosen);
  } else {
    Isa best = Isa::generic;
    for (const Isa isa : {Isa::sse2, Isa::avx2, Isa::avx512}) {
      best = evenkeel::isa_supported(isa) ? isa : best;
    }
    CHECK(evenkeel::active_isa() == best);
  }
}

TEST_CASE("avx512 implies avx2, and names are those of EVENKEEL_ISA") {
  CHECK((!evenkeel::isa_supported(Isa::avx512) || evenkeel::isa_supported(Isa::avx2)));
  CHECK(evenkeel::name(Isa::generic) == "generic");
  CHECK(evenkeel::name(Isa::sse2) == "sse2");
  CHECK(evenkeel::name(Isa::avx2) == "avx2");
  CHECK(evenkeel::name(Isa::avx512) == "avx512");
}
