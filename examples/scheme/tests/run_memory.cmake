# Reader and compiler without memory: an error, which the read-eval-print loop survives.
#   cmake -DSCHEME=... -DLIMIT=KiB -P run_memory.cmake
# The macro doubles its use until memory is gone.
set(grow "(define-syntax grow (syntax-rules () ((_ x ...) (grow x ... x ...))))")
function(run expect_code expect_output typed)
  file(WRITE "typed_memory.tmp" "${typed}")
  execute_process(
    COMMAND sh -c "ulimit -d ${LIMIT} && exec \"$@\"" sh "${SCHEME}" --stack-mb=1 ${ARGN}
    INPUT_FILE "typed_memory.tmp"
    OUTPUT_VARIABLE output
    ERROR_VARIABLE errors
    RESULT_VARIABLE result)
  if(NOT result STREQUAL expect_code OR NOT errors MATCHES "error: out of memory\n$"
     OR NOT output STREQUAL expect_output)
    message(FATAL_ERROR "${ARGN} ended with ${result}\n${output}\n${errors}")
  endif()
endfunction()

run(1 "" "" -e "${grow} (grow 1)")
run(0 "3\n" "${grow}\n(grow 1)\n(+ 1 2)\n")
file(WRITE "grow_memory.tmp" "${grow}\n(display 1)\n(grow 1)\n(display 2)\n")
run(1 "1" "" "grow_memory.tmp")
# Lists take far more memory than their text.
string(REPEAT "(1)" 2000000 lists)
run(0 "3\n" "(quote (${lists}))\n(+ 1 2)\n")
