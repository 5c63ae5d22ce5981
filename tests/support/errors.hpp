#pragma once

// What a call that should fail has to say.

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "ragtime/error.hpp"

namespace ragtime {

// The text of the Error that the call throws; it must have this code.
template <class Call>
std::string error_of(ErrorCode code, Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "expected an Error, but nothing was thrown";
  return "";
}

// The call throws Error(code) with a text that contains every one of `parts`.
template <class Call>
void expect_error(ErrorCode code, std::initializer_list<std::string> parts, Call&& call) {
  const std::string text = error_of(code, call);
  for (const std::string& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << "\"" << text << "\" does not say \"" << part << "\"";
}

}  // namespace ragtime
