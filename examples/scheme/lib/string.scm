; String procedures that take a character or a predicate.

(define (%find-char string test start end)
  (let loop ((i start))
    (cond ((>= i end) #f)
          ((test (string-ref string i)) i)
          (else (loop (+ i 1))))))

(define (%find-char-right string test start end)
  (let loop ((i (- end 1)))
    (cond ((< i start) #f)
          ((test (string-ref string i)) i)
          (else (loop (- i 1))))))

(define (%range string rest)
  (let ((start (if (pair? rest) (car rest) 0))
        (end (if (and (pair? rest) (pair? (cdr rest))) (cadr rest) (string-length string))))
    (if (<= 0 start end (string-length string))
        (cons start end)
        (error "index out of range:" start end))))

; (string-index string char-or-predicate [start [end]])
(define (string-index string test . rest)
  (if (char? test)
      (apply %string-index string test rest)
      (let ((range (%range string rest)))
        (%find-char string test (car range) (cdr range)))))

(define (string-index-right string test . rest)
  (if (char? test)
      (apply %string-index-right string test rest)
      (let ((range (%range string rest)))
        (%find-char-right string test (car range) (cdr range)))))

(define (string-rindex string test . rest) (apply string-index-right string test rest))

; (string-count string predicate [start [end]]): how many characters satisfy the predicate.
(define (string-count string test . rest)
  (let ((range (%range string rest)))
    (let loop ((i (car range)) (n 0))
      (cond ((= i (cdr range)) n)
            ((if (char? test) (char=? test (string-ref string i)) (test (string-ref string i)))
             (loop (+ i 1) (+ n 1)))
            (else (loop (+ i 1) n))))))

; (string-map procedure string ...): the shortest string decides.
(define (string-map f string . rest)
  (list->string (apply map f (string->list string) (map string->list rest))))

(define (string-for-each f string . rest)
  (if (null? rest)
      (let ((end (string-length string)))
        (let loop ((i 0))
          (if (< i end)
              (begin
                (f (string-ref string i))
                (loop (+ i 1))))))
      (apply for-each f (string->list string) (map string->list rest))))
