# Every third-party library as one imported target, `dep::<name>`, so that each is looked up once.
#
# mbedTLS, llhttp and librdkafka come from the cache that toolchains/setup.sh fills (or from
# WADI_MBEDTLS_PREFIX, WADI_LLHTTP_PREFIX and WADI_RDKAFKA_PREFIX), the others are the system's, by
# pkg-config.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# wadi_dep_system(name module): dep::<name> from the pkg-config module.
function(wadi_dep_system name module)
    pkg_check_modules(wadi_${name} REQUIRED IMPORTED_TARGET ${module})
    add_library(wadi_dep_${name} INTERFACE)
    target_link_libraries(wadi_dep_${name} INTERFACE PkgConfig::wadi_${name})
    add_library(dep::${name} ALIAS wadi_dep_${name})
endfunction()

# wadi_dep_archives(name prefix archive...): dep::<name> from static libraries below a prefix.
function(wadi_dep_archives name prefix)
    add_library(wadi_dep_${name} INTERFACE)
    foreach(archive IN LISTS ARGN)
        list(APPEND files "${prefix}/lib/lib${archive}.a")
    endforeach()
    target_include_directories(wadi_dep_${name} SYSTEM INTERFACE "${prefix}/include")
    target_link_libraries(wadi_dep_${name} INTERFACE ${files} Threads::Threads)
    set_property(TARGET wadi_dep_${name} PROPERTY WADI_ARCHIVES ${files})
    add_library(dep::${name} ALIAS wadi_dep_${name})
endfunction()

# wadi_cached_prefix(name ret_prefix): where the cached library lies.
function(wadi_cached_prefix name ret_prefix)
    string(TOUPPER "WADI_${name}_PREFIX" override)
    if(DEFINED ${override})
        set(${ret_prefix} "${${override}}" PARENT_SCOPE)
        return()
    endif()
    set(setup "${PROJECT_SOURCE_DIR}/toolchains/setup.sh")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/toolchains/deps.sh")
    execute_process(COMMAND bash "${setup}" --prefixes
        OUTPUT_VARIABLE prefixes RESULT_VARIABLE failed ERROR_QUIET)
    if(failed OR NOT prefixes MATCHES "${name}=([^\n]+)")
        message(FATAL_ERROR "${name} is not in the dependency cache. Run:\n  ${setup}")
    endif()
    set(${ret_prefix} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

wadi_dep_system(lmdb lmdb)
wadi_dep_system(zstd libzstd)
wadi_dep_system(zlib zlib)
wadi_dep_system(jansson jansson)
if(WADI_SDK)
    wadi_dep_system(cares libcares)
endif()
if(WADI_COLLECTOR)
    wadi_dep_system(lz4 liblz4)
    wadi_dep_system(zmq libzmq)
    wadi_dep_system(event libevent_core)
    wadi_dep_system(event_extra libevent_extra)
    wadi_dep_system(event_pthreads libevent_pthreads)
    wadi_dep_system(yaml yaml-0.1)
    wadi_cached_prefix(llhttp prefix)
    wadi_dep_archives(llhttp "${prefix}" llhttp)
    wadi_dep_system(openssl openssl)
    wadi_dep_system(curl libcurl) # of OpenSSL, which rdkafka brings anyway: one TLS for what we call
    wadi_cached_prefix(rdkafka prefix)
    wadi_dep_archives(rdkafka "${prefix}" rdkafka)
    target_link_libraries(wadi_dep_rdkafka INTERFACE dep::openssl dep::zstd dep::zlib m ${CMAKE_DL_LIBS})
endif()
wadi_cached_prefix(mbedtls prefix)
wadi_dep_archives(mbedtls "${prefix}" mbedtls mbedx509 mbedcrypto)

# nanopb has no pkg-config file; its run time is one static library.
find_path(WADI_NANOPB_INCLUDE pb.h PATH_SUFFIXES nanopb REQUIRED)
find_library(WADI_NANOPB_LIBRARY protobuf-nanopb REQUIRED)
add_library(wadi_dep_nanopb INTERFACE)
target_include_directories(wadi_dep_nanopb SYSTEM INTERFACE "${WADI_NANOPB_INCLUDE}")
target_link_libraries(wadi_dep_nanopb INTERFACE "${WADI_NANOPB_LIBRARY}")
set_property(TARGET wadi_dep_nanopb PROPERTY WADI_ARCHIVES "${WADI_NANOPB_LIBRARY}")
add_library(dep::nanopb ALIAS wadi_dep_nanopb)

# Debian's own interpreter: another python3 earlier on PATH need not have what tests import.
find_program(WADI_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
