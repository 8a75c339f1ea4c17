; expect: reraised.scm:4: error: first: 1
; exit: 1
(define (f)
  (error "first:" 1))
(guard (e ((string? e) 'no))
  (list (f)))
