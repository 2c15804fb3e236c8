# SPDX-License-Identifier: MIT
add_library(usermod_microt INTERFACE)

get_property(MICROT_LANGUAGES GLOBAL PROPERTY ENABLED_LANGUAGES)
if(NOT "ASM" IN_LIST MICROT_LANGUAGES)
    enable_language(ASM)
endif()

file(GLOB MICROT_ENGINE_SOURCES CONFIGURE_DEPENDS
    ${CMAKE_CURRENT_LIST_DIR}/engine/*.c
    ${CMAKE_CURRENT_LIST_DIR}/engine/kernels/ref/*.c
    ${CMAKE_CURRENT_LIST_DIR}/engine/kernels/c/*.c
    ${CMAKE_CURRENT_LIST_DIR}/engine/kernels/m0/*.c
    ${CMAKE_CURRENT_LIST_DIR}/engine/kernels/dsp/*.c
    ${CMAKE_CURRENT_LIST_DIR}/engine/kernels/mve/*.c
)
# Kernels for an instruction set compile to nothing where there is none.
file(GLOB MICROT_ENGINE_ASSEMBLY CONFIGURE_DEPENDS
    ${CMAKE_CURRENT_LIST_DIR}/engine/kernels/m0/*.S
    ${CMAKE_CURRENT_LIST_DIR}/engine/kernels/dsp/*.S
    ${CMAKE_CURRENT_LIST_DIR}/engine/kernels/mve/*.S
)

# The engine has its own optimisation, whatever the port's is: small but where it pays not to be.
set_source_files_properties(${MICROT_ENGINE_SOURCES} PROPERTIES
    COMPILE_OPTIONS "-Os;-ffp-contract=off;-fno-math-errno"
)
set(MICROT_FAST ${MICROT_ENGINE_SOURCES})
list(FILTER MICROT_FAST INCLUDE REGEX
    "engine/(front_end|kernels/(c|m0|mve)/.*|kernels/ref/(average_pool_2d|conv_2d|depthwise_conv_2d|fully_connected|mean))[.]c$"
)
set_source_files_properties(${MICROT_FAST} PROPERTIES
    COMPILE_OPTIONS "-O2;-ffp-contract=off;-fno-math-errno"
)

target_sources(usermod_microt INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/modmicrot.c
    ${CMAKE_CURRENT_LIST_DIR}/modmicrot_picture.c
    ${MICROT_ENGINE_SOURCES}
    ${MICROT_ENGINE_ASSEMBLY}
)
target_include_directories(usermod_microt INTERFACE ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(usermod INTERFACE usermod_microt)

# MICROT_REFERENCE=1: the reference kernels run every op on every board.
if("$ENV{MICROT_REFERENCE}" STREQUAL "1")
    target_compile_definitions(usermod_microt INTERFACE MICROT_REFERENCE=1)
endif()
