; Includes itself.
(include "circular.scm")
