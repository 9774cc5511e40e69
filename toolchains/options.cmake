# Build type, language, warnings and sanitizers, as the interface target `wadi_flags`.

if(NOT CMAKE_BUILD_TYPE AND PROJECT_IS_TOP_LEVEL)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}") # installed programs find libwadi.so
set(CMAKE_EXPORT_COMPILE_COMMANDS ${PROJECT_IS_TOP_LEVEL})

# Asserts stay on in every build: they state what the programmer promised, and cost little.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

add_library(wadi_warnings INTERFACE)
target_compile_options(wadi_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wswitch-enum -Wvla -Wundef -Wformat=2
    -Wpointer-arith -Wcast-qual -Wwrite-strings
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition>
    $<$<BOOL:${WADI_WERROR}>:-Werror>)

# `#include`s are written from the root of the project: "collector/journal/journal.h".
add_library(wadi_flags INTERFACE)
target_compile_definitions(wadi_flags INTERFACE _GNU_SOURCE)
target_include_directories(wadi_flags INTERFACE "${PROJECT_SOURCE_DIR}")

if(WADI_SANITIZE)
    # For everything, generated code too, so at directory level.
    add_compile_options(-fsanitize=${WADI_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${WADI_SANITIZE})
endif()
if(WADI_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
