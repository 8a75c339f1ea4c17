; Builds an inverted index of text: word -> list of (file . line), with strings and hash tables.
; usage: textindex.scm [lines | file ...]
; With file names, indexes the files. With a number (default 2000), indexes that many lines of made-up
; text, the same ones every time.
; Prints how many words, distinct words and index entries there are, the ten most frequent words, and
; a checksum over the whole index. A word is a run of letters, in lower case.

(import (scheme base) (scheme char) (scheme file) (scheme write) (scheme process-context) (srfi 69))

(define index (make-hash-table string=?))   ; word -> entry
(define words 0)

; Of one word: how often it occurs, and where, latest first, each line once.
(define-record-type entry
  (make-entry count places)
  entry?
  (count entry-count entry-count-set!)
  (places entry-places entry-places-set!))

(define (add-word! word file line)
  (set! words (+ words 1))
  (let ((e (hash-table-ref index word (lambda () #f))))
    (if (not e)
        (hash-table-set! index word (make-entry 1 (list (cons file line))))
        (let ((latest (car (entry-places e))))
          (entry-count-set! e (+ (entry-count e) 1))
          (if (not (and (= (cdr latest) line) (string=? (car latest) file)))
              (entry-places-set! e (cons (cons file line) (entry-places e))))))))

(define (index-line! text file line)
  (let ((end (string-length text)))
    (let loop ((start 0) (i 0))
      (cond ((and (< i end) (char-alphabetic? (string-ref text i))) (loop start (+ i 1)))
            (else
             (if (< start i)
                 (add-word! (string-downcase (substring text start i)) file line))
             (if (< i end) (loop (+ i 1) (+ i 1))))))))

(define (index-port! port file)
  (let loop ((line 1))
    (let ((text (read-line port)))
      (if (not (eof-object? text))
          (begin
            (index-line! text file line)
            (loop (+ line 1)))))))

(define (index-file! file)
  (let ((port (open-input-file file)))
    (index-port! port file)
    (close-port port)))

; ---- made-up text: short syllables, few words frequent and many rare ----

(define state 1)
(define (random-below n)
  (set! state (modulo (+ (* state 1103515245) 12345) 2147483648))
  (modulo (quotient state 65536) n))

(define syllables #("ta" "ri" "no" "mel" "ko" "su" "van" "é" "λo" "жи" "du" "pe" "Qua" "lin" "os" "ber"))

(define (word-number n)
  (let loop ((n (+ n 1)) (text ""))
    (if (= n 0)
        text
        (loop (quotient n 16) (string-append text (vector-ref syllables (modulo n 16)))))))

; The product of two numbers is small more often than large.
(define (random-word) (word-number (quotient (* (random-below 100) (random-below 100)) 5)))

(define (write-random-line port)
  (do ((k (+ 4 (random-below 8)) (- k 1)))
      ((= k 0) (write-string "." port) (newline port))
    (write-string (random-word) port)
    (write-string (if (= 0 (random-below 6)) ", " " ") port)))

(define (random-text lines)
  (let ((port (open-output-string)))
    (do ((k 0 (+ k 1)))
        ((= k lines) (get-output-string port))
      (write-random-line port))))

; ---- the report ----

(define (line-of label number)
  (display label)
  (display number)
  (newline))

; The first n of a list of (word . count), most frequent first and alphabetically among equals.
(define (before? a b)
  (or (> (cdr a) (cdr b))
      (and (= (cdr a) (cdr b)) (string<? (car a) (car b)))))

(define (insert item sorted)
  (cond ((null? sorted) (list item))
        ((before? item (car sorted)) (cons item sorted))
        (else (cons (car sorted) (insert item (cdr sorted))))))

(define (keep n list)
  (if (or (= n 0) (null? list)) '() (cons (car list) (keep (- n 1) (cdr list)))))

(define (most-frequent n)
  (hash-table-fold index
                   (lambda (word e best) (keep n (insert (cons word (entry-count e)) best)))
                   '()))

(define (string-checksum text)
  (let ((end (string-length text)))
    (let loop ((i 0) (sum 7))
      (if (= i end)
          sum
          (loop (+ i 1) (modulo (+ (* sum 31) (char->integer (string-ref text i))) 1000003))))))

; Does not depend on the order of the table.
(define (checksum)
  (hash-table-fold
   index
   (lambda (word e sum)
     (let loop ((places (entry-places e)) (lines 0))
       (if (null? places)
           (modulo (+ sum (* (string-checksum word) (+ lines (entry-count e)))) 1000000007)
           (loop (cdr places) (+ lines (cdar places))))))
   0))

(define (total-places)
  (hash-table-fold index (lambda (word e sum) (+ sum (length (entry-places e)))) 0))

(define (total-counts)
  (hash-table-fold index (lambda (word e sum) (+ sum (entry-count e))) 0))

(define (report)
  (line-of "words: " words)
  (line-of "distinct words: " (length (hash-table-keys index)))
  (line-of "index entries: " (total-places))
  (for-each (lambda (pair)
              (display "  ")
              (display (car pair))
              (line-of " " (cdr pair)))
            (most-frequent 10))
  (line-of "checksum: " (checksum))
  (if (not (= words (total-counts)))
      (begin (display "FAIL: the counts of the words do not add up") (newline) (exit 1))))

(let* ((args (cdr (command-line)))
       (lines (if (pair? args) (string->number (car args)) 2000)))
  (if lines
      (index-port! (open-input-string (random-text lines)) "made-up")
      (for-each index-file! args))
  (report))
