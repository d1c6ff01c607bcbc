# SPDX-License-Identifier: Apache-2.0
# Compiler settings for all targets, and mq_library() and mq_program().

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
	-Wvla -Wpointer-arith -Wwrite-strings -Wmissing-prototypes
	-fno-strict-aliasing -fstack-protector-strong)
if(MQ_WERROR)
	add_compile_options(-Werror)
endif()
if(MQ_SANITIZE)
	add_compile_options(-fsanitize=${MQ_SANITIZE} -fno-omit-frame-pointer
		-fno-sanitize-recover=all -g -O1)
	add_link_options(-fsanitize=${MQ_SANITIZE})
endif()
if(MQ_FUZZ)
	add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(MQ_COVERAGE)
	add_compile_options(--coverage)
	add_link_options(--coverage)
endif()
# only the root and include/ are on the include path, so that each include
# names its module
include_directories(${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)

# mq_library(NAME SOURCES a.c b.c [LINK targets]): a static library
function(mq_library name)
	cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
	add_library(${name} STATIC ${arg_SOURCES})
	target_link_libraries(${name} PUBLIC ${arg_LINK})
endfunction()

# mq_program(NAME SOURCES a.c b.c [LINK targets]): an installed program
function(mq_program name)
	cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
	add_executable(${name} ${arg_SOURCES})
	target_link_libraries(${name} PRIVATE ${arg_LINK})
	install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
