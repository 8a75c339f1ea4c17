; expect: errors/parts/part.scm:3: error: car: not a pair: 5
; exit: 1
(include "parts/part.scm")
(display (part-fails 5))
