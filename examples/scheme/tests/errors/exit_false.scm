; expect: ^$
; exit: 1
(exit #f)
