# The device's unit tests under memcheck: <test>_valgrind, of which .ci/run runs those that take little time. Not those
# that look at system calls, signals and stops, of which valgrind has its own, or at what happens at a fork.

find_program(WADI_VALGRIND valgrind)
if(WADI_SANITIZE OR NOT WADI_VALGRIND)
    return()
endif()

# wadi_valgrind_tests(label test...): threads take turns, or one that waits for another by spinning waits for long.
function(wadi_valgrind_tests label)
    foreach(test IN LISTS ARGN)
        add_test(NAME ${test}_valgrind COMMAND ${WADI_VALGRIND} --quiet --fair-sched=yes --error-exitcode=9
            --child-silent-after-fork=yes $<TARGET_FILE:${test}>)
        wadi_test_setup(${test}_valgrind "${label};full" 600)
        set_property(TEST ${test}_valgrind APPEND PROPERTY ENVIRONMENT "WADI_TEST_EVENTS=5000" "WADI_VALGRIND=1")
    endforeach()
endfunction()

wadi_valgrind_tests(valgrind
    wire_event_test wire_batch_test wire_batch_refusal_test wire_small_test wire_golden_test
    sdk_tls_test sdk_crc32c_test sdk_lmdb_test sdk_intern_test sdk_encode_test sdk_track_test
    sdk_track_threads_test sdk_recovery_test sdk_store_test sdk_store_clock_test sdk_core_test
    sdk_core_trouble_test sdk_lanes_test sdk_progress_test sdk_csv_test sdk_rfc3339_test
    sdk_settings_test sdk_url_test sdk_http_response_test sdk_transport_test sdk_resolve_test sdk_backoff_test
    sdk_answer_test sdk_upload_test sdk_upload_answer_test sdk_upload_budget_test)
wadi_valgrind_tests(valgrind-slow
    sdk_lmdb_check_test sdk_store_room_test sdk_store_age_test sdk_store_damage_test)
