; expect: in_library.scm:4: error: car: not a pair: 1
; exit: 1
(define (f)
  (list (map car '(1 2))))
(f)
