; An included part: the error below is on line 3.
(define (part-fails x)
  (car x))
