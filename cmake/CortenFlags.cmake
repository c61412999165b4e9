# Compiler flags, and the functions that give them to targets and files.

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g")
if(SAN OR CORTEN_FUZZ)
    set(CMAKE_C_FLAGS_RELEASE "-O1 -g")
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})

find_program(CORTEN_CCACHE ccache)
if(CORTEN_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${CORTEN_CCACHE})
endif()

set(corten_warnings -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wvla -Wpointer-arith -Wundef -Wformat=2)
if(CORTEN_WERROR)
    list(APPEND corten_warnings -Werror)
endif()

# No contraction of a*b+c: what a file computes must not depend on the flags it is built with. A
# kernel that wants a fused multiply-add calls one. errno and floating-point traps are never read.
set(corten_code -ffp-contract=off -fno-math-errno -fno-trapping-math
    -ffunction-sections -fdata-sections)

set(corten_sanitize "")
if(CORTEN_FUZZ)
    set(corten_sanitize -fsanitize=fuzzer-no-link,address,undefined)
elseif(SAN)
    set(corten_sanitize -fsanitize=${SAN})
endif()
if(corten_sanitize)
    list(APPEND corten_sanitize -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()

# Flags by the last word of a kernel's file name.
set(avx512_flags -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mfma -mf16c
    -mprefer-vector-width=512)
set(isa_flags_sse41 -msse4.1)
set(isa_flags_avx2 -mavx2 -mfma -mf16c)
set(isa_flags_avx512 ${avx512_flags})
set(isa_flags_avx512vnni ${avx512_flags} -mavx512vnni)
set(isa_flags_avx512bf16 ${avx512_flags} -mavx512vnni -mavx512bf16)
set(amx_flags -mamx-tile -mamx-int8 -mamx-bf16)
set(isa_flags_amx ${isa_flags_avx512bf16} ${amx_flags})

# Compilers before GCC 11 and Clang 12 lack AMX: rows of its kernels stand under CT_HAVE_AMX.
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_FLAGS ${amx_flags})
list(JOIN CMAKE_REQUIRED_FLAGS " " CMAKE_REQUIRED_FLAGS)
check_c_source_compiles("#include <immintrin.h>
int main(void) { _tile_dpbf16ps(0, 4, 6); _tile_dpbusd(1, 5, 7); _tile_release(); return 0; }"
    CORTEN_COMPILER_HAS_AMX)
unset(CMAKE_REQUIRED_FLAGS)
if(CORTEN_COMPILER_HAS_AMX)
    set(corten_definitions _GNU_SOURCE CT_HAVE_AMX=1)
else()
    set(corten_definitions _GNU_SOURCE CT_HAVE_AMX=0)
endif()

# Sources less those that the processor or the compiler is not for.
function(corten_filter_sources list)
    set(sources ${${list}})
    if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
        list(FILTER sources EXCLUDE REGEX "/kernels/x86/")
    elseif(NOT CORTEN_COMPILER_HAS_AMX)
        list(FILTER sources EXCLUDE REGEX "/kernels/x86/[^/]*_amx\\.c$")
    endif()
    set(${list} ${sources} PARENT_SCOPE)
endfunction()

# Flags of everything in the project.
function(corten_target target)
    target_compile_definitions(${target} PRIVATE ${corten_definitions})
    target_compile_options(${target} PRIVATE ${corten_warnings} ${corten_code} ${corten_sanitize})
    target_link_options(${target} PRIVATE ${corten_sanitize})
    target_include_directories(${target} PRIVATE
        ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
endfunction()

# An executable that sees the public header only.
function(corten_program target)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    target_compile_options(${target} PRIVATE ${corten_warnings} ${corten_code} ${corten_sanitize})
    target_link_options(${target} PRIVATE ${corten_sanitize} -Wl,--gc-sections -Wl,--as-needed)
endfunction()

# Kernels get -O3, and those beneath x86/ the instruction set that their suffix names.
function(corten_kernel_flags)
    foreach(file IN LISTS ARGN)
        set(flags "")
        if(NOT SAN AND NOT CORTEN_FUZZ AND CMAKE_BUILD_TYPE STREQUAL "Release")
            list(APPEND flags -O3)
        endif()
        if(file MATCHES "/kernels/x86/[^/]*_([a-z0-9]+)\\.c$")
            list(APPEND flags ${isa_flags_${CMAKE_MATCH_1}})
            if(CORTEN_FUZZ) # minutes a file otherwise; kernels are checked between guard pages
                list(APPEND flags -fno-sanitize=all)
            endif()
        endif()
        set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${flags}")
    endforeach()
endfunction()
