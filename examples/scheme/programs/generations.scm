; A stress for collectors that treat old and young objects differently: a large balanced tree stays
; alive for the whole run while random nodes of it are removed, entered and updated.
; Removal and entry rebuild the path from the root (new objects that point to old ones); an update
; stores a fresh object into a node of any age (old objects that point to new ones).
; usage: generations.scm [n]     default 5000 nodes, 4 n steps
; The tree is an AVL tree; its order, balance, size and contents are checked at the end, and the
; checksum depends on every step.

(import (scheme base) (scheme write) (scheme process-context))

(define-record-type node
  (make-node key payload left right height)
  node?
  (key node-key)
  (payload node-payload node-payload-set!)
  (left node-left)
  (right node-right)
  (height node-height-field))

(define (height n) (if n (node-height-field n) 0))

(define (join key payload left right)
  (make-node key payload left right (+ 1 (max (height left) (height right)))))

; A node of these parts, whose heights differ by at most two; rotates when they differ by two.
(define (balance key payload left right)
  (let ((difference (- (height left) (height right))))
    (cond ((> difference 1)
           (let ((l left))
             (if (>= (height (node-left l)) (height (node-right l)))
                 (join (node-key l) (node-payload l) (node-left l)
                       (join key payload (node-right l) right))
                 (let ((m (node-right l)))
                   (join (node-key m) (node-payload m)
                         (join (node-key l) (node-payload l) (node-left l) (node-left m))
                         (join key payload (node-right m) right))))))
          ((< difference -1)
           (let ((r right))
             (if (>= (height (node-right r)) (height (node-left r)))
                 (join (node-key r) (node-payload r)
                       (join key payload left (node-left r))
                       (node-right r))
                 (let ((m (node-left r)))
                   (join (node-key m) (node-payload m)
                         (join key payload left (node-left m))
                         (join (node-key r) (node-payload r) (node-right m) (node-right r)))))))
          (else (join key payload left right)))))

; The key must not be there.
(define (insert n key payload)
  (cond ((not n) (join key payload #f #f))
        ((< key (node-key n))
         (balance (node-key n) (node-payload n) (insert (node-left n) key payload) (node-right n)))
        (else
         (balance (node-key n) (node-payload n) (node-left n) (insert (node-right n) key payload)))))

(define (leftmost n) (if (node-left n) (leftmost (node-left n)) n))

(define (delete-leftmost n)
  (if (node-left n)
      (balance (node-key n) (node-payload n) (delete-leftmost (node-left n)) (node-right n))
      (node-right n)))

; The key must be there.
(define (delete n key)
  (cond ((< key (node-key n))
         (balance (node-key n) (node-payload n) (delete (node-left n) key) (node-right n)))
        ((> key (node-key n))
         (balance (node-key n) (node-payload n) (node-left n) (delete (node-right n) key)))
        ((not (node-left n)) (node-right n))
        ((not (node-right n)) (node-left n))
        (else
         (let ((next (leftmost (node-right n))))
           (balance (node-key next) (node-payload next)
                    (node-left n)
                    (delete-leftmost (node-right n)))))))

; The node with the smallest key that is at least `key`, or `best`.
(define (at-least n key best)
  (cond ((not n) best)
        ((= key (node-key n)) n)
        ((< key (node-key n)) (at-least (node-left n) key n))
        (else (at-least (node-right n) key best))))

; ---- the stress ----

(define key-space 1000000007)
(define state 20090101)
(define (random-below n)
  (set! state (modulo (+ (* state 6364136223846793005) 1442695040888963407) 18446744073709551616))
  (modulo (quotient state 4294967296) n))

; Contents from which the key can be told again.
(define (make-payload key stamp) (vector key stamp (list key stamp (- key stamp))))

(define (payload-intact? payload key)
  (let ((stamp (vector-ref payload 1)))
    (and (= key (vector-ref payload 0))
         (equal? (vector-ref payload 2) (list key stamp (- key stamp))))))

(define (has? tree key)
  (let ((n (at-least tree key #f)))
    (and n (= (node-key n) key))))

(define (fresh-key tree)
  (let ((key (random-below key-space)))
    (if (has? tree key) (fresh-key tree) key)))

(define (random-node tree)
  (or (at-least tree (random-below key-space) #f) (leftmost tree)))

(define (grow tree n)
  (if (= n 0)
      tree
      (let ((key (fresh-key tree)))
        (grow (insert tree key (make-payload key 0)) (- n 1)))))

(define (replace-one tree step)
  (let* ((without (delete tree (node-key (random-node tree))))
         (key (fresh-key without)))
    (insert without key (make-payload key step))))

(define (run tree steps)
  (let loop ((tree tree) (step 1))
    (cond ((> step steps) tree)
          ((= 0 (random-below 2)) (loop (replace-one tree step) (+ step 1)))
          (else
           (let ((n (random-node tree)))
             (node-payload-set! n (make-payload (node-key n) step))
             (loop tree (+ step 1)))))))

; ---- checks ----

(define (fail what)
  (display "FAIL: ")
  (display what)
  (newline)
  (exit 1))

; Visits in order; returns the key of the last node.
(define (check-tree n previous)
  (if (not n)
      previous
      (let ((key (node-key n))
            (below (check-tree (node-left n) previous)))
        (if (>= below key) (fail "keys out of order"))
        (if (> (abs (- (height (node-left n)) (height (node-right n)))) 1) (fail "unbalanced"))
        (if (not (payload-intact? (node-payload n) key)) (fail "contents damaged"))
        (check-tree (node-right n) key))))

(define (size n) (if n (+ 1 (size (node-left n)) (size (node-right n))) 0))

(define (checksum n sum)
  (if (not n)
      sum
      (let ((sum (checksum (node-left n) sum)))
        (checksum (node-right n)
                  (modulo (+ (* sum 31) (node-key n) (vector-ref (node-payload n) 1))
                          1000000007)))))

(define (main n)
  (let ((tree (run (grow #f n) (* 4 n))))
    (check-tree tree -1)
    (if (not (= n (size tree))) (fail "wrong size"))
    (display "nodes: ")
    (display n)
    (newline)
    (display "height: ")
    (display (height tree))
    (newline)
    (display "checksum: ")
    (display (checksum tree 0))
    (newline)))

(let ((args (cdr (command-line))))
  (main (if (pair? args) (string->number (car args)) 5000)))
