; expect: syntax.scm:4: error: if: bad syntax: \(if\)
; exit: 1
(define (f)
  (if))
