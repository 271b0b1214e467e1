# Checks tests/layering/checks.awk over all sources. Run with -DSOURCE_DIR=<project>; prints the measures in its last line.
set(patterns "")
foreach(folder IN ITEMS core autograd nn optim models data training examples bench tests)
  list(APPEND patterns "${SOURCE_DIR}/${folder}/*.?pp")
endforeach()
file(GLOB_RECURSE files RELATIVE "${SOURCE_DIR}" ${patterns})
list(FILTER files EXCLUDE REGEX "^tests/consumer/")  # a user's project
list(LENGTH files count)
if(count LESS 50)
  message(FATAL_ERROR "only ${count} source files found in ${SOURCE_DIR}")
endif()
execute_process(COMMAND awk -f "${CMAKE_CURRENT_LIST_DIR}/layering/checks.awk" ${files} WORKING_DIRECTORY "${SOURCE_DIR}"
                RESULT_VARIABLE failed OUTPUT_VARIABLE text ERROR_VARIABLE text OUTPUT_STRIP_TRAILING_WHITESPACE)
message(NOTICE "${text}")
if(failed)
  message(FATAL_ERROR "the sources break rules of tests/layering/checks.awk")
endif()
