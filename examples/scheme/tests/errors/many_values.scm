; expect: error: stack overflow
; exit: 1
; options: --stack-mb=1
; What the calls left on the stack leaves no room for the values, although it had room for them once.
(define many (apply values (iota 1150000)))
(define (deep n)
  (if (= n 0) (call-with-values (lambda () many) list) (cons n (deep (- n 1)))))
(display (length (deep 20000)))
