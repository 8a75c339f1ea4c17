; expect: reader_close.scm:3:9: error: unexpected \)
; exit: 1
(car x))
(display 1)
