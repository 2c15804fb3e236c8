# SPDX-License-Identifier: MIT
add_library(usermod_microt INTERFACE)

file(GLOB MICROT_ENGINE_SOURCES CONFIGURE_DEPENDS
    ${CMAKE_CURRENT_LIST_DIR}/engine/*.c
    ${CMAKE_CURRENT_LIST_DIR}/engine/kernels/ref/*.c
)

# The engine has its own optimisation, whatever the port's is.
set_source_files_properties(${MICROT_ENGINE_SOURCES} PROPERTIES
    COMPILE_OPTIONS "-O3;-ffp-contract=off;-fno-math-errno"
)

target_sources(usermod_microt INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/modmicrot.c
    ${MICROT_ENGINE_SOURCES}
)
target_include_directories(usermod_microt INTERFACE ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(usermod INTERFACE usermod_microt)
