; The SRFI 69 procedures that take procedures. The table may change while they run: they work on a
; list of the entries made at their start.

(define %missing (list 'missing))

; In the order of KeyKind (hashtable.h).
(define %equivalences (vector equal? eqv? eq? string=? string-ci=? =))
(define %hash-functions
  (vector equal-hash eqv-hash hash-by-identity string-hash string-ci-hash %number-hash))

(define (hash-table-equivalence-function table)
  (vector-ref %equivalences (%hash-table-kind table)))

; The one that the table uses, whatever it was made with.
(define (hash-table-hash-function table) (vector-ref %hash-functions (%hash-table-kind table)))

(define (hash-table-ref table key . rest)
  (let ((value (hash-table-ref/default table key %missing)))
    (cond ((not (eq? value %missing))
           (if (and (pair? rest) (pair? (cdr rest)))
               ((cadr rest) value)
               value))
          ((and (pair? rest) (car rest)) ((car rest)))
          (else (error "hash-table-ref: no such key:" key)))))

(define (hash-table-update! table key change . rest)
  (hash-table-set!
   table
   key
   (change
    (let ((value (hash-table-ref/default table key %missing)))
      (cond ((not (eq? value %missing)) value)
            ((pair? rest) ((car rest)))
            (else (error "hash-table-update!: no such key:" key)))))))

(define (hash-table-update!/default table key change default)
  (hash-table-set! table key (change (hash-table-ref/default table key default))))

; The value for the key; when there is none, that of (make), which is entered.
(define (hash-table-intern! table key make)
  (let ((value (hash-table-ref/default table key %missing)))
    (if (eq? value %missing)
        (let ((fresh (make)))
          (hash-table-set! table key fresh)
          fresh)
        value)))

(define (hash-table-walk table visit)
  (let loop ((entries (hash-table->alist table)))
    (if (pair? entries)
        (begin
          (visit (caar entries) (cdar entries))
          (loop (cdr entries))))))

(define (hash-table-for-each table visit) (hash-table-walk table visit))

; (hash-table-fold table combine seed): (combine key value accumulated) for each entry.
(define (hash-table-fold table combine seed)
  (let loop ((entries (hash-table->alist table)) (result seed))
    (if (pair? entries)
        (loop (cdr entries) (combine (caar entries) (cdar entries) result))
        result)))

(define (alist->hash-table alist . options)
  (let ((table (apply make-hash-table options)))
    (let loop ((rest alist))
      (if (pair? rest)
          (begin
            ; The first association of a key counts.
            (if (not (hash-table-exists? table (caar rest)))
                (hash-table-set! table (caar rest) (cdar rest)))
            (loop (cdr rest)))
          table))))

(define (hash-table-merge! table other)
  (hash-table-walk other
                   (lambda (key value)
                     (if (not (hash-table-exists? table key))
                         (hash-table-set! table key value))))
  table)

(define (make-equal-hash-table . options) (make-hash-table equal?))
(define (make-eqv-hash-table . options) (make-hash-table eqv?))
(define (make-eq-hash-table . options) (make-hash-table eq?))
(define (make-string-hash-table . options) (make-hash-table string=?))
