; expect: arity.scm:4: error: two: wrong number of arguments: expected 2, got 1
; exit: 1
(define (two a b) a)
(define (caller) (two 1))
(caller)
