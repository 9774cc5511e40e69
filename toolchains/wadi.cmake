# How the parts of Wadi are declared. Every function takes explicit lists: no globbing.

# wadi_target_setup(name [LINK target...] [INCLUDE dir...]): what our libraries and programs share.
function(wadi_target_setup name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINK;INCLUDE")
    target_link_libraries(${name} PRIVATE wadi_warnings PUBLIC wadi_flags ${arg_LINK})
    target_include_directories(${name} PUBLIC ${arg_INCLUDE})
endfunction()

# wadi_library(name SOURCES file... [LINK target...] [INCLUDE dir...]): an internal static library.
function(wadi_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK;INCLUDE")
    if(NOT arg_SOURCES) # a part that is not written yet
        add_library(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE wadi_flags ${arg_LINK})
        target_include_directories(${name} INTERFACE ${arg_INCLUDE})
        return()
    endif()
    add_library(${name} STATIC ${arg_SOURCES})
    wadi_target_setup(${name} LINK ${arg_LINK} INCLUDE ${arg_INCLUDE})
endfunction()

# wadi_executable(name SOURCES file... [LINK target...] [INCLUDE dir...])
function(wadi_executable name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK;INCLUDE")
    add_executable(${name} ${arg_SOURCES})
    wadi_target_setup(${name} LINK ${arg_LINK} INCLUDE ${arg_INCLUDE})
endfunction()

# wadi_nanopb(name ROOT dir PROTOS path...): a static library of what nanopb's generator makes of
# ROOT/<path>.proto (bounds in <path>.options beside it). Include it as <path>.pb.h.
function(wadi_nanopb name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "ROOT" "PROTOS")
    find_program(WADI_PROTOC protoc REQUIRED)
    find_program(WADI_PROTOC_GEN_NANOPB protoc-gen-nanopb REQUIRED)
    set(out "${CMAKE_CURRENT_BINARY_DIR}/nanopb")
    file(MAKE_DIRECTORY "${out}")
    foreach(path IN LISTS arg_PROTOS)
        string(REGEX REPLACE "[.]proto$" "" stem "${path}")
        set(made "${out}/${stem}.pb.c" "${out}/${stem}.pb.h")
        set(inputs "${arg_ROOT}/${stem}.proto")
        if(EXISTS "${arg_ROOT}/${stem}.options")
            list(APPEND inputs "${arg_ROOT}/${stem}.options")
        endif()
        add_custom_command(OUTPUT ${made}
            COMMAND "${WADI_PROTOC}" "--plugin=protoc-gen-nanopb=${WADI_PROTOC_GEN_NANOPB}"
                "-I${arg_ROOT}" "--nanopb_opt=-I${arg_ROOT}" "--nanopb_out=${out}" "${stem}.proto"
            DEPENDS ${inputs} VERBATIM)
        list(APPEND sources ${made})
    endforeach()
    add_library(${name} STATIC ${sources})
    target_compile_options(${name} PRIVATE -w)
    target_include_directories(${name} SYSTEM PUBLIC "${out}")
    target_link_libraries(${name} PUBLIC dep::nanopb)
endfunction()

# wadi_embedded_text(SOURCE file HEADER header SYMBOL name OUTPUT file.c): the text of an ASCII file as the
# C array that the header declares, terminated.
function(wadi_embedded_text)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE;HEADER;SYMBOL;OUTPUT" "")
    set(script "${PROJECT_SOURCE_DIR}/toolchains/embedded_text.cmake")
    add_custom_command(OUTPUT "${arg_OUTPUT}"
        COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${arg_SOURCE}" "-DHEADER=${arg_HEADER}" "-DSYMBOL=${arg_SYMBOL}"
            "-DOUTPUT=${arg_OUTPUT}" -P "${script}"
        DEPENDS "${arg_SOURCE}" "${script}" VERBATIM)
endfunction()

# What every test runs with. A test that cannot run here exits with 77 and says why.
function(wadi_test_setup name labels timeout)
    if(NOT timeout)
        set(timeout 60)
    endif()
    set(environment "WADI_SOURCE_DIR=${PROJECT_SOURCE_DIR}" "WADI_BUILD_DIR=${PROJECT_BINARY_DIR}"
        "WADI_PYTHON=${WADI_PYTHON}" "WADI_SANITIZE=${WADI_SANITIZE}"
        "ASAN_OPTIONS=abort_on_error=0:detect_leaks=1:strict_string_checks=1"
        "UBSAN_OPTIONS=print_stacktrace=1" "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")
    set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout}
        SKIP_RETURN_CODE 77 ENVIRONMENT "${environment}")
endfunction()

# wadi_unit_test(name SOURCES file... [LINK target...] [LABELS label...] [TIMEOUT seconds])
# A cmocka program; its label is `unit` where none is given.
function(wadi_unit_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LINK;LABELS")
    if(NOT arg_LABELS)
        set(arg_LABELS unit)
    endif()
    wadi_executable(${name} SOURCES ${arg_SOURCES} LINK ${arg_LINK} dep::cmocka)
    add_test(NAME ${name} COMMAND ${name})
    wadi_test_setup(${name} "${arg_LABELS}" "${arg_TIMEOUT}")
endfunction()

# wadi_script_test(name COMMAND program arg... [LABELS label...] [TIMEOUT seconds] [ALONE])
# Its label is `integration` where none is given. ALONE: never beside another test.
function(wadi_script_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "ALONE" "TIMEOUT" "COMMAND;LABELS")
    if(NOT arg_LABELS)
        set(arg_LABELS integration)
    endif()
    add_test(NAME ${name} COMMAND ${arg_COMMAND} WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    wadi_test_setup(${name} "${arg_LABELS}" "${arg_TIMEOUT}")
    set_tests_properties(${name} PROPERTIES RUN_SERIAL ${arg_ALONE})
endfunction()

# wadi_fuzz_test(name SOURCES file... [LINK target...])
# LLVMFuzzerTestOneInput over the files in corpus/<name>/ beside it: always a ctest that replays them
# and random damage to them, and with WADI_FUZZ (clang) a libFuzzer program of the same name.
function(wadi_fuzz_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
    if(WADI_FUZZ)
        set(once -runs=0)
        wadi_executable(${name} SOURCES ${arg_SOURCES} LINK ${arg_LINK})
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        set(driver "${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c" "${PROJECT_SOURCE_DIR}/tests/fuzz/mutate.c")
        wadi_executable(${name} SOURCES ${arg_SOURCES} ${driver} LINK ${arg_LINK})
    endif()
    set(corpus "${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name}")
    add_test(NAME ${name} COMMAND ${name} ${once} "${corpus}")
    wadi_test_setup(${name} fuzz 60)
    set_property(GLOBAL APPEND_STRING PROPERTY WADI_FUZZERS "$<TARGET_FILE:${name}> ${corpus}\n")
endfunction()
