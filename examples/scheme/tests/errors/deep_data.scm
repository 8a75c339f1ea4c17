; expect: error: read: nesting too deep
; exit: 1
(read (open-input-string (make-string 3000000 #\()))
