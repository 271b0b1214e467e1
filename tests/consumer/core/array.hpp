#pragma once

// A header of the user's own under a name that Evenkeel has too.
inline constexpr int kUsersOwn = 42;
