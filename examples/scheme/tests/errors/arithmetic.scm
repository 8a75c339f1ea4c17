; expect: arithmetic.scm:3: error: \+: not a number: a
; exit: 1
(define (f x) (+ 1 x))
(f 'a)
