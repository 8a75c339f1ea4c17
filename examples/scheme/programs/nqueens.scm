; Counts the ways to place n queens on an n by n board so that none attacks another, by extending
; partial boards kept as lists (short-lived pairs by the million), and again by the diagonals taken.
; usage: nqueens.scm [n]     default 8
; The two counts must agree, and for n up to 12 must be the known ones.

(import (scheme base) (scheme write) (scheme process-context))

(define known #(1 1 0 0 2 10 4 40 92 352 724 2680 14200))

(define (argument-or default)
  (let ((args (cdr (command-line))))
    (if (pair? args) (string->number (car args)) default)))

(define (one-to n)
  (let loop ((k n) (result '()))
    (if (= k 0) result (loop (- k 1) (cons k result)))))

(define (safe? row distance placed)
  (or (null? placed)
      (and (not (= (car placed) (+ row distance)))
           (not (= (car placed) (- row distance)))
           (safe? row (+ distance 1) (cdr placed)))))

; free: rows not yet used; tried: free rows that were tried for this column; placed: rows so far.
(define (count-lists free tried placed)
  (if (null? free)
      (if (null? tried) 1 0)
      (+ (if (safe? (car free) 1 placed)
             (count-lists (append (cdr free) tried) '() (cons (car free) placed))
             0)
         (count-lists (cdr free) (cons (car free) tried) placed))))

; The rows, rising and falling diagonals that are taken, each as a list of numbers.
(define (count-diagonals n)
  (define (occupied? row column rows ups downs)
    (or (memv row rows) (memv (+ row column) ups) (memv (- row column) downs)))
  (let place ((column 0) (rows '()) (ups '()) (downs '()))
    (if (= column n)
        1
        (let try ((row 0) (total 0))
          (cond ((= row n) total)
                ((occupied? row column rows ups downs) (try (+ row 1) total))
                (else
                 (try (+ row 1)
                      (+ total
                         (place (+ column 1)
                                (cons row rows)
                                (cons (+ row column) ups)
                                (cons (- row column) downs))))))))))

(define (main n)
  (let ((by-lists (count-lists (one-to n) '() '()))
        (by-diagonals (count-diagonals n)))
    (display n)
    (display " queens: ")
    (display by-lists)
    (display " solutions")
    (newline)
    (if (not (= by-lists by-diagonals))
        (begin
          (display "FAIL: the other method finds ")
          (display by-diagonals)
          (newline)
          (exit 1)))
    (if (and (< n (vector-length known)) (not (= by-lists (vector-ref known n))))
        (begin
          (display "FAIL: known to be ")
          (display (vector-ref known n))
          (newline)
          (exit 1)))))

(main (argument-or 8))
