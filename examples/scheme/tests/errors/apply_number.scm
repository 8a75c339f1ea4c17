; expect: apply_number.scm:4: error: not a procedure: 5
; exit: 1
(define five 5)
(display (five 1))
