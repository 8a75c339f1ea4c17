; GCBench, after the garbage collection benchmark of J. Ellis, P. Kovac and H. Boehm.
; Allocates a stretch tree, keeps a tree and an array of floats alive, then builds and drops trees of
; increasing depth, bottom up and top down, always about the same amount of memory per depth.
; usage: gcbench.scm [max-depth]     default 12; the published benchmark is 16 (takes a while)
; Prints the number of trees and nodes of each depth; every tree is counted, so a node that was
; reclaimed too early changes the output or stops the program.

(import (scheme base) (scheme write) (scheme process-context))

(define-record-type node
  (make-node left right i j)
  node?
  (left node-left node-left-set!)
  (right node-right node-right-set!)
  (i node-i node-i-set!)
  (j node-j node-j-set!))

(define min-depth 4)

(define (argument-or default)
  (let ((args (cdr (command-line))))
    (if (pair? args) (string->number (car args)) default)))

(define (tree-size depth) (- (expt 2 (+ depth 1)) 1))

; As many trees of `depth` as give twice the memory of one stretch tree.
(define (iterations stretch-depth depth)
  (quotient (* 2 (tree-size stretch-depth)) (tree-size depth)))

; Top down: the children are stored into an older parent.
(define (populate! depth n)
  (if (> depth 0)
      (begin
        (node-left-set! n (make-node #f #f 0 0))
        (node-right-set! n (make-node #f #f 0 0))
        (populate! (- depth 1) (node-left n))
        (populate! (- depth 1) (node-right n)))))

; Bottom up: the parent is younger than its children.
(define (make-tree depth)
  (if (<= depth 0)
      (make-node #f #f 0 0)
      (make-node (make-tree (- depth 1)) (make-tree (- depth 1)) depth 0)))

(define (count-nodes n)
  (if n
      (+ 1 (count-nodes (node-left n)) (count-nodes (node-right n)))
      0))

(define (fail . what)
  (for-each display what)
  (newline)
  (exit 1))

(define (check-count what depth count)
  (if (not (= count (tree-size depth)))
      (fail "FAIL: " what " of depth " depth " has " count " nodes")))

(define (time-construction stretch-depth depth)
  (let ((n (iterations stretch-depth depth)))
    (let loop ((k 0) (nodes 0))
      (if (< k n)
          (let ((top-down (make-node #f #f 0 0)))
            (populate! depth top-down)
            (let ((down (count-nodes top-down))
                  (up (count-nodes (make-tree depth))))
              (check-count "top-down tree" depth down)
              (check-count "bottom-up tree" depth up)
              (loop (+ k 1) (+ nodes down up))))
          (begin
            (display (* 2 n))
            (display " trees of depth ")
            (display depth)
            (display ": ")
            (display nodes)
            (display " nodes")
            (newline))))))

(define (make-reciprocals n)
  (let ((array (make-vector n 0.0)))
    (do ((k 0 (+ k 1)))
        ((= k (quotient n 2)) array)
      (vector-set! array k (/ 1.0 (+ k 1))))))

(define (check-reciprocals array)
  (let ((half (quotient (vector-length array) 2)))
    (do ((k 0 (+ k 1)))
        ((= k half))
      (if (not (= (vector-ref array k) (/ 1.0 (+ k 1))))
          (fail "FAIL: array element " k)))))

(define (main max-depth)
  (let ((stretch-depth (+ max-depth 2)))
    (display "stretch tree of depth ")
    (display stretch-depth)
    (display ": ")
    (display (count-nodes (make-tree stretch-depth)))
    (display " nodes")
    (newline)
    (let ((long-lived (make-node #f #f 0 0))
          (array (make-reciprocals (quotient (* 500000 (expt 2 max-depth)) 65536))))
      (populate! max-depth long-lived)
      (do ((depth min-depth (+ depth 2)))
          ((> depth max-depth))
        (time-construction stretch-depth depth))
      (check-count "long-lived tree" max-depth (count-nodes long-lived))
      (check-reciprocals array)
      (display "long-lived tree of depth ")
      (display max-depth)
      (display " and array of ")
      (display (vector-length array))
      (display " floats: intact")
      (newline))))

(main (argument-or 12))
