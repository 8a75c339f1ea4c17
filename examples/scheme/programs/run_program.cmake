# Runs a program of this folder and compares what it prints with the expected text.
#   cmake -DSCHEME=... -DPROGRAM=... -DARGUMENTS=a;b -DEXPECTED=... -P run_program.cmake
execute_process(
  COMMAND "${SCHEME}" "${PROGRAM}" ${ARGUMENTS}
  OUTPUT_VARIABLE output
  ERROR_VARIABLE errors
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with ${result}\n${output}\n${errors}")
endif()
file(READ "${EXPECTED}" expected)
if(NOT output STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} printed\n${output}\ninstead of\n${expected}")
endif()
