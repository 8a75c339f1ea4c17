; expect: error_call.scm:5: error: bad thing: \(1 2\) "text"
; exit: 1
(define (check-it x)
  (if (pair? x)
      (error "bad thing:" x "text")))
(map check-it '((1 2)))
